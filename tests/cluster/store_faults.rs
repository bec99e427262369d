//! A store that fails under load: answers of commits that are lost, back-ends killed in COMMIT, a crash, a full disk; and
//! a node's clock that jumps. Nothing acknowledged is lost, nothing stands in a log twice.

use crate::cluster::Cluster;
use crate::desk::Desk;
use crate::fault_proxy::{FaultProxy, Upstream};
use crate::faults::{AT_ONCE, Play, assert_clean};
use crate::netns::apart;
use crate::partitions::by_way_of;
use crate::postgres_server::PostgresServer;
use crate::redis_server::RedisServer;
use rushdesk::rehearsal::history::{Invariant, Verdict};
use rushdesk::rehearsal::stage::Stage;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use tokio::time::sleep;

/// The server's socket in a URL of the tests' PostgreSQL.
fn socket_of(store_url: &str) -> PathBuf {
    let place = store_url.split_once('@').and_then(|(_, place)| place.split_once('/')).expect("a socket").0;
    Path::new(&place.replace("%2F", "/")).join(".s.PGSQL.5432")
}

async fn three_nodes(store_url: String) -> Cluster {
    let mut cluster = Cluster::on(store_url, RedisServer::start());
    for node in 1..=3 {
        cluster.join(&format!("node-{node}"), AT_ONCE);
    }
    cluster.settled(3).await;
    cluster
}

/// People come for so long while `faults` happen; then everything is judged.
async fn under_load(cluster: &mut Cluster, arrive_for_s: u64, faults: impl AsyncFnOnce(&mut Cluster)) {
    let (stage, verdict) = judged(cluster, arrive_for_s, faults).await;
    assert_clean(&verdict, &stage.meters);
}

async fn judged(
    cluster: &mut Cluster,
    arrive_for_s: u64,
    faults: impl AsyncFnOnce(&mut Cluster),
) -> (Arc<Stage>, Verdict) {
    let play = Play::begin(cluster, arrive_for_s).await;
    faults(cluster).await;
    play.over(cluster).await
}

/// Commits of words that were carried out and whose answers are lost, one on each node at a time.
const LOST_COMMITS: u64 = 30;
const LOSE_EVERY: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answers_of_commits_are_lost_and_every_word_stands_once() {
    let store_url = PostgresServer::shared().fresh_desk();
    let mut cluster = Cluster::on(store_url.clone(), RedisServer::start());
    let mut ways = Vec::new();
    for node in 1..=3 {
        let upstream = Upstream::Unix(socket_of(&store_url));
        let way = FaultProxy::that_loses(upstream, b"INSERT INTO entry", b"COMMIT\0").await;
        let url = format!("store.url={}", by_way_of(&store_url, way.address));
        let settings: Vec<&str> = [url.as_str()].into_iter().chain(AT_ONCE.iter().copied()).collect();
        cluster.join(&format!("node-{node}"), &settings);
        ways.push(way);
    }
    cluster.settled(3).await;
    under_load(&mut cluster, 12, async |_| {
        let (began, lost) = (Instant::now(), || ways.iter().map(FaultProxy::lost).sum::<u64>());
        while lost() < LOST_COMMITS {
            assert!(began.elapsed() < Duration::from_secs(40), "{} answers were lost only", lost());
            for way in &ways {
                way.lose_answers(1);
            }
            sleep(LOSE_EVERY).await;
        }
        for way in &ways {
            way.lose_answers(0);
        }
        println!("{} answers of commits were lost in {:?}", lost(), began.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn the_store_crashes_under_load_and_people_go_on() {
    let server = PostgresServer::start();
    let mut cluster = three_nodes(server.fresh_desk()).await;
    under_load(&mut cluster, 30, async |cluster| {
        for away in [Duration::ZERO, Duration::from_secs(3), Duration::from_secs(12)] {
            sleep(Duration::from_secs(3)).await;
            block_in_place(|| server.crash());
            sleep(away).await;
            block_in_place(|| server.restart());
            let back = Instant::now();
            cluster.settled(3).await;
            println!("the store was away for {away:?}: settled {:?} after it was back", back.elapsed());
        }
    })
    .await;
}

/// COMMIT takes so long then, so that it is met.
const SLOW_COMMITS: &str = "ALTER SYSTEM SET commit_delay = 50000";
const END_COMMITS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE '%; COMMIT' AND application_name LIKE 'desk%'";
const ENDED_IN_COMMIT: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn back_ends_are_killed_in_commit_and_every_word_stands_once() {
    let server = PostgresServer::start();
    for sql in [SLOW_COMMITS, "ALTER SYSTEM SET commit_siblings = 0", "SELECT pg_reload_conf()"] {
        server.run("postgres", sql);
    }
    let mut cluster = three_nodes(server.fresh_desk()).await;
    under_load(&mut cluster, 30, async |_| {
        let (began, mut ended) = (Instant::now(), 0);
        while ended < ENDED_IN_COMMIT {
            assert!(began.elapsed() < Duration::from_secs(60), "{ended} back-ends were in COMMIT only");
            let met = block_in_place(|| server.run("postgres", END_COMMITS));
            ended += met.parse::<u64>().expect("a count");
            sleep(LOSE_EVERY).await;
        }
        println!("{ended} back-ends were ended in COMMIT in {:?}", began.elapsed());
    })
    .await;
}

/// Room for a young store with the log that it writes ahead; small enough to fill at once.
const DISK_BYTES: u64 = 160 << 20;
const FULL_FOR: Duration = Duration::from_secs(10);

/// Takes all the room that is left.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("ballast");
    let mut ballast = std::fs::File::create(&path).expect("a file");
    for piece in [1 << 20, 4 << 10, 1] {
        while ballast.write_all(&vec![0; piece]).is_ok() {}
    }
    path
}

/// Whether the server whose folder lies on this disk has not ended.
fn runs(disk: &Path) -> bool {
    let folders = std::fs::read_dir(disk).expect("the disk").flatten();
    folders.into_iter().any(|folder| folder.path().join("data/postmaster.pid").exists())
}

#[test]
#[ignore = "long: scripts/reliability.sh"]
fn the_disk_of_the_store_fills_and_people_go_on_when_there_is_room() {
    // For the mount namespace: the disk is gone with the test.
    apart("store_faults::the_disk_of_the_store_fills_and_people_go_on_when_there_is_room", async {
        let disk = tempfile::tempdir().expect("a folder");
        let size = format!("size={DISK_BYTES},mode=1777");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.path()).status();
        assert!(mounted.expect("mount").success());
        let server = PostgresServer::start_in(disk.path());
        let mut cluster = three_nodes(server.fresh_desk()).await;
        let (stage, verdict) = judged(&mut cluster, 30, async |cluster| {
            sleep(Duration::from_secs(5)).await;
            let ballast = fill(disk.path());
            sleep(FULL_FOR).await;
            let mut not_ready = 0;
            for node in &cluster.nodes {
                not_ready += u64::from(node.ask("GET", "/readyz", None, None).await.status == 503);
            }
            println!("the disk is full: {not_ready} of 3 nodes are not ready");
            std::fs::remove_file(ballast).expect("the ballast");
            // PostgreSQL ends by itself where the log that it writes ahead finds no room.
            if !runs(disk.path()) {
                println!("PostgreSQL ended by itself, and is started again");
                block_in_place(|| server.crash());
                block_in_place(|| server.restart());
            }
            cluster.settled(3).await;
        })
        .await;
        assert_clean(&verdict, &stage.meters);
        assert!(
            stage.meters.refused_for_now.count() > 0,
            "nobody was told that the disk was full: {verdict}"
        );
    });
}

const FAKETIME: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn the_clock_of_a_node_jumps_and_nothing_is_lost() {
    let library = FAKETIME.iter().find(|path| Path::new(path).exists());
    let library = library.expect("libfaketime is missing: apt-get install faketime");
    let folder = tempfile::tempdir().expect("a folder");
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0").expect("a clock");
    let store_url = PostgresServer::shared().fresh_desk();
    let mut cluster = Cluster::on(store_url.clone(), RedisServer::start());
    for node in [1, 3] {
        cluster.join(&format!("node-{node}"), AT_ONCE);
    }
    let bus_url = cluster.redis.url();
    let settings: Vec<&str> = ["node.id=node-2"].into_iter().chain(AT_ONCE.iter().copied()).collect();
    let clock_file = clock.display().to_string();
    let environment = [
        ("RUSHDESK__STORE__URL", store_url.as_str()),
        ("RUSHDESK__BUS__URL", &bus_url),
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", &clock_file),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    cluster.nodes.push(Desk::with_environment(&settings, &environment));
    cluster.settled(3).await;
    let (stage, verdict) = judged(&mut cluster, 40, async |cluster| {
        for offset_s in ["+30", "+0", "-30", "+0", "+3600", "-3600", "+0"] {
            std::fs::write(&clock, offset_s).expect("a clock");
            sleep(Duration::from_secs(5)).await;
            let (right, jumped) = (hour(&cluster.nodes[0]).await, hour(&cluster.nodes[2]).await);
            assert!(offset_s.len() < 5 || right != jumped, "the clock did not jump: it is {jumped} o'clock");
        }
        cluster.settled(3).await;
    })
    .await;
    // The checker orders what agents held by the stamps of the log, which is what jumped; the store's own audit, which
    // orders by the log, has judged RT-1.
    let broken: Vec<_> = verdict.by_invariant.keys().filter(|broken| **broken != Invariant::Rt1).collect();
    assert!(broken.is_empty() && verdict.counts.unsettled + verdict.counts.unjudged == 0, "{verdict}");
    assert!(stage.meters.acked.count() > 100, "there was no load: {verdict}");
}

/// The hour that a node believes it is.
async fn hour(node: &Desk) -> String {
    let answer = node.ask("GET", "/livez", None, None).await;
    let date = answer.header("date").expect("a date");
    date.get(17..19).expect("Sun, 06 Nov 1994 08:49:37 GMT").to_owned()
}
