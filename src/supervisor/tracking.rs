//! Which inputs a changed conversation is to the engine: the difference between what routing was told and what is.
//!
//! Pure. A conversation may be told twice or late; the same state told again gives no input.

use super::facts::{Stickiness, arrival};
use crate::conversation::event::RequeueReason;
use crate::conversation::state::{Phase, State};
use crate::ident::{AgentId, GroupId, OfferId, VisitorId};
use crate::routing::{Input, OfferEnd};
use smallvec::SmallVec;

/// What routing was last told of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) visitor: Option<VisitorId>,
    pub(super) group: Option<GroupId>,
    pub(super) waiting: bool,
    /// A call-back needs no connection.
    pub(super) call_back: bool,
    pub(super) offer: Option<(OfferId, AgentId)>,
    pub(super) held_by: Option<AgentId>,
    pub(super) suspended: bool,
    /// The rank that the visitor was last shown.
    pub(super) shown_rank: usize,
}

impl Told {
    /// What routing will have been told once it knows `state`; `None` where nothing is left to know.
    pub(super) fn of(state: &State, before: Option<&Self>) -> Option<Self> {
        let waiting = waits(state);
        let held_by = state.assignee.filter(|_| state.phase.is_assigned());
        (waiting || held_by.is_some()).then(|| Self {
            visitor: state.visitor.clone(),
            group: state.group.clone(),
            waiting,
            call_back: state.call_back,
            offer: state.offer.as_ref().map(|open| (open.offer, open.agent)),
            held_by,
            suspended: waiting && before.is_some_and(|told| told.suspended),
            shown_rank: before.filter(|told| told.waiting && waiting).map_or(0, |told| told.shown_rank),
        })
    }
}

/// What the engine has to hear. `requeued` is why the last offer or assignment ended, `seats` the channel's weight.
pub(super) fn inputs(
    told: Option<&Told>,
    state: &State,
    requeued: Option<RequeueReason>,
    seats: u32,
    sticky: Stickiness,
) -> SmallVec<[Input; 2]> {
    let mut inputs = SmallVec::new();
    let conversation = state.id;
    let held_before = told.and_then(|told| told.held_by);
    let held_now = state.assignee.filter(|_| state.phase.is_assigned());
    let waited = told.is_some_and(|told| told.waiting);
    if let Some(agent) = held_before.filter(|_| held_before != held_now) {
        inputs.push(Input::Freed { agent, conversation });
    }
    if let (Some(agent), Some(group)) = (held_now.filter(|_| held_before != held_now), state.group.clone()) {
        inputs.push(Input::Held { agent, conversation, seats: state.seats, group });
        return inputs;
    }
    if !waits(state) {
        if waited {
            inputs.push(Input::Left { conversation });
        }
        return inputs;
    }
    let same_queue = waited && told.is_some_and(|told| told.group == state.group);
    if !same_queue {
        let suspended = told.is_some_and(|told| told.suspended);
        inputs.extend(
            arrival(state, seats, sticky, suspended).map(|arrival| Input::Arrived(Box::new(arrival))),
        );
        return inputs;
    }
    if let Some((_, agent)) = told.and_then(|told| told.offer).filter(|_| state.offer.is_none()) {
        inputs.push(Input::OfferEnded { conversation, agent, how: offer_end(requeued) });
    }
    inputs
}

/// It waits for an agent, with or without its visitor.
fn waits(state: &State) -> bool {
    state.phase.is_waiting() || (state.phase == Phase::MessageLeft && state.enqueued_at.is_some())
}

const fn offer_end(requeued: Option<RequeueReason>) -> OfferEnd {
    match requeued {
        Some(RequeueReason::Declined) => OfferEnd::Declined,
        Some(RequeueReason::OfferExpired) => OfferEnd::Expired,
        Some(
            RequeueReason::OfferWithdrawn
            | RequeueReason::Released
            | RequeueReason::AgentOffline
            | RequeueReason::AgentLost
            | RequeueReason::Overflow,
        )
        | None => OfferEnd::Withdrawn,
    }
}
