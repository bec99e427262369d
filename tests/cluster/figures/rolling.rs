//! What a rolling restart costs those who talk meanwhile.

use crate::cluster::Cluster;
use crate::faults::{AT_ONCE, Play, assert_clean};
use rushdesk::rehearsal::meters::Meters;
use rushdesk::rehearsal::report;
use std::time::{Duration, Instant};

/// Calm before and after.
const CALM: Duration = Duration::from_secs(15);
/// Longer than three restarts and both calms.
const ARRIVE_FOR_S: u64 = 60;

/// Shows what was measured since the last call, and begins anew.
fn show(phase: &str, meters: &Meters, counted: &mut [u64; 3]) {
    let now = [&meters.refused_for_now, &meters.lost_connections, &meters.acked].map(|tally| tally.count());
    let [refused, reconnects, acked] = std::array::from_fn(|at| now[at] - counted[at]);
    *counted = now;
    println!("{}", report::times_row(phase, &meters.ack.spread()));
    println!("{phase:<16} {acked} acked, {refused} refused for now, {reconnects} connections lost");
    meters.ack.reset();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: scripts/reliability.sh"]
async fn sends_before_during_and_after_a_rolling_restart() {
    let mut cluster = Cluster::with(3, AT_ONCE).await;
    let play = Play::begin(&cluster, ARRIVE_FOR_S).await;
    let stage = play.traffic.stage().clone();
    let (meters, mut counted) = (&stage.meters, [0; 3]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    meters.ack.reset();
    tokio::time::sleep(CALM).await;
    println!("a visitor's send, intended to acked\n{}", report::header());
    show("before", meters, &mut counted);
    let began = Instant::now();
    for number in 0..3 {
        let status = cluster.nodes[number].stop().await;
        assert!(status.success(), "{status}: {}", cluster.nodes[number].log());
        cluster.start_again(number).await;
    }
    show("during", meters, &mut counted);
    println!("three nodes restarted in {:?}", began.elapsed());
    tokio::time::sleep(CALM).await;
    show("after", meters, &mut counted);
    let (stage, verdict) = play.over(&cluster).await;
    assert_clean(&verdict, &stage.meters);
    assert_eq!(stage.meters.unreadable.count(), 0);
}
