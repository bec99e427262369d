//! Promises that only a database shared by nodes makes: who wins when two want the same, what a lost connection, a crash and
//! a cancelled commit leave, what is refused at the start, and what the audit finds.

use super::harness::*;
use crate::clock::{Clock, SystemClock};
use crate::conversation::content::Content;
use crate::conversation::event::{Author, Event};
use crate::ident::ConversationId;
use crate::journal::postgres::clerk::Clerk;
use crate::journal::postgres::{Address, OpenError, Options, Postgres, audit, kept_secret, waiting_in};
use crate::journal::{AgentChange, Answer, Done, Durability, Journal, Op, Outcome, Presence, Query, Write};
use crate::postgres_server::PostgresServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

fn try_open(url: &str, options: Options) -> Result<Postgres, OpenError> {
    Postgres::open(&Address::parse(url)?, options, Arc::new(SystemClock::default()) as Arc<dyn Clock>)
}

fn node(url: &str) -> Postgres {
    try_open(url, Options::default()).unwrap()
}

fn perform(node: &dyn Journal, op: Op) -> Done {
    let (tell, told) = channel();
    node.submit(op, Box::new(move |done| tell.send(done).unwrap())).unwrap();
    told.recv().unwrap()
}

fn write(node: &dyn Journal, write: Write) -> Outcome {
    match perform(node, Op::Write(write)) {
        Done::Write(outcome) => outcome,
        other => panic!("a write was answered {other:?}"),
    }
}

fn decided(id: ConversationId, events: Vec<Event>) -> Write {
    Write { events: events.into_iter().map(|event| (Author::System, event)).collect(), ..plain(id) }
}

fn findings(url: &str) -> Vec<String> {
    audit(&Address::parse(url).unwrap(), None).unwrap().findings
}

#[expect(clippy::disallowed_methods, reason = "a test's own thread")]
fn leave_to_itself(ms: u64) {
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

fn log(node: &dyn Journal, id: ConversationId) -> Vec<(u64, String)> {
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
        leave_to_itself(20);
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
fn of_two_nodes_that_open_for_one_visitor_one_is_told_of_the_other() {
    let url = PostgresServer::shared().fresh_desk();
    let nodes = [node(&url), node(&url)];
    for round in 0..20_u128 {
        let ids = [conversation(2 * round + 1), conversation(2 * round + 2)];
        let outcomes = std::thread::scope(|scope| {
            let opening = |at: usize| {
                let (node, id) = (&nodes[at], ids[at]);
                scope.spawn(move || write(node, decided(id, vec![opened(&format!("v{round}")), queued()])))
            };
            [opening(0), opening(1)].map(|opening| opening.join().unwrap())
        });
        match &outcomes {
            [Outcome::Committed { .. }, Outcome::Exists { conversation }] => {
                assert_eq!(*conversation, ids[0])
            }
            [Outcome::Exists { conversation }, Outcome::Committed { .. }] => {
                assert_eq!(*conversation, ids[1])
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
    assert_eq!(findings(&url), [] as [&str; 0]);
}

#[test]
fn the_last_seat_goes_to_one_of_two_nodes() {
    let url = PostgresServer::shared().fresh_desk();
    let nodes = [node(&url), node(&url)];
    let agent = crate::ident::AgentId::from_u128(1);
    perform(&nodes[0], Op::Agent { agent, change: AgentChange::Capacity(1) });
    let online = AgentChange::Presence { presence: Presence::Online, reason: "nul \0 in a reason".into() };
    assert!(matches!(perform(&nodes[1], Op::Agent { agent, change: online }), Done::Agent(_)));
    for round in 0..20_u128 {
        let ids = [conversation(2 * round + 1), conversation(2 * round + 2)];
        for id in ids {
            committed(write(&nodes[0], decided(id, vec![opened(&format!("v{id}")), queued()])));
        }
        let outcomes = std::thread::scope(|scope| {
            let assigning = |at: usize| {
                let (node, id) = (&nodes[at], ids[at]);
                scope.spawn(move || write(node, decided(id, vec![assigned(agent, 1, 1)])))
            };
            [assigning(0), assigning(1)].map(|assigning| assigning.join().unwrap())
        });
        let winners = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Committed { .. })).count();
        assert_eq!((winners, outcomes.iter().filter(|outcome| is_refused(outcome)).count()), (1, 1), "RT-1");
        for (id, outcome) in ids.into_iter().zip(outcomes) {
            if matches!(outcome, Outcome::Committed { .. }) {
                committed(write(&nodes[1], decided(id, vec![closed()])));
            }
        }
    }
    assert_eq!(findings(&url), [] as [&str; 0]);
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
    let (tell, told) = channel();
    let message = said(conversation(1), "in doubt", key(1, 1));
    desk.submit(Op::Write(message.clone()), Box::new(move |done| tell.send(done).unwrap())).unwrap();
    let waiting = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while server.run(&url, waiting) == "0" {
        std::thread::yield_now();
    }
    let Done::Write(Outcome::Failed { reason }) = told.recv().unwrap() else {
        panic!("acked in doubt (CV-3)")
    };
    assert!(reason.contains("in doubt"), "{reason}");
    while desk.durability() != Durability::Replicated {
        std::thread::yield_now();
    }
    server.run(&url, "ALTER SYSTEM RESET synchronous_standby_names");
    server.run(&url, "SELECT pg_reload_conf()");
    assert_eq!(insist(&desk, &message), 3, "the repeat finds it or says it again");
    assert_eq!(log(&desk, conversation(1)), [(3, "in doubt".to_owned())]);
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
fn a_node_that_stops_in_mid_transaction_loses_its_locks() {
    let url = PostgresServer::shared().fresh_desk();
    let desk = node(&url);
    committed(write(&desk, decided(conversation(1), vec![opened("v"), queued()])));
    let stopped = Clerk::open(&Address::parse(&url).unwrap(), &Options::default()).unwrap();
    let (locked, is_locked) = channel();
    let (go_on, goes_on) = channel::<()>();
    std::thread::scope(|scope| {
        let holder = scope.spawn(move || {
            stopped.run(async move |link| {
                link.within(link.begin()).await?;
                link.within(link.query("SELECT id FROM conversation FOR UPDATE", &[])).await?;
                locked.send(()).unwrap();
                goes_on.recv().unwrap();
                link.within(link.commit()).await
            })
        });
        is_locked.recv().unwrap();
        let said = write(&desk, said(conversation(1), "meanwhile", key(1, 1)));
        go_on.send(()).unwrap();
        assert_eq!(committed(said)[0].seq, 3);
        assert!(holder.join().unwrap().is_err(), "what it held is void");
    });
}

#[test]
fn a_row_that_stays_locked_is_no_reason_to_wait_for_ever() {
    let server = PostgresServer::shared();
    let url = server.fresh_desk();
    let desk = try_open(&url, Options { lock_ms: 20, ..Options::default() }).unwrap();
    committed(write(&desk, decided(conversation(1), vec![opened("v"), queued()])));
    let message = said(conversation(1), "in time", key(1, 1));
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(&url, "BEGIN; SELECT id FROM conversation FOR UPDATE; SELECT pg_sleep(1)"));
        let locks = "SELECT count(*) FROM pg_locks WHERE relation = 'conversation'::regclass AND mode = 'RowShareLock'";
        while server.run(&url, locks) == "0" {
            std::thread::yield_now();
        }
        let Outcome::Failed { reason } = write(&desk, message.clone()) else { panic!("written past a lock") };
        assert!(reason.contains("lock timeout"), "{reason}");
    });
    assert_eq!(committed(write(&desk, message))[0].seq, 3, "of the failed attempts nothing was kept");
}

#[test]
fn a_full_queue_gives_the_operation_back() {
    let server = PostgresServer::shared();
    let url = server.fresh_desk();
    let desk = try_open(&url, Options { queue_ops: 4, batch_ops: 2, ..Options::default() }).unwrap();
    let lock = "BEGIN; LOCK TABLE agent IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1)";
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'agent'::regclass AND mode = 'AccessExclusiveLock' AND granted";
    let (tell, told) = channel();
    let given_back = AtomicBool::new(false);
    let mut accepted = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(&url, lock));
        while server.run(&url, locked) == "0" {
            std::thread::yield_now();
        }
        while !given_back.load(Ordering::Relaxed) && accepted < 1_000 {
            let agent = crate::ident::AgentId::from_u128(1);
            let tell = tell.clone();
            let op = Op::Agent { agent, change: AgentChange::Capacity(1) };
            match desk.submit(op, Box::new(move |done| tell.send(done).unwrap())) {
                Ok(()) => accepted += 1,
                Err(_) => given_back.store(true, Ordering::Relaxed),
            }
        }
    });
    drop(tell);
    assert!(given_back.into_inner(), "the queue has no bound");
    assert_eq!(desk.meters().queue_full.load(Ordering::Relaxed), 1);
    assert_eq!(
        told.iter().filter(|done| matches!(done, Done::Agent(_))).count(),
        accepted,
        "what was accepted is answered"
    );
    desk.stop();
    let op = Op::Claim { conversation: conversation(1), epoch: 1 };
    assert!(desk.submit(op, Box::new(|_| panic!("answered after the stop"))).is_err());
    assert!(desk.ask(Query::Totals, Box::new(|_| panic!("answered after the stop"))).is_err());
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
