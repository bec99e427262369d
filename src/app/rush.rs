//! Watches the rush by the clock: counts the ladder's level on every node, and moves it from the one that decides.
//!
//! The owner of the first slot decides, as it could be any one node. A second that believes so too is refused by the
//! document's version. What was not decided in a round is decided in the next.

use crate::admission::ladder::{self, Level};
use crate::cluster::slots::Slot;
use crate::desk::Desk;
use crate::desk::administration::Editor;
use crate::desk::rush::Pressed;
use crate::gateway::Gate;
use crate::refusal::Code;
use crate::wire::rest::{LadderMode, LadderStanding};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often the queues are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long routing may take for its answer; after it the round goes on without.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Rounds without an answer after which what newcomers had to expect is forgotten.
const OUTDATED_AFTER: u32 = 10;
/// Who moves the ladder, in the document's history.
const EDITOR: &str = "ladder";

pub(super) async fn watch_the_rush(gate: Arc<Gate>) {
    let mut rounds = tokio::time::interval(LOOK_EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        rounds.tick().await;
        let desk = &gate.desk;
        let (stands, now) = (desk.ladder(), desk.clock.now());
        let level = Level::from(stands.level);
        desk.rush.observe(level, now);
        let decides = stands.mode == LadderMode::Auto && is_first(desk);
        // From `call_back` on every node needs to know what newcomers have to expect.
        if !decides && level < Level::CallBack {
            continue;
        }
        let Some(Pressed { seen, waits_ms }) = pressure(desk).await else {
            unanswered += 1;
            if unanswered == OUTDATED_AFTER {
                desk.rush.note_waits(BTreeMap::new());
            }
            continue;
        };
        unanswered = 0;
        desk.rush.note_waits(waits_ms);
        let to = ladder::next(level, stands.since, &desk.rush.rungs, seen, now);
        if decides && to != level {
            tracing::info!(?seen, from = level.name(), to = to.name(), "the burst ladder takes a step");
            step(gate.clone(), stands, to).await;
        }
    }
}

fn is_first(desk: &Desk) -> bool {
    Slot::all().next().is_some_and(|first| desk.conversations.placement().is_here(first))
}

async fn pressure(desk: &Arc<Desk>) -> Option<Pressed> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let asked = desk.ask_pressure(move |pressed| {
        if tell.send(pressed).is_err() {
            tracing::debug!("the watch of the rush did not wait for routing's answer");
        }
    });
    if !asked {
        return None;
    }
    tokio::time::timeout(ANSWERS_WITHIN, told).await.ok()?.ok()
}

async fn step(gate: Arc<Gate>, from: LadderStanding, to: Level) {
    let stepped = tokio::task::spawn_blocking(move || {
        let editor = Editor { name: EDITOR, at: gate.desk.clock.now() };
        gate.administration.apply(&gate.desk, |office| office.step_ladder(from, to, editor))
    });
    match stepped.await {
        Ok(Ok(_)) => {}
        Ok(Err(refusal)) if refusal.code == Code::Conflict => {
            tracing::debug!(%refusal, "somebody else has moved the burst ladder")
        }
        Ok(Err(refusal)) => {
            tracing::warn!(%refusal, "the burst ladder could not be moved; the next round tries")
        }
        Err(error) => tracing::error!(%error, "moving the burst ladder failed"),
    }
}
