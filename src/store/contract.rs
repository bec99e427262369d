//! The one suite for all stores: a `check_*` per promise.

use super::memory::MemoryStore;
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Edit, Expect, REMEMBERED_FOR_MS, Remembered, Store, StoreError};
use crate::clock::Timestamp;
use crate::journal::postgres::Address;
use crate::postgres_server::PostgresServer;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_760_000_000_000 + ms)
}

fn edit(expect: Expect) -> Edit<'static> {
    Edit { author: "li", at: at(5), expect }
}

const ANY: Expect = Expect::Anything;

fn check_versions_rise_and_history_stays(store: &dyn Store) {
    assert_eq!(store.revision(), Ok(0));
    assert_eq!(store.get("group", "presale"), Ok(None));
    let first = store.put("group", "presale", "{\"a\":1}", edit(Expect::Absent)).unwrap();
    assert_eq!((first.version, &*first.body, first.updated_at), (1, "{\"a\":1}", at(5)));
    assert_eq!(store.put("group", "presale", "{\"a\":2}", edit(Expect::Version(1))).unwrap().version, 2);
    assert_eq!(store.delete("group", "presale", edit(Expect::Version(2))), Ok(()));
    assert_eq!(store.get("group", "presale"), Ok(None));
    let again = store.put("group", "presale", "{\"a\":3}", edit(Expect::Absent)).unwrap();
    assert_eq!(again.version, 4);
    assert_eq!(store.get("group", "presale"), Ok(Some(again)));
    let changes = store.changes_since(0, 100).unwrap();
    let seen: Vec<_> =
        changes.iter().map(|c| (c.revision, c.version, c.body.as_deref(), &*c.author)).collect();
    assert_eq!(
        seen,
        [
            (1, 1, Some("{\"a\":1}"), "li"),
            (2, 2, Some("{\"a\":2}"), "li"),
            (3, 3, None, "li"),
            (4, 4, Some("{\"a\":3}"), "li")
        ]
    );
    assert_eq!(store.revision(), Ok(4));
    assert_eq!(store.changes_since(2, 1).unwrap()[0].revision, 3);
    assert_eq!(store.changes_since(4, 9), Ok(Vec::new()));
}

fn check_what_was_not_expected_changes_nothing(store: &dyn Store) {
    store.put("rule", "vip", "{}", edit(ANY)).unwrap();
    assert_eq!(store.put("rule", "vip", "[]", edit(Expect::Absent)), Err(StoreError::Changed { found: 1 }));
    assert_eq!(
        store.put("rule", "vip", "[]", edit(Expect::Version(2))),
        Err(StoreError::Changed { found: 1 })
    );
    assert_eq!(store.put("rule", "new", "[]", edit(Expect::Version(1))), Err(StoreError::Missing));
    assert_eq!(store.delete("rule", "vip", edit(Expect::Version(7))), Err(StoreError::Changed { found: 1 }));
    assert_eq!(store.delete("rule", "new", edit(ANY)), Err(StoreError::Missing));
    assert!(matches!(
        store.put("rule", "", "[]", edit(ANY)),
        Err(StoreError::WrongSize { what: "the id", .. })
    ));
    let huge = "x".repeat(super::BODY_MAX_BYTES + 1);
    assert!(matches!(store.put("rule", "x", &huge, edit(ANY)), Err(StoreError::WrongSize { .. })));
    assert_eq!(store.revision(), Ok(1));
    assert_eq!(&*store.get("rule", "vip").unwrap().unwrap().body, "{}");
}

fn check_lists_are_pages_of_one_kind(store: &dyn Store) {
    for (kind, id) in [("a", "3"), ("a", "1"), ("b", "0"), ("a", "2"), ("A", "9")] {
        store.put(kind, id, "{}", edit(ANY)).unwrap();
    }
    let ids = |after, limit| {
        store.list("a", after, limit).unwrap().into_iter().map(|document| document.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 9), ["1", "2", "3"]);
    assert_eq!(ids(None, 2), ["1", "2"]);
    assert_eq!(ids(Some("2"), 9), ["3"]);
    assert_eq!(ids(Some("25"), 9), ["3"]);
    assert_eq!(ids(Some("3"), 9), [] as [&str; 0]);
}

fn answer(key: &str, status: u16, ms: u64) -> Remembered {
    let (key, scope) = (key.to_owned(), "agent-1".to_owned());
    Remembered { key, scope, digest: u64::MAX - 1, status, body: "{}".into(), at: at(ms) }
}

fn check_the_first_answer_stays_until_it_is_old(store: &dyn Store) {
    let first = answer("k", 201, 0);
    assert_eq!(store.recall("k", "agent-1", at(0)), Ok(None));
    assert_eq!(store.remember(&first), Ok(None));
    assert_eq!(store.remember(&answer("k", 500, 10)), Ok(Some(first.clone())));
    assert_eq!(store.recall("k", "agent-1", at(REMEMBERED_FOR_MS)), Ok(Some(first)));
    assert_eq!(store.recall("k", "agent-2", at(1)), Ok(None));
    assert_eq!(store.recall("k", "agent-1", at(REMEMBERED_FOR_MS + 1)), Ok(None));
    let later = answer("k", 409, REMEMBERED_FOR_MS + 2);
    assert_eq!(store.remember(&later), Ok(None));
    assert_eq!(store.recall("k", "agent-1", later.at), Ok(Some(later)));
}

macro_rules! promises {
    ($($check:ident),* $(,)?) => {
        mod on_memory {
            $( #[test] fn $check() { super::$check(&super::MemoryStore::new()); } )*
        }
        mod on_sqlite {
            $( #[test] fn $check() {
                let dir = tempfile::tempdir().unwrap();
                super::$check(&super::SqliteStore::open(&dir.path().join("desk.db")).unwrap());
            } )*
        }
        #[test]
        fn on_postgres_every_promise_holds() {
            $( $check(&on_postgres(&PostgresServer::shared().fresh_desk())); )*
        }
    };
}

fn on_postgres(url: &str) -> PostgresStore {
    PostgresStore::open(&Address::parse(url).unwrap()).unwrap()
}

promises! {
    check_versions_rise_and_history_stays,
    check_what_was_not_expected_changes_nothing,
    check_lists_are_pages_of_one_kind,
    check_the_first_answer_stays_until_it_is_old,
}

#[test]
fn a_change_by_another_process_shows_in_the_revision_and_a_new_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let serving = SqliteStore::open(&path).unwrap();
    let command_line = SqliteStore::open(&path).unwrap();
    command_line.put("group", "presale", "{}", edit(ANY)).unwrap();
    assert_eq!(serving.revision(), Ok(1));
    assert_eq!(serving.get("group", "presale").unwrap().unwrap().version, 1);
    assert_eq!(
        serving.put("group", "presale", "{}", edit(Expect::Absent)),
        Err(StoreError::Changed { found: 1 })
    );
    drop((serving, command_line));
    assert_eq!(SqliteStore::open(&path).unwrap().revision(), Ok(1));
}

#[test]
fn changes_by_several_nodes_at_once_have_revisions_without_gaps() {
    const NODES: usize = 3;
    const CHANGES: usize = 20;
    let url = PostgresServer::shared().fresh_desk();
    let nodes: Vec<_> = (0..NODES).map(|_| on_postgres(&url)).collect();
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| {
                for number in 0..CHANGES {
                    node.put("group", if number % 2 == 0 { "even" } else { "odd" }, "{}", edit(ANY)).unwrap();
                }
            });
        }
    });
    let changes = nodes[0].changes_since(0, 1_000).unwrap();
    let revisions: Vec<_> = changes.iter().map(|change| change.revision).collect();
    assert_eq!(revisions, (1..=(NODES * CHANGES) as u64).collect::<Vec<_>>());
    let last =
        |id| changes.iter().filter(|change| change.id == id).map(|change| change.version).max().unwrap();
    assert_eq!(nodes[1].get("group", "even").unwrap().unwrap().version, last("even"));
    assert_eq!(last("even") + last("odd"), (NODES * CHANGES) as u64);
}
