//! `kill -9` and graceful stops under load, again and again, and the history checker over everything that clients saw.
//!
//! Two rounds by default; `RUSHDESK_KILL_ROUNDS=10` for the long run.

use crate::desk::{ADMIN_PASSWORD, Desk};
use rushdesk::rehearsal::history::{Limits, Verdict};
use rushdesk::rehearsal::judge::Judge;
use rushdesk::rehearsal::plan::{Errand, Plan};
use rushdesk::rehearsal::report;
use rushdesk::rehearsal::setup::{Administrator, Staff};
use rushdesk::rehearsal::traffic::Traffic;
use std::time::{Duration, Instant};

pub(crate) const UP_FOR: Duration = Duration::from_secs(4);

pub(crate) fn plan(rounds: u32) -> Plan {
    Plan {
        seed: 618,
        arrive_for_s: Some(u64::from(rounds + 1) * UP_FOR.as_secs()),
        visitors: 100_000,
        arrivals_per_s: 25.0,
        burst: None,
        present: 300,
        errands: vec![Errand {
            weight: 1,
            group: None,
            intent: None,
            subject: None,
            lines: vec!["我的快递在哪里".into(), "hello?".into(), "怎么还不发货".into()],
            replies: vec!["让我看看".into(), "on its way".into()],
        }],
        messages: (5, 20),
        pause_ms: 80,
        reply_ms: 50,
        drop_share: 0.05,
        patience_s: 30,
        agents: Vec::new(),
    }
}

/// How a desk is taken down.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Kill,
    Stop,
}

/// Load on `desk` over so many rounds of an end and a start; the checker's verdict, and what was measured.
pub(crate) async fn interrupted(mut desk: Desk, end: End, rounds: u32) -> (Verdict, String) {
    let (judge, record) = Judge::start(Limits::default());
    let mut admin =
        Administrator::sign_in(desk.target, "admin", ADMIN_PASSWORD).await.expect("the administrator");
    let staff = Staff { count: 12, name: "clerk", groups: &["general"], capacity: 10 };
    let agents = admin.hire(&staff, &record).await.expect("agents");
    let traffic = Traffic::start(Plan { agents, ..plan(rounds) }, desk.target, record);
    let mut restarts = Vec::new();
    for _ in 0..rounds {
        tokio::time::sleep(UP_FOR).await;
        match end {
            End::Kill => desk.kill(),
            End::Stop => {
                let status = desk.stop().await;
                assert!(status.success(), "{status}: {}", desk.log());
            }
        }
        let began = Instant::now();
        desk = tokio::task::spawn_blocking(move || {
            desk.start_again();
            desk
        })
        .await
        .expect("a restart");
        restarts.push(began.elapsed());
    }
    let stage = traffic.over().await;
    let told = format!("{}back after {restarts:?}", report::table(&stage.meters));
    let verdict = judge.verdict(desk.target, admin.token()).await.expect("all logs");
    (verdict, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_by_kill_9_under_load() {
    #[expect(clippy::disallowed_methods, reason = "the length of the test, not a setting of the desk")]
    let rounds = std::env::var("RUSHDESK_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let (verdict, told) = interrupted(Desk::start(), End::Kill, rounds).await;
    println!("{told}\n{verdict}");
    assert!(verdict.is_clean(), "{told}\n{verdict}");
    assert!(verdict.counts.acked > 100, "there was load: {told}\n{verdict}");
    assert!(verdict.counts.repeated > 0, "the kills hit messages on their way: {told}\n{verdict}");
    assert!(verdict.counts.assignments > 10, "people were served: {told}\n{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_a_graceful_stop_under_load() {
    let (verdict, told) = interrupted(Desk::start(), End::Stop, 1).await;
    println!("{told}\n{verdict}");
    assert!(verdict.is_clean(), "{told}\n{verdict}");
    assert!(verdict.counts.acked > 100, "there was load: {told}\n{verdict}");
}
