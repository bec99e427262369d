//! Promises about nodes that serve one database: every slot has one owner, whoever comes, goes, falls silent or returns.
//!
//! Leases are short here and nothing is measured: what should happen is waited for.

use super::harness::*;
use super::postgres::*;
use crate::clock::{Clock, SystemClock, Timestamp, fresh_uuid};
use crate::cluster::placement::{Placement, Whose};
use crate::cluster::reconcile::{HANDED_AT_ONCE, Heat};
use crate::cluster::slots::{SLOTS, Slot, wanted};
use crate::ident::{ConversationId, Epoch, NodeId};
use crate::journal::postgres::{Address, Callbacks, Candidate, OpenError, Options, Postgres, drain, nodes};
use crate::journal::{Done, Journal, Op, Outcome, Write};
use crate::postgres_server::PostgresServer;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What a node was told about its slots.
#[derive(Default)]
struct Heard {
    lost: Mutex<BTreeSet<u16>>,
    living: Mutex<Vec<NodeId>>,
    unheard: Mutex<Vec<NodeId>>,
    /// Nobody hears it by the bus.
    is_unheard: AtomicBool,
    /// The last that it was told of the database's clock.
    moment: Mutex<Option<Timestamp>>,
    asked: AtomicUsize,
    never_rests: AtomicBool,
    heat: Mutex<Heat>,
    /// In the order in which it was asked to lay them to rest.
    handed: Mutex<Vec<Slot>>,
}

struct Place {
    journal: Postgres,
    placement: Arc<Placement>,
    heard: Arc<Heard>,
}

impl Place {
    fn here(&self) -> usize {
        self.placement.here()
    }

    fn epoch_of(&self, slot: Slot) -> Option<Epoch> {
        match self.placement.of(slot) {
            Whose::Here(epoch) => Some(epoch),
            Whose::There(_) | Whose::Nobody => None,
        }
    }
}

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn at(url: &str) -> Address {
    Address::parse(url).unwrap()
}

fn callbacks(heard: &Arc<Heard>) -> Callbacks {
    let [resting, warming, losing, hearing, saying, missing, timing] = [(); 7].map(|()| Arc::clone(heard));
    Callbacks {
        lay_to_rest: Box::new(move |slots| {
            resting.asked.fetch_add(1, Ordering::Relaxed);
            let mut handed = resting.handed.lock().unwrap();
            let news: Vec<Slot> = slots.iter().copied().filter(|slot| !handed.contains(slot)).collect();
            handed.extend(news);
            if resting.never_rests.load(Ordering::Relaxed) { Vec::new() } else { slots.to_vec() }
        }),
        heat: Box::new(move || warming.heat.lock().unwrap().clone()),
        lost: Box::new(move |slots| {
            losing.lost.lock().unwrap().extend(slots.iter().map(|slot| slot.number()))
        }),
        living: Box::new(move |living| *hearing.living.lock().unwrap() = living.to_vec()),
        is_heard: Box::new(move || !saying.is_unheard.load(Ordering::Relaxed)),
        unheard: Box::new(move |unheard| *missing.unheard.lock().unwrap() = unheard.to_vec()),
        time: Box::new(move |moment, asked, told| {
            assert!(asked <= told);
            *timing.moment.lock().unwrap() = Some(moment);
        }),
        ..Callbacks::nothing_lives_here()
    }
}

fn try_serve(url: &str, name: &str) -> Result<Place, OpenError> {
    let options = Options {
        beat: Duration::from_millis(200),
        silence: Duration::from_millis(1_000),
        lease: Duration::from_millis(2_000),
        ..Options::default()
    };
    let candidate = Candidate { id: id(name), incarnation: fresh_uuid(), address: format!("{name}:8080") };
    let (placement, heard) = (Arc::new(Placement::unknown()), Arc::new(Heard::default()));
    let clock = Arc::new(SystemClock::default()) as Arc<dyn Clock>;
    let journal =
        Postgres::serve(&at(url), options, clock, candidate, Arc::clone(&placement), callbacks(&heard))?;
    Ok(Place { journal, placement, heard })
}

fn serve(url: &str, name: &str) -> Place {
    try_serve(url, name).unwrap()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        leave_to_itself(10);
    }
    panic!("it does not come to be: {what}")
}

/// Whether all of them, and nobody else, own what they should, and each knows it of the others.
fn is_dealt_out(places: &[(&str, &Place)]) -> bool {
    let ids: Vec<NodeId> = places.iter().map(|(name, _)| id(name)).collect();
    Slot::all().all(|slot| {
        let owner = wanted(slot, &ids).unwrap();
        places.iter().all(|(name, place)| match place.placement.of(slot) {
            Whose::Here(_) => owner.as_str() == *name,
            Whose::There(there) => there == *owner && owner.as_str() != *name,
            Whose::Nobody => false,
        })
    })
}

/// From now on the node's row cannot be renewed, as if the node could not reach the database any more.
fn silence(server: &PostgresServer, url: &str, name: &str) {
    server.run(
        url,
        &format!(
            "CREATE OR REPLACE FUNCTION mute() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'planted'; END $$;
             CREATE TRIGGER muted BEFORE UPDATE ON node FOR EACH ROW WHEN (NEW.id = '{name}') EXECUTE FUNCTION mute()"
        ),
    );
}

fn let_speak(server: &PostgresServer, url: &str) {
    server.run(url, "DROP TRIGGER muted ON node");
}

/// Has the database itself watch over every change of a slot: what breaks CL-1 is noted, not refused.
fn watch_over(server: &PostgresServer, url: &str) {
    server.run(
        url,
        "CREATE TABLE taken (slot integer, epoch bigint, owner text, PRIMARY KEY (slot, epoch, owner));
         CREATE TABLE broken (what text);
         CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.epoch < OLD.epoch OR (NEW.owner IS DISTINCT FROM OLD.owner AND NEW.epoch = OLD.epoch) THEN
             INSERT INTO broken VALUES (format('%s -> %s', OLD, NEW));
           END IF;
           IF NOT NEW.released THEN INSERT INTO taken VALUES (NEW.slot, NEW.epoch, NEW.owner); END IF;
           RETURN NULL;
         END $$;
         CREATE TRIGGER watched AFTER UPDATE ON slot FOR EACH ROW EXECUTE FUNCTION watch()",
    );
}

fn assert_one_owner_for_each_epoch(server: &PostgresServer, url: &str) {
    let twice = "SELECT count(*) FROM (SELECT FROM taken GROUP BY slot, epoch HAVING count(*) > 1) AS t";
    assert_eq!(server.run(url, "SELECT * FROM broken"), "", "epochs rise with each owner (CL-1)");
    assert_eq!(server.run(url, twice), "0", "one owner for each slot and epoch (CL-1)");
}

#[test]
fn nodes_share_the_slots_and_hand_them_over_when_they_leave() {
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let a = serve(&url, "a");
    assert_eq!(a.here(), usize::from(SLOTS), "a lone node owns all before it listens");
    let timeline = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint";
    let epoch = a.epoch_of(Slot::new(7).unwrap()).unwrap();
    assert_eq!((epoch >> 40).to_string(), server.run("postgres", timeline), "epochs carry the timeline");
    watch_over(server, &url);
    let (b, c) = (serve(&url, "b"), serve(&url, "c"));
    until("shares of three", || is_dealt_out(&[("a", &a), ("b", &b), ("c", &c)]));
    let fair = usize::from(SLOTS) / 3;
    for place in [&a, &b, &c] {
        assert!(place.here() > fair / 2 && place.here() < fair * 2, "{} of {fair}", place.here());
        assert_eq!(place.heard.lost.lock().unwrap().len(), 0, "what is handed over is not lost");
    }
    until("all have heard of all", || *a.heard.living.lock().unwrap() == ["a", "b", "c"].map(id));

    c.journal.leave(Duration::from_secs(20));
    assert_eq!(c.here(), 0);
    assert!(c.journal.takes_writes(), "what lived there may still write");
    drop(c);
    until("shares of two", || is_dealt_out(&[("a", &a), ("b", &b)]));
    drop(b);
    until("one again", || a.here() == usize::from(SLOTS));
    assert_eq!(server.run(&url, "SELECT string_agg(id, ',') FROM node"), "a", "who left has no row");
    assert_one_owner_for_each_epoch(server, &url);
}

#[test]
fn a_silent_nodes_slots_are_taken_and_its_late_writes_are_stale() {
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let a = serve(&url, "a");
    let b = serve(&url, "b");
    until("shares", || is_dealt_out(&[("a", &a), ("b", &b)]));
    watch_over(server, &url);
    let of_a = |id: &ConversationId| a.epoch_of(Slot::of_conversation(*id)).is_some();
    let id = (1..).map(conversation).find(of_a).unwrap();
    let slot = Slot::of_conversation(id);
    let old = a.epoch_of(slot).unwrap();
    let opening = Write { epoch: old, ..decided(id, vec![opened("v"), queued()]) };
    committed(write(&a.journal, opening));

    silence(server, &url, "a");
    until("the survivor has all", || b.here() == usize::from(SLOTS));
    until("the silent one decides nothing", || !a.journal.takes_writes());
    let late = |name| Write { epoch: old, ..said(id, "late", key(name, 1)) };
    assert!(matches!(write(&a.journal, late(1)), Outcome::Failed { .. }));
    until("it sees what it has lost", || a.heard.lost.lock().unwrap().contains(&slot.number()));
    until("it is missed", || b.heard.living.lock().unwrap().len() == 1);
    let new = b.epoch_of(slot).unwrap();
    assert!(new > old);
    assert!(matches!(
        perform(&b.journal, Op::Claim { conversation: id, epoch: new }),
        Done::Claimed { state: Some(_) }
    ));

    let_speak(server, &url);
    until("it decides again", || a.journal.takes_writes());
    assert_eq!(write(&a.journal, late(2)), Outcome::Stale { fence: new }, "JR-3");
    assert_eq!(a.journal.overtaken(), None);
    until("shares again", || is_dealt_out(&[("a", &a), ("b", &b)]));
    assert!(a.epoch_of(slot).unwrap() > new);
    assert_one_owner_for_each_epoch(server, &url);
}

#[test]
fn one_start_serves_under_an_id_and_the_next_takes_everything_back() {
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let first = serve(&url, "a");
    let refusal = try_serve(&url, "a").err().expect("two under one id").to_string();
    assert!(refusal.contains("`a`") && refusal.contains("another `node.id`"), "{refusal}");
    assert_eq!(first.here(), usize::from(SLOTS), "it was not disturbed");
    drop(first);
    // As a kill leaves it: the row beat a moment ago, the slots are owned.
    server.run(
        &url,
        "INSERT INTO node VALUES ('a', gen_random_uuid(), 'a:8080', clock_timestamp(), '0', 'serving');
         UPDATE slot SET owner = 'a', released = false, epoch = epoch + 1",
    );
    let again = serve(&url, "a");
    assert_eq!(again.here(), usize::from(SLOTS), "taken back in the first round");
    server.run(&url, "UPDATE node SET incarnation = gen_random_uuid()");
    until("it ends", || again.journal.overtaken().is_some());
    assert!(again.journal.overtaken().unwrap().contains("under the same id"));
    drop(again);
    assert_eq!(server.run(&url, "SELECT count(*) FROM node"), "1", "the row is not its to remove");
}

#[test]
fn a_node_that_is_asked_to_leave_hands_over_and_says_so() {
    let url = PostgresServer::shared().fresh_desk();
    let (a, b) = (serve(&url, "a"), serve(&url, "b"));
    until("shares", || is_dealt_out(&[("a", &a), ("b", &b)]));
    assert!(!drain(&at(&url), &id("nobody")).unwrap());
    assert!(!a.journal.drain_asked());
    assert!(drain(&at(&url), &id("a")).unwrap());
    until("it knows", || a.journal.drain_asked());
    until("all is handed over", || a.here() == 0 && b.here() == usize::from(SLOTS));
    let listed = nodes(&at(&url)).unwrap();
    let told: Vec<_> =
        listed.iter().map(|node| (node.id.as_str(), node.state.as_str(), node.slots)).collect();
    assert_eq!(told, [("a", "leaving", 0), ("b", "serving", u64::from(SLOTS))]);
    assert_eq!((listed[0].address.as_str(), listed[0].silent_s < 60.0), ("a:8080", true));
    assert!(!b.journal.drain_asked());
    drop((a, b));
    assert_eq!(nodes(&at(&url)).unwrap(), []);
}

#[test]
fn a_node_that_is_not_heard_says_so_to_the_others_until_it_is() {
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let (a, b) = (serve(&url, "a"), serve(&url, "b"));
    a.heard.is_unheard.store(true, Ordering::Relaxed);
    until("the other knows", || *b.heard.unheard.lock().unwrap() == [id("a")]);
    assert_eq!(*a.heard.unheard.lock().unwrap(), [], "what it cannot hear it knows by itself");
    a.heard.is_unheard.store(false, Ordering::Relaxed);
    until("it is heard again", || b.heard.unheard.lock().unwrap().is_empty());
    a.heard.is_unheard.store(true, Ordering::Relaxed);
    until("the other knows again", || !b.heard.unheard.lock().unwrap().is_empty());
    drop(a);
    until("who has left is not missed", || b.heard.unheard.lock().unwrap().is_empty());
    until("it was told the time", || b.heard.moment.lock().unwrap().is_some());
    let now = server.run(&url, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    let told = b.heard.moment.lock().unwrap().unwrap();
    assert!(Timestamp::from_millis(now.parse().unwrap()).since_millis(told) < 60_000, "{told} at {now}");
}

#[test]
fn what_does_not_come_to_rest_is_cut_off() {
    let url = PostgresServer::shared().fresh_desk();
    let a = serve(&url, "a");
    a.heard.never_rests.store(true, Ordering::Relaxed);
    let b = serve(&url, "b");
    until("it is handed over all the same", || is_dealt_out(&[("a", &a), ("b", &b)]));
    assert!(a.heard.asked.load(Ordering::Relaxed) > 2, "it was asked and waited for");
    assert_eq!(a.heard.lost.lock().unwrap().len(), 0);
    let meters = a.journal.membership_meters().unwrap();
    let [released, cut_off] = [&meters.released, &meters.cut_off].map(|meter| meter.load(Ordering::Relaxed));
    assert_eq!((released, cut_off), (b.here() as u64, b.here() as u64));
}

#[test]
fn the_slots_in_which_most_lives_are_handed_over_last() {
    let url = PostgresServer::shared().fresh_desk();
    let a = serve(&url, "a");
    let ids = ["a", "b"].map(id);
    let goes: Vec<Slot> = Slot::all().filter(|slot| wanted(*slot, &ids) == Some(&ids[1])).collect();
    // The lowest numbers are hot, which without heat would go first.
    let hot: Vec<Slot> = goes.iter().copied().take(100).collect();
    *a.heard.heat.lock().unwrap() = hot.iter().map(|slot| (*slot, 5)).collect();
    let b = serve(&url, "b");
    until("shares", || is_dealt_out(&[("a", &a), ("b", &b)]));
    let handed = a.heard.handed.lock().unwrap();
    assert_eq!(handed.len(), goes.len());
    let first = handed.iter().rev().skip(HANDED_AT_ONCE);
    assert!(first.clone().count() > 0 && first.clone().all(|slot| !hot.contains(slot)), "{handed:?}");
}

/// Idle owners assert nothing by themselves: the round that reads all rows each half beat compares epochs.
#[test]
fn an_idle_owner_finds_out_by_itself_that_its_row_is_anothers() {
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let a = serve(&url, "a");
    let slot = Slot::new(3).unwrap();
    let old = a.epoch_of(slot).unwrap();
    server.run(
        &url,
        "INSERT INTO node VALUES ('ghost', gen_random_uuid(), '', clock_timestamp(), '0', 'serving');
         UPDATE slot SET epoch = epoch + 1, owner = 'ghost' WHERE slot = 3",
    );
    until("it is known to be lost", || a.heard.lost.lock().unwrap().contains(&slot.number()));
    until("it is taken back when the ghost is dead", || {
        a.epoch_of(slot).is_some_and(|epoch| epoch > old + 1)
    });
    until("as everything is", || a.here() == usize::from(SLOTS));
}

#[test]
fn an_outage_of_the_database_moves_no_slot() {
    let server = PostgresServer::start();
    let url = server.fresh_desk();
    let (a, b) = (serve(&url, "a"), serve(&url, "b"));
    until("shares", || is_dealt_out(&[("a", &a), ("b", &b)]));
    let epochs = "SELECT string_agg(epoch::text, ',' ORDER BY slot) FROM slot";
    let before = server.run(&url, epochs);
    for _ in 0..3 {
        server.run(
            &url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = current_schema()",
        );
        leave_to_itself(100);
    }
    server.crash();
    until("both stop deciding", || !a.journal.takes_writes() && !b.journal.takes_writes());
    // All beats are older than the lease when the first of them comes back.
    leave_to_itself(2_500);
    server.restart();
    until("both decide", || a.journal.takes_writes() && b.journal.takes_writes());
    until("shares", || is_dealt_out(&[("a", &a), ("b", &b)]));
    assert_eq!(server.run(&url, epochs), before, "nobody took what was another's");
    assert_eq!(a.heard.lost.lock().unwrap().len() + b.heard.lost.lock().unwrap().len(), 0);
}

/// Has the server go on, on a timeline of its own, with what it finds.
fn promote(server: &PostgresServer) {
    server.run("postgres", "ALTER SYSTEM SET restore_command = 'false'");
    server.run("postgres", "COPY (SELECT) TO PROGRAM 'touch recovery.signal'");
    server.crash();
    server.restart();
    until("it is promoted", || server.run("postgres", "SELECT pg_is_in_recovery()") == "f");
}

#[test]
fn a_promoted_standby_that_missed_commits_cannot_hand_out_an_epoch_again() {
    let server = PostgresServer::start();
    let url = server.fresh_desk();
    let a = serve(&url, "a");
    drop(a);
    let again = serve(&url, "a");
    let slot = Slot::new(3).unwrap();
    let lost = again.epoch_of(slot).unwrap();
    promote(&server);
    server.run(&url, "UPDATE slot SET epoch = epoch - 1, owner = NULL, released = true");
    until("it is taken anew", || again.epoch_of(slot).is_some_and(|epoch| epoch != lost));
    assert!(again.epoch_of(slot).unwrap() > lost, "CL-1");
}

#[test]
fn rows_of_nodes_that_are_long_dead_are_removed() {
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let a = serve(&url, "a");
    let plant = |name: &str, ago: &str| {
        server.run(
            &url,
            &format!("INSERT INTO node VALUES ('{name}', gen_random_uuid(), '', clock_timestamp() - interval '{ago}', '0', 'serving')"),
        );
    };
    plant("kept", "10 s");
    plant("gone", "1 h");
    until("it is removed", || server.run(&url, "SELECT count(*) FROM node WHERE id = 'gone'") == "0");
    assert_eq!(server.run(&url, "SELECT count(*) FROM slot WHERE owner = 'a'"), SLOTS.to_string());
    assert_eq!(a.here(), usize::from(SLOTS), "neither gets a slot");
}

/// Numbers from a seed: the same seed is the same life.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn over_many_joins_and_leaves_every_epoch_has_one_owner() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let (server, url) = (PostgresServer::shared(), PostgresServer::shared().fresh_desk());
    let mut places: [Option<Place>; 4] = [Some(serve(&url, NAMES[0])), None, None, None];
    watch_over(server, &url);
    let mut chance = Chance(7);
    for _ in 0..24 {
        let which = chance.below(4) as usize;
        match places[which].take() {
            None => places[which] = Some(serve(&url, NAMES[which])),
            Some(place) if chance.below(2) == 0 => {
                place.journal.leave(Duration::from_millis(chance.below(200)))
            }
            Some(place) => drop(place),
        }
        leave_to_itself(chance.below(300));
    }
    if places.iter().all(Option::is_none) {
        places[0] = Some(serve(&url, NAMES[0]));
    }
    let left: Vec<(&str, &Place)> =
        NAMES.into_iter().zip(&places).filter_map(|(name, place)| Some((name, place.as_ref()?))).collect();
    until("shares in the end", || is_dealt_out(&left));
    assert_one_owner_for_each_epoch(server, &url);
}
