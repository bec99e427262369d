//! What a node does by the clock: wakes conversations whose time has come, lays idle ones to rest, and watches the
//! configuration.

use super::rush::watch_the_rush;
use super::start::Node;
use super::tailing::read_while_the_bus_is_silent;
use crate::clock::Timestamp;
use crate::cluster::exchange::Exchange;
use crate::cluster::slots::SLOTS;
use crate::conversation::command::{Ask, Command, Who};
use crate::conversation::delivery::{AnswerTo, Deliver};
use crate::conversation::registry::Start;
use crate::conversation::state::State;
use crate::desk::Desk;
use crate::desk::administration::is_configuration;
use crate::gateway::Gate;
use crate::ident::ConversationId;
use crate::journal::{Answer, Query};
use crate::refusal::Refusal;
use crate::store::StoreError;
use futures_util::StreamExt;
use futures_util::stream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Conversations that one round wakes; the others come with the next.
const WAKE_PAGE: u32 = 1_000;
/// Of them, how many stand at the store's readers at once: clients ask there too.
const WAKE_AT_ONCE: usize = 8;
/// How long the store may take for one answer; after it the round goes on without.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Log-outs and changes of the configuration that are looked at together.
const WATCH_PAGE: u32 = 500;
/// How often another process's changes of the configuration are looked for.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How often questions to other nodes are looked at.
const TICK_EVERY: Duration = Duration::from_millis(25);
/// How often the delay of the store's writer is looked at: several times within the shortest `overload.interval_ms`.
const LOOK_AT_THE_LANE_EVERY: Duration = Duration::from_millis(25);
/// How often the agents' rows are read where other nodes write them.
const KNOW_AGENTS_EVERY: Duration = Duration::from_secs(2);
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
        actix::spawn(watch(gate.clone(), node.exchange.clone(), node.revision)),
        actix::spawn(answer_for_others(node.exchange.clone())),
        actix::spawn(watch_the_lane(gate.clone())),
        actix::spawn(watch_the_rush(gate.clone())),
        actix::spawn(keep_agents_known(gate.clone())),
        actix::spawn(read_while_the_bus_is_silent(gate, node.exchange.clone())),
    ])
}

async fn wake(gate: Arc<Gate>, every: Duration) {
    let mut rounds = tokio::time::interval(every);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let desk = &gate.desk;
        // Of this node's slots only: what is due of a node that died must not stand before them.
        let slots = desk.conversations.placement().own();
        let query = Query::Due { now: desk.clock.now(), limit: WAKE_PAGE, slots };
        let Ok(Answer::Due(due)) = asked(desk, query).await else {
            tracing::warn!("due conversations could not be read; the next round tries again");
            continue;
        };
        let unread = AtomicUsize::new(0);
        let wake_each = stream::iter(due).for_each_concurrent(WAKE_AT_ONCE, async |conversation| {
            if let Err(refusal) = wake_one(desk, conversation).await {
                unread.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(?conversation, %refusal, "a due conversation could not be read");
            }
        });
        wake_each.await;
        let unread = unread.into_inner();
        if unread > 0 {
            tracing::warn!(unread, "some due conversations could not be read; the next round tries again");
        }
    }
}

/// Asks for the state first: whether the visitor is connected is part of the question.
///
/// # Errors
/// The store's readers are busy or cannot read.
async fn wake_one(desk: &Arc<Desk>, conversation: ConversationId) -> Result<(), Refusal> {
    if let Answer::State(Some(state)) = asked(desk, Query::State(conversation)).await? {
        let ask = Ask { who: Who::System, under: None, command: wake_up(desk, &state) };
        let deliver = Deliver { ask, client: None, origin: None, answer: AnswerTo::nobody() };
        desk.conversations.deliver(conversation, Start::Stored, deliver);
    }
    Ok(())
}

/// The store's answer.
///
/// # Errors
/// As `Desk::ask`; `unavailable` where no answer comes in time.
pub(super) async fn asked(desk: &Desk, query: Query) -> Result<Answer, Refusal> {
    let (tell, told) = tokio::sync::oneshot::channel();
    desk.ask(query, move |answer| {
        if tell.send(answer).is_err() {
            tracing::debug!("upkeep did not wait for the store's answer");
        }
    });
    match tokio::time::timeout(ANSWERS_WITHIN, told).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(Refusal::unavailable("the store gave no answer in time", 500)),
    }
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

/// What other nodes do not answer in time is done without them.
async fn answer_for_others(exchange: Arc<Exchange>) {
    let mut rounds = tokio::time::interval(TICK_EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        exchange.tick();
    }
}

/// Other nodes write presences and capacities too. On one node nobody does, and the rows are what is known.
async fn keep_agents_known(gate: Arc<Gate>) {
    let mut rounds = tokio::time::interval(KNOW_AGENTS_EVERY);
    let slots = usize::from(SLOTS);
    let mut was_alone = true;
    loop {
        rounds.tick().await;
        let is_alone = gate.desk.conversations.placement().here() == slots;
        // Once more after the others have gone: they may have written until then.
        if std::mem::replace(&mut was_alone, is_alone) && is_alone {
            continue;
        }
        match asked(&gate.desk, Query::Agents).await {
            Ok(Answer::Agents(rows)) => rows.iter().for_each(|row| gate.desk.agents.note(*row)),
            Ok(_) | Err(_) => tracing::debug!("the agents' rows could not be read; they are read again"),
        }
        gate.desk.agents.wake_own();
    }
}

/// Refuses more work or less, by the delay of the store's writer.
async fn watch_the_lane(gate: Arc<Gate>) {
    let mut rounds = tokio::time::interval(LOOK_AT_THE_LANE_EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        gate.desk.admission.look(gate.desk.clock.now());
    }
}

const fn before(now: Timestamp, millis: u64) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_sub(millis))
}

/// The command line and other nodes may write beside a running server; their changes come into force here.
async fn watch(gate: Arc<Gate>, exchange: Arc<Exchange>, mut known: u64) {
    let hint = Arc::new(Notify::new());
    let told = hint.clone();
    exchange.when_configured(Box::new(move || told.notify_one()));
    let mut rounds = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = hint.notified() => {}
        }
        let own = gate.clone();
        match tokio::task::spawn_blocking(move || catch_up(&own, known)).await {
            Ok(Ok(revision)) => known = revision,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the configuration cannot be read; the old one stays in force")
            }
            Err(error) => tracing::error!(%error, "reading the configuration failed"),
        }
    }
}

/// Looks at what was written after revision `known`; returns the revision that it came to. Blocking.
///
/// A log-out is taken over by itself: a new configuration makes routing look at everybody who waits, and nobody's
/// place changes by a log-out. What this process wrote is in force already and is not read again.
///
/// # Errors
/// The store cannot be read; all of it is looked at again.
fn catch_up(gate: &Gate, mut known: u64) -> Result<u64, StoreError> {
    let in_force = gate.desk.directory().revision;
    let mut configured = false;
    loop {
        let changes = gate.store.changes_since(known, WATCH_PAGE)?;
        let Some(last) = changes.last() else { break };
        known = last.revision;
        for change in &changes {
            gate.signins.hear_of(change, gate.desk.clock.now());
            configured |= change.revision > in_force && is_configuration(&change.kind);
        }
    }
    if configured {
        gate.desk.adopt(gate.administration.read()?.0);
    } else {
        gate.desk.adopt_the_rest();
    }
    Ok(known)
}
