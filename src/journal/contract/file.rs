//! Promises that only an adapter with a file makes: who may open it, backups, the audit, and what a kill leaves.

use super::harness::*;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::cluster::slots::SlotSet;
use crate::conversation::content::Content;
use crate::conversation::event::{Author, Event};
use crate::ident::AgentId;
use crate::journal::sqlite::{OpenError, Options, Sqlite, audit, backup};
use crate::journal::{Done, Journal, Op, Outcome, Query, Write};
use rusqlite::Connection;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

fn open(path: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(path, Options::default(), Arc::new(SystemClock::default()) as Arc<dyn Clock>)
}

/// A file in which something of everything has happened, and which nobody serves.
fn lived_in(path: &Path) {
    let desk = Harness::sqlite_at(path);
    let (one, two) = (desk.agent(1, 5), desk.agent(2, 5));
    for number in 1..=6 {
        desk.queue(number);
        desk.say(conversation(number), "hello");
    }
    desk.commit(conversation(1), vec![assigned(one, 1, 2)]);
    desk.commit(conversation(2), vec![assigned(two, 1, 1)]);
    desk.commit(conversation(3), vec![offered(one, 1)]);
    desk.commit(conversation(4), vec![closed()]);
    for client in 0..20 {
        committed(desk.write(said(conversation(1), "again", key(client, 1))));
    }
    desk.commit(
        conversation(1),
        vec![Event::Message(Content::Note("a note".into())), Event::Recalled { seq: 5 }],
    );
    desk.say(conversation(2), "lags behind");
}

fn findings(path: &Path) -> Vec<String> {
    audit(path, None).unwrap().findings
}

#[test]
fn one_desk_serves_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let first = open(&path).unwrap();
    let Err(OpenError::InUse { holder, .. }) = open(&path) else { panic!("served twice") };
    assert_eq!(holder, std::process::id().to_string());
    let epoch = first.epoch();
    drop(first);
    assert_eq!(open(&path).unwrap().epoch(), epoch + 1);
}

#[test]
fn one_desk_serves_a_file_under_whichever_name() {
    let dir = tempfile::tempdir().unwrap();
    let (path, link, second) =
        (dir.path().join("desk.db"), dir.path().join("link.db"), dir.path().join("second.db"));
    let first = open(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(open(&link), Err(OpenError::InUse { .. })), "served twice by a symbolic link");
    let (fresh, ahead) = (dir.path().join("fresh.db"), dir.path().join("ahead.db"));
    std::os::unix::fs::symlink("fresh.db", &ahead).unwrap();
    let by_the_link = open(&ahead).unwrap();
    assert!(
        matches!(open(&fresh), Err(OpenError::InUse { .. })),
        "served twice by a link that was there first"
    );
    drop(by_the_link);
    drop(first);
    drop(open(&link).unwrap());
    std::fs::hard_link(&path, &second).unwrap();
    for name in [&path, &second] {
        assert!(matches!(open(name), Err(OpenError::ManyNames { .. })), "{name:?} has two locks");
    }
    std::fs::remove_file(&second).unwrap();
    drop(open(&path).unwrap());
}

#[test]
fn a_file_that_is_not_a_desks_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(open(&foreign), Err(OpenError::NotOurs { .. })));
    let text = dir.path().join("letter.txt");
    std::fs::write(&text, "Dear reader, ".repeat(1_000)).unwrap();
    assert!(matches!(open(&text), Err(OpenError::NotOurs { .. })));
    assert_eq!(std::fs::read_to_string(&text).unwrap().len(), 13_000);
    let newer = dir.path().join("newer.db");
    drop(open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let Err(error @ OpenError::Newer { .. }) = open(&newer) else { panic!("opened a newer schema") };
    assert!(error.to_string().contains("newer version"), "{error}");
    assert!(matches!(open(dir.path()), Err(OpenError::Unreachable { .. })));
}

#[test]
fn a_damaged_file_is_named_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    lived_in(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4_096) {
        *byte = 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(open(&path), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_secret_is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let desk = open(&path).unwrap();
    assert_eq!(desk.secret("visitor", b"first").unwrap(), b"first");
    assert_eq!(desk.secret("agent", b"other").unwrap(), b"other");
    drop(desk);
    assert_eq!(open(&path).unwrap().secret("visitor", b"second").unwrap(), b"first");
}

#[test]
fn a_backup_of_a_running_desk_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("desk.db"), dir.path().join("copy.db"));
    lived_in(&path);
    let desk = open(&path).unwrap();
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let (tell, told) = channel();
                let write = said(
                    conversation(1),
                    "meanwhile",
                    key(1_000 + u128::from(written.load(Ordering::Relaxed)), 0),
                );
                desk.submit(Op::Write(write), Box::new(move |done| tell.send(done).unwrap())).unwrap();
                assert!(matches!(told.recv().unwrap(), Done::Write(Outcome::Committed { .. })));
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        while written.load(Ordering::Relaxed) < 20 {
            std::thread::yield_now();
        }
        desk.backup(&copy).unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    assert!(matches!(desk.backup(&copy), Err(OpenError::Unreachable { .. })), "a backup overwrote another");
    assert_eq!(findings(&path), [] as [&str; 0], "while served");
    assert_eq!(findings(&copy), [] as [&str; 0]);
    let restored = Harness::sqlite_at(&copy);
    assert!(restored.state(conversation(1)).head >= 25 + 20);
    assert!(matches!(
        backup(&dir.path().join("none.db"), &dir.path().join("x.db")),
        Err(OpenError::Unreachable { .. })
    ));
}

#[test]
fn the_audit_is_silent_about_a_sound_file_and_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    lived_in(&path);
    let found = audit(&path, None).unwrap();
    assert_eq!(found.findings, [] as [&str; 0]);
    assert_eq!((found.conversations, found.entries), (6, 6 * 3 + 4 + 20 + 2 + 1));
    let one = audit(&path, Some(conversation(2))).unwrap();
    assert_eq!((one.conversations, one.entries, one.findings.len()), (1, 5, 0));
}

#[test]
fn a_clean_stop_leaves_nothing_to_replay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let desk = Harness::sqlite_at(&path);
    let unread = |conn: &Connection| -> i64 {
        let sql =
            "SELECT count(*) FROM entry WHERE pos > (SELECT value FROM meta WHERE name = 'flushed_upto')";
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    desk.queue(1);
    desk.queue(2);
    drop(desk);
    assert_eq!(unread(&Connection::open(&path).unwrap()), 0, "decisions only");
    let desk = Harness::sqlite_at(&path);
    desk.say(conversation(1), "a message");
    desk.queue(3);
    drop(desk);
    assert_eq!(unread(&Connection::open(&path).unwrap()), 0, "messages and decisions");
}

#[test]
fn the_audit_finds_what_was_planted() {
    let planted = [
        ("CV-1", "DELETE FROM entry WHERE pos = 12"),
        ("CV-1", "DELETE FROM entry WHERE conversation = 6"),
        ("CV-1", "UPDATE entry SET seq = 9 WHERE pos = 12"),
        ("CV-1", "UPDATE entry SET skip = 2 WHERE seq = 4 AND conversation = 1"),
        ("CV-1", "UPDATE entry SET kind = 77 WHERE pos = 3"),
        ("CV-1", "DELETE FROM conversation WHERE key = 5"),
        ("FO-1", "UPDATE entry SET visitor_prev = 0 WHERE seq = 3 AND conversation = 2"),
        (
            "JR-1",
            "UPDATE entry SET client = (SELECT client FROM entry WHERE client IS NOT NULL LIMIT 1)
                  WHERE pos = (SELECT max(pos) FROM entry WHERE client IS NOT NULL)",
        ),
        (
            "FOLD",
            "UPDATE conversation SET state = replace(state, '\"served\":false', '\"served\":true') WHERE key = 3",
        ),
        ("FOLD", "UPDATE conversation SET last_pos = last_pos - 1 WHERE key = 3"),
        ("RT-1", "UPDATE agent SET load = load + 1 WHERE id = (SELECT min(id) FROM agent)"),
        (
            "CV-4",
            "UPDATE entry SET body = replace(body, '\"assign_seq\":1', '\"assign_seq\":2') WHERE body LIKE '%assigned%'",
        ),
    ];
    for (invariant, corruption) in planted {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        lived_in(&path);
        let conn = Connection::open(&path).unwrap();
        assert!(conn.execute(corruption, []).unwrap() > 0, "{corruption}");
        drop(conn);
        let found = findings(&path);
        assert!(found.iter().any(|finding| finding.starts_with(invariant)), "{corruption}: {found:?}");
    }
}

#[test]
fn a_full_queue_gives_the_operation_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let options = Options { queue_ops: 4, ..Options::default() };
    let desk = Sqlite::open(&path, options, Arc::new(SystemClock::default())).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (tell, told) = channel();
    let mut accepted = 0;
    let given_back = loop {
        let tell = tell.clone();
        let op = Op::Claim { conversation: conversation(accepted), epoch: EPOCH };
        match desk.submit(op, Box::new(move |done| tell.send(done).unwrap())) {
            Ok(()) => accepted += 1,
            Err(full) => break *full.0,
        }
        assert!(accepted < 1_000, "the queue has no bound");
    };
    assert_eq!(given_back, Op::Claim { conversation: conversation(accepted), epoch: EPOCH });
    assert_eq!(desk.meters().queue_full.load(Ordering::Relaxed), 1);
    other.execute_batch("ROLLBACK").unwrap();
    drop(tell);
    assert_eq!(told.iter().count() as u128, accepted, "what was accepted is answered");
    desk.stop();
    assert!(desk.submit(given_back, Box::new(|_| panic!("answered after the stop"))).is_err());
    assert!(desk.ask(Query::Totals, Box::new(|_| panic!("answered after the stop"))).is_err());
}

#[expect(clippy::disallowed_methods, reason = "a test's own thread")]
fn leave_to_itself(time: Duration) {
    std::thread::sleep(time);
}

/// Waits for what a thread of the journal does by itself.
fn becomes(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        leave_to_itself(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

#[test]
fn the_write_ahead_log_stays_bounded_and_comes_back_after_a_long_reader() {
    const HARD_FRAMES: u64 = 512;
    const HARD_BYTES: u64 = HARD_FRAMES * 4_120;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let options = Options { wal_soft_frames: 256, wal_hard_frames: HARD_FRAMES, ..Options::default() };
    let desk = Sqlite::open(&path, options, Arc::new(SystemClock::default())).unwrap();
    let wal_bytes = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    let metered = || desk.meters().wal_bytes.load(Ordering::Relaxed);
    let perform = |write: Write| {
        let (tell, told) = channel();
        desk.submit(Op::Write(write), Box::new(move |done| tell.send(done).unwrap())).unwrap();
        assert!(matches!(told.recv().unwrap(), Done::Write(Outcome::Committed { .. })));
    };
    let text = "w".repeat(8_000);
    // Four frames each, and no pause in which the log could be folded in peace.
    let keep_busy = |numbers: std::ops::Range<u128>| {
        for number in numbers {
            perform(said(conversation(1), &text, key(number, 0)));
        }
    };
    let events = [opened("visitor-1"), queued()].map(|event| (Author::System, event)).to_vec();
    perform(Write { events, ..plain(conversation(1)) });
    keep_busy(0..1_500);
    assert!(
        wal_bytes() < 4 * HARD_BYTES,
        "twelve times as much was written, {} bytes lie there",
        wal_bytes()
    );

    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen = || -> i64 { reader.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap() };
    assert_eq!(seen(), 1_502);
    keep_busy(1_500..1_900);
    becomes("an operator sees that the log cannot begin anew", || metered() > HARD_BYTES);
    assert_eq!(seen(), 1_502, "the reader's snapshot is untouched");
    reader.execute_batch("ROLLBACK").unwrap();
    becomes("the log is folded once the reader is gone", || metered() <= HARD_BYTES);
    keep_busy(1_900..2_000);
    assert!(wal_bytes() < 4 * HARD_BYTES, "the room is given back: {} bytes", wal_bytes());
    assert_eq!(seen(), 2_002);
    desk.stop();
    assert_eq!(findings(&path), [] as [&str; 0]);
}

#[test]
#[ignore = "the writing process of the kill test; it runs only as that test's child"]
fn child_writes_until_it_is_killed() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    let desk = open(Path::new(path.trim())).unwrap();
    for number in 1_u128.. {
        let id = conversation(number % 50 + 1);
        let events = [opened(&format!("visitor-{id}")), queued()].map(|event| (Author::System, event));
        let write = match number {
            ..=50 => Write { events: events.to_vec(), ..plain(id) },
            _ => said(id, &number.to_string(), key(number, 0)),
        };
        let reply = Box::new(move |done| {
            if let Done::Write(Outcome::Committed { entries }) = done {
                println!("acked {} {} {number}", id.as_u128(), entries[0].seq);
            }
        });
        let mut op = Op::Write(write);
        while let Err(full) = desk.submit(op, reply.clone()) {
            op = *full.0;
            std::thread::yield_now();
        }
    }
}

/// Starts the child on `path`, kills it once it has acked `acks` messages, and returns what it acked until then.
fn write_and_kill(path: &Path, acks: usize) -> Vec<(u128, u64, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "journal::contract::file::child_writes_until_it_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let mut acked = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while acked.len() < acks {
        acked.extend(ack(&lines.next().expect("the child writes until it is killed").unwrap()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        acked.extend(ack(&line.unwrap_or_default()));
    }
    acked
}

fn ack(line: &str) -> Option<(u128, u64, String)> {
    let mut words = line.split_once("acked ")?.1.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.to_owned()))
}

#[test]
fn what_was_acked_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let path = dir.path().join(format!("desk-{round}.db"));
        let acked = write_and_kill(&path, 1_500 + round * 1_000);
        assert_eq!(findings(&path), [] as [&str; 0], "before anybody opened it");
        let desk = Harness::sqlite_at(&path);
        let pages: Vec<_> =
            (1..=50).map(|number| desk.page(conversation(number), 0, 10_000).entries).collect();
        for (id, seq, number) in &acked {
            let entry = pages[*id as usize - 1].get(*seq as usize - 1).expect("an acked entry is there");
            if *seq > 2 {
                assert_eq!(entry.event, Event::Message(Content::text(number)));
            }
        }
        let (id, seq, number) = acked.last().unwrap();
        let repeat = said(conversation(*id), number, key(number.parse().unwrap(), 0));
        assert!(matches!(desk.write(repeat), Outcome::Duplicate { seq: known, .. } if known == *seq));
        let due = desk.ask(Query::Due {
            now: Timestamp::from_millis(u64::MAX >> 1),
            limit: 100,
            slots: SlotSet::all(),
        });
        let crate::journal::Answer::Due(due) = due else { panic!("{due:?}") };
        assert!(!due.is_empty(), "what lagged is woken");
        assert_eq!(desk.load_of(AgentId::from_u128(1)), 0);
        drop(desk);
        assert_eq!(findings(&path), [] as [&str; 0]);
    }
}
