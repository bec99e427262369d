//! How long a long queue takes to be known again when the node dies whose supervisor knew it: from the moment that another
//! node has the dead one's slots until everybody who waits is known, and until the first is served.
//!
//! The rows are copies of one that the desk itself wrote, put in by SQL, each a millisecond older than the one before it:
//! the last row read is the first to be served.

use crate::domains::{Shop, assigned, close, domain_at};
use crate::postgres_server::PostgresServer;
use jiff::Timestamp;
use serde_json::json;

const SETTINGS: &[&str] = &["conversation.abandon_s=86400"];
/// What a node logs when it has taken slots, and when routing knows everybody of a domain.
const TAKEN: &str = "slots were taken";
const KNOWN: &str = "routing knows who waits and who is held";

/// Copies the conversation that waits so many times.
fn copy(store_url: &str, conversation: &str, count: u32) {
    let new_id = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
    let series = format!("generate_series(1, {count}) AS n");
    PostgresServer::shared().run(
        store_url,
        &format!(
            "INSERT INTO conversation (id, shop, channel, visitor, phase, group_id, live, waiting, holder, assignee,
                 opened_at, closed_at, wake_at, fence, head, visitor_head, state)
             SELECT {new_id}, shop, channel, visitor || '-' || n, phase, group_id, live, waiting, holder, assignee,
                 opened_at - n, closed_at, wake_at - n, 0, head, visitor_head,
                 replace(replace(state, visitor, visitor || '-' || n), opened_at::text, (opened_at - n)::text)
             FROM conversation, {series} WHERE id = '{conversation}';
             INSERT INTO entry (conversation, seq, visitor_prev, at, author, author_id, author_name, kind, body)
             SELECT {new_id}, e.seq, e.visitor_prev, e.at - n, e.author,
                 CASE WHEN e.author_id = convert_to(c.visitor, 'UTF8')
                     THEN convert_to(c.visitor || '-' || n, 'UTF8') ELSE e.author_id END,
                 e.author_name, e.kind,
                 convert_to(replace(convert_from(e.body, 'UTF8'), c.visitor, c.visitor || '-' || n), 'UTF8')
             FROM entry AS e JOIN conversation AS c ON c.id = e.conversation, {series}
             WHERE c.id = '{conversation}';
             UPDATE tally SET conversations = conversations + {count}, live = live + {count},
                 entries = entries + {count} * (SELECT head FROM conversation WHERE id = '{conversation}')
             WHERE shard = (SELECT min(shard) FROM tally);
             ANALYZE conversation"
        ),
    );
}

/// When a line with these words was logged last.
fn logged(log: &str, words: &str) -> Timestamp {
    let line =
        log.lines().rfind(|line| line.contains(words)).unwrap_or_else(|| panic!("no `{words}` in:\n{log}"));
    let first = line.split_whitespace().next().expect("a moment");
    first.parse().unwrap_or_else(|error| panic!("{error}: {line}"))
}

async fn rebuild(count: u32) {
    let mut shop = Shop::with(2, SETTINGS).await;
    let domain = domain_at(0, 2);
    shop.group("rush", &domain, json!({"queue_ceiling": 1_000_000, "abandon_s": 86_400})).await;
    shop.supervises(0, &domain).await;
    let mut clerk = shop.clerk("ann", "rush", 1).await;
    let (_held, held) = shop.shopper(1, "rush", None).await;
    assigned(&mut clerk, &held).await;
    let (_visitor, waits) = shop.shopper(1, "rush", None).await;
    copy(shop.cluster.store_url(), &waits, count);
    shop.cluster.nodes[0].kill();
    close(&mut clerk, &held).await;
    let oldest = format!("01900000-0000-7000-8000-{count:012x}");
    assigned(&mut clerk, &oldest).await;

    let log = shop.cluster.nodes[1].log();
    let (taken, known) = (logged(&log, TAKEN), logged(&log, KNOWN));
    let entries = shop.cluster.nodes[1].entries(&oldest).await;
    let served =
        entries.iter().rfind(|entry| entry["content"]["event"] == "assigned").expect("an assignment");
    let served: Timestamp = served["at"].as_str().expect("a moment").parse().expect("a moment");
    let since = |moment: Timestamp| moment.duration_since(taken).as_millis();
    println!(
        "a queue of {count:>6} rebuilt: everybody known {:>6} ms after the slots were taken, the oldest served after {:>6} ms",
        since(known),
        since(served)
    );
    shop.cluster.audited();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn a_queue_of_ten_thousand() {
    rebuild(10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn a_queue_of_a_hundred_thousand() {
    rebuild(100_000).await;
}
