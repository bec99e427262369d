//! What a node does by the clock: wakes conversations whose time has come, lays idle ones to rest, and watches the
//! configuration.

use super::start::Node;
use crate::clock::Timestamp;
use crate::conversation::command::{Ask, Command, Who};
use crate::conversation::delivery::{AnswerTo, Deliver};
use crate::conversation::registry::Start;
use crate::conversation::state::State;
use crate::desk::Desk;
use crate::gateway::Gate;
use crate::ident::ConversationId;
use crate::journal::{Answer, Query};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Conversations that one round wakes; the others come with the next.
const WAKE_PAGE: u32 = 1_000;
/// How often another process's changes of the configuration are looked for.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How often idle conversations are laid to rest.
const REST_EVERY: Duration = Duration::from_secs(5);

/// The running upkeep.
pub(super) struct Upkeep(Vec<JoinHandle<()>>);

impl Upkeep {
    pub(super) fn abort(self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Begins the rounds on the calling thread's runtime.
pub(super) fn begin(node: &Node) -> Upkeep {
    let gate = node.gate.clone();
    let sweep_every = Duration::from_millis(gate.settings.conversation.sweep_ms);
    Upkeep(vec![
        actix::spawn(wake(gate.clone(), sweep_every)),
        actix::spawn(lay_to_rest(gate.clone())),
        actix::spawn(watch(gate, node.revision)),
    ])
}

async fn wake(gate: Arc<Gate>, every: Duration) {
    let mut rounds = tokio::time::interval(every);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let desk = gate.desk.clone();
        let now = desk.clock.now();
        gate.desk.ask(Query::Due { now, limit: WAKE_PAGE }, move |answer| match answer {
            Ok(Answer::Due(due)) => due.into_iter().for_each(|conversation| wake_one(&desk, conversation)),
            Ok(_) | Err(_) => {
                tracing::warn!("due conversations could not be read; the next round tries again")
            }
        });
    }
}

/// Asks for the state first: whether the visitor is connected is part of the question.
fn wake_one(desk: &Arc<Desk>, conversation: ConversationId) {
    let own = desk.clone();
    desk.ask(Query::State(conversation), move |answer| {
        if let Ok(Answer::State(Some(state))) = answer {
            let ask = Ask { who: Who::System, under: None, command: wake_up(&own, &state) };
            let deliver = Deliver { ask, client: None, origin: None, answer: AnswerTo::nobody() };
            own.conversations.deliver(conversation, Start::Stored, deliver);
        }
    });
}

fn wake_up(desk: &Desk, state: &State) -> Command {
    let gone = |visitor| desk.hub.visitor_gone_since(visitor, desk.conversations.node_start());
    Command::Wake { visitor_gone_since: state.visitor.as_ref().and_then(gone) }
}

async fn lay_to_rest(gate: Arc<Gate>) {
    let mut rounds = tokio::time::interval(REST_EVERY);
    let idle_ms = gate.settings.conversation.passivate_after_s * 1_000;
    let gone_ms = gate.settings.conversation.idle_end_s * 2_000;
    loop {
        rounds.tick().await;
        let now = gate.desk.clock.now();
        gate.desk.conversations.passivate_idle_since(before(now, idle_ms));
        gate.desk.hub.forget_gone_before(before(now, gone_ms));
    }
}

const fn before(now: Timestamp, millis: u64) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_sub(millis))
}

/// The command line may write beside a running server; its changes come into force here.
async fn watch(gate: Arc<Gate>, mut known: u64) {
    let mut rounds = tokio::time::interval(WATCH_EVERY);
    loop {
        rounds.tick().await;
        let administration = gate.administration.clone();
        let read = tokio::task::spawn_blocking(move || {
            if administration.store.revision()? == known { Ok(None) } else { administration.read().map(Some) }
        });
        match read.await {
            Ok(Ok(Some((directory, revision)))) => {
                known = revision;
                gate.desk.adopt(directory);
            }
            Ok(Ok(None)) => gate.desk.adopt_the_rest(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the configuration cannot be read; the old one stays in force")
            }
            Err(error) => tracing::error!(%error, "reading the configuration failed"),
        }
    }
}
