//! Each rule, proved by a file that breaks it and by one beside it that does not.

use super::source::Source;
use super::{Rule, directions as d, manners as m};

/// `rule` finds something in the first file and nothing in the second.
fn check(rule: Rule, wrong: (&str, &str), right: (&str, &str)) {
    let found = rule(&Source::new(wrong.0, wrong.1));
    assert_eq!(found.len(), 1, "{}: {} was let through or found twice: {found:?}", wrong.0, wrong.1);
    let found = rule(&Source::new(right.0, right.1));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn pure_files() {
    let rule = d::pure_files_decide_only;
    for line in [
        "async fn decide() {}",
        "use tokio::sync::Mutex;",
        "use serde::Serialize;",
        "let now = Instant::now();",
        "let id = fresh_uuid();",
        "use actix::Actor;",
        "std::thread::spawn(f);",
        "let x = rand::random();",
    ] {
        check(rule, ("src/conversation/decide.rs", line), ("src/conversation/actor.rs", line));
    }
    check(
        rule,
        ("src/routing/a/new_file.rs", "use tokio::x;"),
        ("src/routing/a.rs", "// no tokio, no async"),
    );
}

#[test]
fn hash_maps() {
    let rule = d::pure_files_do_not_walk_hash_maps;
    let field = "struct A { by_id: HashMap<u8, u8> }\n";
    let told = |line: &str| format!("{field}{line}");
    for line in
        ["for x in self.by_id.values() {", "let all = by_id.iter().count();", "for x in &self.by_id {"]
    {
        check(rule, ("src/routing/a.rs", &told(line)), ("src/routing/a.rs", &told("self.by_id.get(&1)")));
    }
    check(
        rule,
        ("src/journal/ledger.rs", "let seen = HashSet::new();\nseen.drain();"),
        ("src/journal/ledger.rs", "let seen = BTreeSet::new();\nseen.iter();"),
    );
}

#[test]
fn strangers() {
    let rule = d::routing_and_conversation_are_strangers;
    let (routing, conversation) = ("src/routing/engine/mod.rs", "src/conversation/actor.rs");
    check(rule, (routing, "use crate::conversation::state::State;"), (routing, "use crate::ident::AgentId;"));
    check(
        rule,
        (conversation, "crate::routing::Engine"),
        ("src/supervisor/actor.rs", "crate::routing::Engine"),
    );
}

#[test]
fn shells() {
    let line = "use actix::Addr;";
    check(d::actors_stay_in_shells, ("src/journal/mod.rs", line), ("src/agent/actor.rs", line));
    check(
        d::actors_stay_in_shells,
        ("src/desk/errand.rs", "actix_web::web"),
        ("src/gateway/rest/x.rs", "actix_web::web"),
    );
    let line = "tokio::time::sleep(x)";
    check(d::the_runtime_stays_at_the_rim, ("src/fanout/hub.rs", line), ("src/rehearsal/line.rs", line));
}

#[test]
fn forms() {
    let line = "#[derive(serde::Serialize)]";
    check(
        d::serde_stays_in_forms,
        ("src/conversation/event.rs", line),
        ("src/journal/record/event.rs", line),
    );
    let line = "use crate::wire::Text;";
    check(d::wire_stops_before_the_domain, ("src/journal/mod.rs", line), ("src/fanout/announce.rs", line));
}

#[test]
fn stores() {
    let rule = d::sql_stays_in_its_adapter;
    check(
        rule,
        ("src/store/mod.rs", "use rusqlite::Connection;"),
        ("src/store/sqlite.rs", "use rusqlite::Connection;"),
    );
    let line = "use tokio_postgres::Client;";
    check(rule, ("src/journal/sqlite/mod.rs", line), ("src/journal/postgres/link.rs", line));
    let sql = "let text = \"INSERT INTO agent VALUES (1)\";";
    check(rule, ("src/desk/mod.rs", sql), ("src/journal/sqlite/agent_row.rs", sql));
    let line = "let client = redis::Client::open(url);";
    check(d::redis_stays_in_its_adapter, ("src/fanout/hub.rs", line), ("src/cluster/redis/link.rs", line));
    let rule = d::adapters_are_named_by_the_composition_only;
    let line = "Arc::new(Memory::new(clock)); use crate::journal::memory::Memory;";
    check(rule, ("src/desk/mod.rs", line), ("src/app/start.rs", line));
    check(
        rule,
        ("src/gateway/mod.rs", "let s: SqliteStore;"),
        ("src/store/contract.rs", "let s: SqliteStore;"),
    );
}

#[test]
fn outsiders() {
    let rule = d::the_rehearsal_is_an_outsider;
    check(
        rule,
        ("src/rehearsal/clerk.rs", "use crate::journal::Journal;"),
        ("src/rehearsal/clerk.rs", "use crate::wire::x;"),
    );
    check(
        rule,
        ("loadtest/src/main.rs", "use rushdesk::app::start;"),
        ("loadtest/src/main.rs", "rushdesk::rehearsal::x"),
    );
}

#[test]
fn clocks() {
    let rule = d::one_file_reads_the_wall_clock;
    check(rule, ("src/desk/mod.rs", "SystemTime::now()"), ("src/clock.rs", "SystemTime::now()"));
}

#[test]
fn manners() {
    check(m::says_what_it_is, ("src/a.rs", "use b;"), ("src/a.rs", "//! A."));
    let long = |lines: usize| "x\n".repeat(lines);
    check(m::stays_small, ("src/a.rs", &long(451)), ("src/a.rs", &long(450)));
    check(m::has_a_telling_name, ("src/desk/utils/a.rs", ""), ("src/desk/person.rs", ""));
    check(m::has_a_telling_name, ("src/desk/helpers.rs", ""), ("src/desk/service_level.rs", ""));
    for (word, rest) in [("FIX", "ME"), ("HA", "CK"), ("X", "XX"), ("TO", "DO")] {
        check(
            m::leaves_nothing_unfinished,
            ("src/a.rs", &format!("// {word}{rest}: later")),
            ("src/a.rs", "// why"),
        );
    }
    for (word, wrong, right) in
        [("routing", "page", "room"), ("protocol", "3.4", "8."), ("protocol", "12", "11")]
    {
        let told = |rest: &str| format!("/// As told ({word} {rest}).");
        check(m::cites_what_is_here, ("src/a.rs", &told(wrong)), ("src/a.rs", &told(right)));
    }
    for (word, rest) in [("todo", "!()"), ("dbg", "!(x)"), ("#[igno", "re]"), ("unimplemented", "!()")] {
        check(
            m::leaves_nothing_unfinished,
            ("src/a.rs", &format!("{word}{rest}")),
            ("src/a.rs", "fn todo() {}"),
        );
    }
}
