//! The kill test judged by a deliberate mistake: a desk that acks before COMMIT is found out from outside.
//!
//! A pause between write and COMMIT is where the kill lands. With the mistake the checker must miss acked messages;
//! without it, in the same pause, it must miss none. `cargo test --features planted --test it planted`.

use crate::desk::Desk;
use crate::kill::{End, interrupted};
use rushdesk::rehearsal::history::{Invariant, Verdict};

const PAUSE_MS: &str = "60";

async fn killed_in_the_pause(mistake: Option<&str>) -> (Verdict, String) {
    let mut environment = vec![("RUSHDESK_PLANTED_PAUSE_MS", PAUSE_MS)];
    environment.extend(mistake.map(|name| ("RUSHDESK_PLANTED", name)));
    interrupted(Desk::with_environment(&[], &environment), End::Kill, 3).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ack_before_commit_is_missed_after_a_kill_in_between() {
    let (verdict, told) = killed_in_the_pause(Some("ack_before_commit")).await;
    println!("{told}\n{verdict}");
    assert!(verdict.count(Invariant::LostAcked) > 0, "{told}\n{verdict}");
    assert!(verdict.counts.acked > 100, "{told}\n{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ack_after_commit_survives_a_kill_in_the_same_pause() {
    let (verdict, told) = killed_in_the_pause(None).await;
    println!("{told}\n{verdict}");
    assert!(verdict.is_clean(), "{told}\n{verdict}");
    assert!(verdict.counts.repeated > 0, "the kills hit messages on their way: {told}\n{verdict}");
}
