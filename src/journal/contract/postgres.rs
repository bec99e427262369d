//! Promises that only a database shared by nodes makes: what a lost connection, a crash and a cancelled commit leave, what
//! is refused at the start, and what the audit finds.

use super::harness::*;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::cluster::slots::Slot;
use crate::conversation::content::Content;
use crate::conversation::event::{Author, Event};
use crate::ident::ConversationId;
use crate::journal::postgres::{Address, OpenError, Options, Postgres, audit, kept_secret, waiting_in};
use crate::journal::{Answer, Done, Durability, Journal, Op, Outcome, Query, Write};
use crate::postgres_server::PostgresServer;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

pub(super) fn try_open(url: &str, options: Options) -> Result<Postgres, OpenError> {
    Postgres::open(&Address::parse(url)?, options, Arc::new(SystemClock::default()) as Arc<dyn Clock>)
}

pub(super) fn node(url: &str) -> Postgres {
    try_open(url, Options::default()).unwrap()
}

pub(super) fn perform(node: &dyn Journal, op: Op) -> Done {
    let (tell, told) = channel();
    node.submit(op, Box::new(move |done| tell.send(done).unwrap())).unwrap();
    told.recv().unwrap()
}

pub(super) fn write(node: &dyn Journal, write: Write) -> Outcome {
    match perform(node, Op::Write(write)) {
        Done::Write(outcome) => outcome,
        other => panic!("a write was answered {other:?}"),
    }
}

pub(super) fn decided(id: ConversationId, events: Vec<Event>) -> Write {
    Write { events: events.into_iter().map(|event| (Author::System, event)).collect(), ..plain(id) }
}

pub(super) fn findings(url: &str) -> Vec<String> {
    audit(&Address::parse(url).unwrap(), None).unwrap().findings
}

#[expect(clippy::disallowed_methods, reason = "a test's own thread")]
pub(super) fn leave_to_itself(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}

/// Repeats a message with the same key until its fate is known, and tells where it stands.
fn insist(node: &dyn Journal, message: &Write) -> u64 {
    for _ in 0..2_000 {
        match write(node, message.clone()) {
            Outcome::Committed { entries } => return entries[0].seq,
            Outcome::Duplicate { seq, .. } => return seq,
            Outcome::Failed { .. } => leave_to_itself(10),
            other => panic!("{other:?}"),
        }
    }
    panic!("the store does not come back")
}

pub(super) fn log(node: &dyn Journal, id: ConversationId) -> Vec<(u64, String)> {
    let (tell, told) = channel();
    let query = Query::History { conversation: id, after: 2, limit: 10_000 };
    node.ask(query, Box::new(move |answer| tell.send(answer).unwrap())).unwrap();
    let Answer::History(Some(page)) = told.recv().unwrap() else { panic!("no history") };
    let text = |event: &Event| match event {
        Event::Message(Content::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    };
    page.entries.iter().map(|entry| (entry.seq, text(&entry.event))).collect()
}

/// Each sender says its numbers in order through a node of its own; afterwards every log is whole and has each once.
fn several_senders_say(url: &str, numbers: usize, meanwhile: impl Fn() + Sync) {
    const SENDERS: usize = 3;
    const CONVERSATIONS: u128 = 4;
    let nodes: Vec<_> = (0..SENDERS).map(|_| node(url)).collect();
    for number in 1..=CONVERSATIONS {
        insist(&nodes[0], &decided(conversation(number), vec![opened(&format!("v{number}")), queued()]));
    }
    let said_all = std::sync::Mutex::new(Vec::new());
    let senders_left = std::sync::atomic::AtomicUsize::new(SENDERS);
    std::thread::scope(|scope| {
        for (sender, node) in nodes.iter().enumerate() {
            let (said_all, senders_left) = (&said_all, &senders_left);
            scope.spawn(move || {
                for number in 0..numbers {
                    let id = conversation(number as u128 % CONVERSATIONS + 1);
                    let (text, name) = (format!("{sender}-{number}"), (sender * 1_000_000 + number) as u128);
                    let seq = insist(node, &said(id, &text, key(name, 1)));
                    said_all.lock().unwrap().push((id, seq, text));
                }
                senders_left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while senders_left.load(Ordering::Relaxed) > 0 {
            meanwhile();
        }
    });
    let said_all = said_all.into_inner().unwrap();
    for number in 1..=CONVERSATIONS {
        let id = conversation(number);
        let mut acked: Vec<_> =
            said_all.iter().filter(|said| said.0 == id).map(|said| (said.1, said.2.clone())).collect();
        acked.sort_unstable();
        assert_eq!(log(&nodes[1], id), acked, "acked and stored, each once (JR-1, CV-1)");
    }
    assert_eq!(findings(url), [] as [&str; 0]);
}

#[test]
fn nodes_that_write_the_same_conversations_keep_every_log_whole() {
    several_senders_say(&PostgresServer::shared().fresh_desk(), 300, std::thread::yield_now);
}

#[test]
fn what_was_acked_survives_lost_connections_and_what_was_not_is_said_once() {
    let server = PostgresServer::shared();
    let url = server.fresh_desk();
    several_senders_say(&url, 120, || {
        server.run(
            &url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = current_schema()",
        );
        leave_to_itself(60);
    });
}

#[test]
fn what_was_acked_survives_crashes_of_the_server() {
    let server = PostgresServer::start();
    let url = server.fresh_desk();
    let crashes = std::sync::atomic::AtomicU32::new(0);
    several_senders_say(&url, 300, || {
        if crashes.fetch_add(1, Ordering::Relaxed) < 3 {
            leave_to_itself(100);
            server.crash();
            server.restart();
        }
        std::thread::yield_now();
    });
    assert!(crashes.load(Ordering::Relaxed) >= 1);
}

#[test]
fn a_commit_whose_wait_for_the_standby_is_cancelled_is_not_acked() {
    let server = PostgresServer::start();
    let url = server.fresh_desk();
    let desk = node(&url);
    committed(write(&desk, decided(conversation(1), vec![opened("v"), queued()])));
    assert_eq!(desk.durability(), Durability::Local);
    server.run(&url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.run(&url, "SELECT pg_reload_conf()");
    let cancel =
        "SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    // The server follows its new settings at leisure: until then it commits without waiting for anybody.
    let (count, message, reason) = (1_u64..)
        .find_map(|count| {
            let message = said(conversation(1), "said", key(u128::from(count), 1));
            let (tell, told) = channel();
            desk.submit(Op::Write(message.clone()), Box::new(move |done| tell.send(done).unwrap())).unwrap();
            let mut is_cancelled = false;
            let done = loop {
                match told.try_recv() {
                    Ok(done) => break done,
                    Err(_) => is_cancelled |= server.run(&url, cancel) == "t",
                }
            };
            match done {
                Done::Write(Outcome::Failed { reason }) => Some((count, message, reason)),
                other => {
                    assert!(!is_cancelled, "acked in doubt (CV-3): {other:?}");
                    None
                }
            }
        })
        .unwrap();
    assert!(reason.contains("in doubt"), "{reason}");
    while desk.durability() != Durability::Replicated {
        std::thread::yield_now();
    }
    server.run(&url, "ALTER SYSTEM RESET synchronous_standby_names");
    server.run(&url, "SELECT pg_reload_conf()");
    assert_eq!(insist(&desk, &message), 2 + count, "the repeat finds it or says it again");
    assert_eq!(log(&desk, conversation(1)).len() as u64, count);
}

#[test]
fn one_operation_that_the_server_refuses_spoils_no_neighbour() {
    let server = PostgresServer::shared();
    let url = server.fresh_desk();
    let desk = node(&url);
    committed(write(&desk, decided(conversation(1), vec![opened("v"), queued()])));
    server.run(
        &url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'planted'; END $$;
         CREATE TRIGGER planted BEFORE INSERT ON entry FOR EACH ROW WHEN (NEW.body = 'poison') EXECUTE FUNCTION refuse()",
    );
    let texts = ["one", "nul \0 is text", "poison", "four"];
    let told: Vec<_> = texts
        .iter()
        .zip(0..)
        .map(|(text, number)| {
            let (tell, told) = channel();
            let op = Op::Write(said(conversation(1), text, key(number, 1)));
            desk.submit(op, Box::new(move |done| tell.send(done).unwrap())).unwrap();
            told
        })
        .collect();
    let outcomes: Vec<_> = told.into_iter().map(|told| told.recv().unwrap()).collect();
    let Done::Write(Outcome::Failed { reason }) = &outcomes[2] else { panic!("{outcomes:?}") };
    assert!(reason.contains("planted"), "{reason}");
    let expected = [(3, texts[0].to_owned()), (4, texts[1].to_owned()), (5, texts[3].to_owned())];
    assert_eq!(log(&desk, conversation(1)), expected);
}

#[test]
fn what_could_break_promises_is_refused_at_the_start() {
    let server = PostgresServer::shared();
    let refusal = |url: &str| try_open(url, Options::default()).err().expect("opened").to_string();
    let careless = server.fresh_desk().replace("options=", "options=-csynchronous_commit%3Doff%20");
    assert!(refusal(&careless).contains("synchronous_commit = on"));
    server.run(
        "postgres",
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    assert!(refusal(&server.url("latin")).contains("ENCODING 'UTF8'"));
    let foreign = server.fresh_desk();
    server.run(&foreign, "CREATE TABLE theirs (x int)");
    assert!(matches!(try_open(&foreign, Options::default()), Err(OpenError::NotOurs { .. })));
    assert_eq!(
        server.run(&foreign, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"),
        "1",
        "left alone"
    );
    let newer = server.fresh_desk();
    drop(node(&newer));
    server.run(&newer, "UPDATE rushdesk SET number = 999 WHERE name = 'schema'");
    assert!(refusal(&newer).contains("newer version"));
    server.run(&newer, "UPDATE rushdesk SET number = 1 WHERE name = 'schema'");
    let as_it_is = Options { migrate: false, ..Options::default() };
    assert!(matches!(try_open(&newer, as_it_is.clone()), Err(OpenError::Behind { found: 1, .. })));
    drop(try_open(&server.fresh_desk(), as_it_is).unwrap());
    assert!(refusal(&server.url("missing")).contains("does not exist"));
    assert!(matches!(
        try_open("postgres://desk@127.0.0.1:1/d", Options::default()),
        Err(OpenError::Unreachable { .. })
    ));
}

#[test]
fn nodes_that_start_at_once_make_one_schema_and_epochs_of_their_own() {
    let url = PostgresServer::shared().fresh_desk();
    let mut epochs: Vec<u64> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| node(&url).epoch())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2, 3, 4]);
    let desk = node(&url);
    assert_eq!(desk.secret("visitor", b"first").unwrap(), b"first");
    assert_eq!(node(&url).secret("visitor", b"second").unwrap(), b"first");
    let address = Address::parse(&url).unwrap();
    assert_eq!(kept_secret(&address, "visitor").unwrap().as_deref(), Some(b"first".as_slice()));
    assert_eq!(kept_secret(&address, "agent").unwrap(), None);
    committed(write(&desk, decided(conversation(1), vec![opened("v"), queued()])));
    assert_eq!(waiting_in(&address, &group()).unwrap(), 1);
}

#[test]
fn the_audit_is_silent_about_a_sound_database_and_finds_what_was_planted() {
    let server = PostgresServer::shared();
    let planted = [
        ("CV-1", "DELETE FROM entry WHERE conversation = (SELECT min(id::text)::uuid FROM conversation) AND seq = 2"),
        ("CV-1", "DELETE FROM entry WHERE conversation = (SELECT max(id::text)::uuid FROM conversation)"),
        ("CV-1", "DELETE FROM conversation WHERE id = (SELECT max(id::text)::uuid FROM conversation)"),
        ("CV-1", "UPDATE entry SET kind = 77 WHERE seq = 3"),
        ("FO-1", "UPDATE entry SET visitor_prev = 0 WHERE seq = 3"),
        ("JR-1", "DROP INDEX entry_client; UPDATE entry SET client = gen_random_uuid() WHERE seq = 4;
                  UPDATE entry AS e SET client = f.client FROM entry AS f WHERE f.seq = 4 AND e.seq = 5 AND e.conversation = f.conversation"),
        ("FOLD", "UPDATE conversation SET state = replace(state, '\"served\":false', '\"served\":true')"),
        ("FOLD", "UPDATE conversation SET live = NOT live"),
        ("FOLD", "UPDATE tally SET entries = entries + 1"),
        ("RT-1", "UPDATE agent SET load = load + 1"),
        ("CV-4", "UPDATE entry SET body = replace(convert_from(body, 'UTF8'), '\"assign_seq\":1', '\"assign_seq\":2')::bytea
                  WHERE convert_from(body, 'UTF8') LIKE '%assigned%'"),
    ];
    for (invariant, corruption) in planted {
        let url = server.fresh_desk();
        let desk = Harness::postgres_at(&url, 1);
        let agent = desk.agent(1, 5);
        for number in 1..=3 {
            desk.queue(number);
            desk.say(conversation(number), "hello");
            desk.commit(conversation(number), vec![assigned(agent, 1, 1)]);
            desk.say(conversation(number), "still there");
        }
        let found = audit(&Address::parse(&url).unwrap(), None).unwrap();
        assert_eq!((found.findings.len(), found.conversations, found.entries), (0, 3, 15), "{found:?}");
        server.run(&url, corruption);
        let found = findings(&url);
        assert!(found.iter().any(|finding| finding.starts_with(invariant)), "{corruption}: {found:?}");
    }
}

#[test]
fn what_is_due_of_other_slots_stands_before_nobody() {
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let desk = node(&url);
    // Rows of a node that died, earlier than the one that is asked for: more than come in one page.
    let due = |ids: &str, at: u64| {
        format!(
            "INSERT INTO conversation (id, shop, channel, visitor, phase, live, waiting, opened_at, wake_at, fence, head,
                                       visitor_head, state)
             SELECT {ids}, 's', 'c', number::text, 'queued', false, false, 0, {at}, 1, 1, 1, ''
             FROM generate_series(1, 5000) AS number"
        )
    };
    server.run(&url, &due("('00000000-0000-0000-0001-' || lpad(number::text, 12, '0'))::uuid", 1_000));
    let own = conversation(7);
    server.run(&url, &format!("{} WHERE number = 1", due(&format!("'{}'::uuid", own.uuid()), 2_000)));
    let (tell, told) = channel();
    let slots = [Slot::of_conversation(own)].into_iter().collect();
    let query = Query::Due { now: Timestamp::from_millis(3_000), limit: 1_000, slots };
    desk.ask(query, Box::new(move |answer| tell.send(answer).unwrap())).unwrap();
    let Answer::Due(found) = told.recv().unwrap() else { panic!("no answer") };
    assert_eq!(found.last(), Some(&own));
    assert!(found.len() < 50, "the others of the slot and nobody else: {}", found.len());
}
