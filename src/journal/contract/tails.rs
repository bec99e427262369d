//! Promises about the tail: whoever follows it misses nothing, and what is left of a page comes with the next.

use super::harness::*;
use super::postgres::{decided, node, write};
use crate::conversation::event::Event;
use crate::ident::{ConversationId, Seq};
use crate::journal::postgres::link::Link;
use crate::journal::postgres::{Address, Options};
use crate::journal::{Answer, Journal, Mark, Query, Tail};
use crate::postgres_server::PostgresServer;
use std::sync::mpsc::channel;

type Told = Vec<(ConversationId, Seq)>;

fn tail(desk: &Harness, since: Option<&Mark>, limit: u32) -> Tail {
    match desk.ask(Query::Tail { since: since.cloned(), limit }) {
        Answer::Tail(tail) => tail,
        other => panic!("a tail was answered {other:?}"),
    }
}

fn told(tail: &Tail) -> Told {
    let of = |change: &crate::journal::Change| {
        let id = change.state.id;
        change.entries.iter().map(|entry| (id, entry.seq)).collect::<Vec<_>>()
    };
    let mut told: Told = tail.changes.iter().flat_map(of).collect();
    told.sort_unstable();
    told
}

pub(super) fn check_a_tail_has_what_was_committed_after_its_mark(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = desk.agent(1, 9);
    desk.queue(1);
    let begin = tail(&desk, None, 100);
    assert_eq!((told(&begin), begin.is_whole), (Vec::new(), true), "without a mark there is only a mark");
    desk.step();
    let nothing = tail(&desk, Some(&begin.mark), 100);
    assert_eq!(told(&nothing), []);
    desk.say(conversation(1), "after the mark");
    desk.queue(2);
    desk.commit(conversation(1), vec![assigned(agent, 1, 1)]);
    desk.step();
    for since in [&begin.mark, &nothing.mark] {
        let tail = tail(&desk, Some(since), 100);
        let [one, two] = [1, 2].map(conversation);
        assert_eq!(told(&tail), [(one, 3), (one, 4), (two, 1), (two, 2)]);
        assert!(tail.is_whole);
        for change in &tail.changes {
            let id = change.state.id;
            assert_eq!(change.state, desk.state(id), "as of now");
            assert_eq!(change.entries, desk.page(id, change.entries[0].seq - 1, 10).entries, "as in the log");
        }
    }
    let end = tail(&desk, Some(&begin.mark), 100);
    desk.commit(conversation(1), vec![Event::Recalled { seq: 3 }]);
    let after = tail(&desk, Some(&end.mark), 100);
    assert_eq!(told(&after), [(conversation(1), 5)], "what was told is not told again");
}

pub(super) fn check_a_tail_is_read_in_pages_that_hold_still(make: impl Fn() -> Harness) {
    const SAID: u64 = 7;
    for limit in 1..=9 {
        let mut desk = make();
        desk.queue(1);
        desk.queue(2);
        let begin = tail(&desk, None, 1).mark;
        for _ in 0..SAID {
            desk.say(conversation(1), "one");
            desk.say(conversation(2), "two");
        }
        let (mut mark, mut all) = (begin, Told::new());
        for pages in 1.. {
            assert!(pages <= 40, "no end with {limit}");
            desk.step();
            let page = tail(&desk, Some(&mark), limit);
            assert!(told(&page).len() <= limit as usize);
            assert!(page.is_whole || told(&page).len() == limit as usize, "a page that is not whole is full");
            all.extend(told(&page));
            mark = page.mark;
            if page.is_whole {
                break;
            }
            if pages == 1 {
                desk.say(conversation(1), "meanwhile");
            }
        }
        all.extend(told(&tail(&desk, Some(&mark), 100)));
        all.sort_unstable();
        let one_more = u64::from(u64::from(limit) <= 2 * SAID);
        let last = |number| if number == 1 { 2 + SAID + one_more } else { 2 + SAID };
        let expected: Told =
            [1, 2].into_iter().flat_map(|n| (3..=last(n)).map(move |seq| (conversation(n), seq))).collect();
        assert_eq!(all, expected, "each once, in pages of {limit}");
    }
}

fn read(node: &dyn Journal, since: Option<Mark>) -> Tail {
    let (tell, told) = channel();
    node.ask(Query::Tail { since, limit: 100 }, Box::new(move |answer| tell.send(answer).unwrap())).unwrap();
    match told.recv().unwrap() {
        Answer::Tail(tail) => tail,
        other => panic!("{other:?}"),
    }
}

/// Appends to a conversation past every node.
const APPEND: &str =
    "INSERT INTO entry (conversation, seq, visitor_prev, at, author, author_id, author_name, kind, body)
    SELECT conversation, seq + 1, visitor_prev, at, author, author_id, author_name, kind, body FROM entry
    WHERE conversation = (SELECT max(id::text)::uuid FROM conversation) ORDER BY seq DESC LIMIT 1";

#[test]
fn what_was_under_way_for_long_is_in_the_tail_once_it_is_committed() {
    let url = PostgresServer::shared().fresh_desk();
    let desk = node(&url);
    for number in [1, 2] {
        committed(write(&desk, decided(conversation(number), vec![opened(&format!("v{number}")), queued()])));
    }
    let begin = read(&desk, None).mark;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = Address::parse(&url).unwrap();
    let slow = runtime.block_on(Link::connect(&address, &Options::default())).unwrap();
    let first_mark = runtime.block_on(async {
        slow.begin().await.unwrap();
        assert_eq!(slow.execute(APPEND, &[]).await.unwrap(), 1);
        let under_way = read(&desk, None).mark;
        slow.commit().await.unwrap();
        under_way
    });
    assert_eq!(told(&read(&desk, Some(first_mark))), [(conversation(2), 3)], "it was under way at the mark");
    assert_eq!(told(&read(&desk, Some(begin))), [(conversation(2), 3)], "it began after the mark");

    runtime.block_on(slow.begin()).unwrap();
    assert_eq!(runtime.block_on(slow.execute(APPEND, &[])).unwrap(), 1);
    let before = read(&desk, None).mark;
    committed(write(&desk, said(conversation(1), "overtakes", key(1, 1))));
    let quick = read(&desk, Some(before));
    assert_eq!(told(&quick), [(conversation(1), 3)], "what is not committed did not happen");
    runtime.block_on(slow.commit()).unwrap();
    let rest = read(&desk, Some(quick.mark));
    assert_eq!(told(&rest), [(conversation(2), 4)], "it began earlier and committed later");
    assert_eq!(told(&read(&desk, Some(rest.mark))), []);
}
