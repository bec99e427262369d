//! Promises about nodes that want the same rows at once: who wins, who waits, and that nobody waits for ever.

use super::harness::*;
use super::postgres::*;
use crate::ident::AgentId;
use crate::journal::postgres::clerk::Clerk;
use crate::journal::postgres::{Address, Options, Postgres};
use crate::journal::{AgentChange, Done, Journal, Op, Outcome, Presence, Query};
use crate::postgres_server::PostgresServer;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

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
    let agent = AgentId::from_u128(1);
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

/// Does `work` while another node holds what `lock` locks, and tells whether that node could still commit afterwards. The
/// server lets it wait so long for its next statement.
fn while_held<T>(url: &str, idle_ms: u32, lock: &'static str, work: impl FnOnce() -> T) -> (T, bool) {
    let limits = Options { idle_ms, ..Options::default() };
    let holder = Clerk::open(&Address::parse(url).unwrap(), &limits).unwrap();
    let (locked, is_locked) = channel();
    let (go_on, goes_on) = channel::<()>();
    std::thread::scope(|scope| {
        let held = scope.spawn(move || {
            holder.run(async move |link| {
                link.within(link.begin()).await?;
                link.within(link.query(lock, &[])).await?;
                locked.send(()).unwrap();
                assert!(goes_on.recv().is_err(), "it goes on once the other end is gone");
                link.within(link.commit()).await
            })
        });
        is_locked.recv().unwrap();
        let done = work();
        drop(go_on);
        (done, held.join().unwrap().is_ok())
    })
}

const MINUTE_MS: u32 = 60_000;

#[test]
fn a_node_that_stops_in_mid_transaction_loses_its_locks() {
    let url = PostgresServer::shared().fresh_desk();
    let desk = try_open(&url, Options { lock_ms: MINUTE_MS, ..Options::default() }).unwrap();
    committed(write(&desk, decided(conversation(1), vec![opened("v"), queued()])));
    let (outcome, could_commit) = while_held(&url, 1_000, "SELECT id FROM conversation FOR UPDATE", || {
        write(&desk, said(conversation(1), "meanwhile", key(1, 1)))
    });
    assert_eq!(committed(outcome)[0].seq, 3);
    assert!(!could_commit, "what it held is void");
}

#[test]
fn rows_that_stay_locked_fail_alone() {
    let url = PostgresServer::shared().fresh_desk();
    let desk = try_open(&url, Options { lock_ms: 20, ..Options::default() }).unwrap();
    let agents = [1, 2].map(AgentId::from_u128);
    for (agent, number) in agents.into_iter().zip(1..) {
        committed(write(&desk, decided(conversation(number), vec![opened(&number.to_string()), queued()])));
        perform(&desk, Op::Agent { agent, change: AgentChange::Capacity(9) });
        let online = AgentChange::Presence { presence: Presence::Online, reason: "shift".into() };
        perform(&desk, Op::Agent { agent, change: online });
    }
    let lock = "SELECT FROM conversation JOIN agent ON agent.id = conversation.id
                WHERE agent.id = '00000000-0000-0000-0000-000000000001' FOR UPDATE";
    let ops = || {
        let messages = [1, 2, 1, 2].into_iter().zip(0..);
        let messages =
            messages.map(|(number, name)| said(conversation(number), "x", key(name, 1))).map(Op::Write);
        let changes = agents.map(|agent| Op::Agent { agent, change: AgentChange::Capacity(8) });
        let assigned = agents.map(|agent| Op::Write(decided(conversation(2), vec![assigned(agent, 1, 1)])));
        messages.chain(changes).chain(assigned)
    };
    let all = |desk: &Postgres| {
        let hand_in = |op| {
            let (tell, told) = channel();
            desk.submit(op, Box::new(move |done| tell.send(done).unwrap())).unwrap();
            told
        };
        let told: Vec<_> = ops().map(hand_in).collect();
        let failed = |done| matches!(done, Done::Failed { .. } | Done::Write(Outcome::Failed { .. }));
        told.into_iter().map(|told| failed(told.recv().unwrap())).collect::<Vec<_>>()
    };
    let (failed, could_commit) = while_held(&url, MINUTE_MS, lock, || all(&desk));
    assert!(could_commit, "it was locked all the time");
    assert_eq!(failed, [true, false, true, false, true, false, true, false]);
    assert_eq!(all(&desk), [false; 8]);
    assert_eq!(log(&desk, conversation(1)).len(), 2, "what failed was not written, and the repeat was");
    assert_eq!(findings(&url), [] as [&str; 0]);
}

#[test]
fn a_full_queue_gives_the_operation_back() {
    const QUEUE: usize = 4;
    const BATCH: usize = 2;
    let url = PostgresServer::shared().fresh_desk();
    let desk = try_open(
        &url,
        Options {
            queue_ops: QUEUE,
            batch_ops: BATCH,
            lock_ms: MINUTE_MS,
            statement_ms: MINUTE_MS,
            answer_within: Duration::from_millis(2 * u64::from(MINUTE_MS)),
            ..Options::default()
        },
    )
    .unwrap();
    let (tell, told) = channel();
    let fill = || {
        (0..1_000).find(|_| {
            let tell = tell.clone();
            let op = Op::Agent { agent: AgentId::from_u128(1), change: AgentChange::Capacity(1) };
            desk.submit(op, Box::new(move |done| tell.send(done).unwrap())).is_err()
        })
    };
    let (accepted, _) = while_held(&url, MINUTE_MS, "LOCK TABLE agent IN ACCESS EXCLUSIVE MODE", fill);
    let accepted = accepted.expect("the queue has a bound");
    assert!((QUEUE..=QUEUE + BATCH).contains(&accepted), "{accepted}");
    drop(tell);
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
