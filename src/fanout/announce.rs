//! Which frames a committed change becomes, beside its entries: `state`, `assigned`, `offer`, `unassigned`,
//! `offer_withdrawn`, `rate_invitation`.
//!
//! A function of what stood before, what stands now, and the entries between. Refuses to deliver: `Hub` does.

use super::hub::{Audience, Hub, Origin};
use crate::clock::Timestamp;
use crate::conversation::event::{Entry, Event, RequeueReason};
use crate::conversation::state::{OpenOffer, Phase, State};
use crate::ident::{AgentId, AssignSeq, OfferId};
use crate::wire::event::VisitorRef;
use crate::wire::node::News;
use crate::wire::server::{
    Alert, AlertData, AlertKind, Assigned, Offer, OfferWithdrawn, RateInvitation, ServerFrame, StateFrame,
    Summary, Unassigned,
};
use crate::wire::text_form::Text;

use smallvec::SmallVec;

/// What of a conversation is compared before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    phase: Phase,
    assignee: Option<AgentId>,
    assign_seq: AssignSeq,
    offer: Option<OpenOffer>,
}

impl Standing {
    pub fn of(state: &State) -> Self {
        Self {
            phase: state.phase,
            assignee: state.assignee.filter(|_| state.phase.is_assigned()),
            assign_seq: state.assign_seq,
            offer: state.offer.clone(),
        }
    }

    /// Whether anything of it has changed.
    fn differs(&self, state: &State) -> bool {
        *self != Self::of(state)
    }

    /// Whether routing has to hear of the change to `state`: who holds it, and whether it waits. Which side of an
    /// assigned conversation has the word is none of routing's business.
    pub fn moved(&self, state: &State) -> bool {
        self.offer != state.offer
            || self.assign_seq != state.assign_seq
            || (self.phase != state.phase && !(self.phase.is_assigned() && state.phase.is_assigned()))
    }
}

/// Tells everybody concerned that `state` has come out of `before` by `entries`.
pub fn announce(
    hub: &Hub,
    before: &Standing,
    state: &State,
    entries: &[Entry],
    origin: Option<&Origin>,
    invite_rating: bool,
) {
    let now_held = state.assignee.filter(|_| state.phase.is_assigned());
    let mut agents: SmallVec<[AgentId; 2]> = now_held.into_iter().collect();
    if let Some(lost) = before.assignee.filter(|agent| Some(*agent) != now_held) {
        agents.push(lost);
    }
    let audience = Audience { conversation: state.id, visitor: state.visitor.as_ref(), agents };
    let at = entries.last().map_or(state.opened_at, |entry| entry.at);
    if let Some(agent) = now_held.filter(|agent| before.assignee != Some(*agent))
        && let Some(assigned) = assigned(state, at)
    {
        let news = News::Assigned { conversation: state.id, assign_seq: state.assign_seq };
        hub.to_agent(agent, &ServerFrame::Assigned(assigned).encode(), news);
    }
    for entry in entries {
        hub.deliver_entry(&audience, entry, origin);
    }
    if !before.differs(state) {
        return;
    }
    tell_offers(hub, before, state, entries, at);
    if let Some(lost) = before.assignee.filter(|agent| Some(*agent) != now_held) {
        let unassigned = Unassigned { conversation: state.id, reason: Text::from(loss_reason(entries)) };
        let news = News::Unassigned { conversation: state.id };
        hub.to_agent(lost, &ServerFrame::Unassigned(unassigned).encode(), news);
    }
    let standing = ServerFrame::State(state_frame(state)).encode();
    hub.to_desk(&audience, &standing);
    if let Some(visitor) = state.visitor.as_ref().filter(|_| before.moved(state)) {
        hub.to_visitor(visitor, &ServerFrame::State(state_for_visitor(state)).encode());
        if invite_rating
            && state.phase == Phase::Closed
            && before.phase != Phase::Closed
            && state.served
            && !state.rated
        {
            hub.to_visitor(
                visitor,
                &ServerFrame::RateInvitation(RateInvitation { conversation: state.id }).encode(),
            );
        }
    }
}

fn tell_offers(hub: &Hub, before: &Standing, state: &State, entries: &[Entry], at: Timestamp) {
    let same = |a: &OpenOffer, b: &Option<OpenOffer>| b.as_ref().is_some_and(|b| b.offer == a.offer);
    if let Some(gone) = before.offer.as_ref().filter(|offer| !same(offer, &state.offer))
        && state.assignee != Some(gone.agent)
    {
        let news = News::Withdrawn { offer: gone.offer };
        hub.to_agent(gone.agent, &withdrawn(gone.offer, loss_reason(entries)).encode(), news);
    }
    if let Some(open) = state.offer.as_ref().filter(|offer| !same(offer, &before.offer))
        && let Some(offer) = offer(state, open, at)
    {
        let news = News::Offered { offer: open.offer, conversation: state.id };
        hub.to_agent(open.agent, &ServerFrame::Offer(offer).encode(), news);
    }
}

/// Alerts the desk that a visitor has waited `waited_ms` for an answer; `level` counts from 0, the mildest.
pub fn slow_reply(hub: &Hub, state: &State, level: usize, waited_ms: u64, target_ms: u64) {
    let alert = Alert {
        conversation: state.id,
        kind: AlertKind::SlowReply,
        level: u8::try_from(level + 1).unwrap_or(u8::MAX),
        data: AlertData { waited_ms, target_ms },
    };
    let agents = state.assignee.into_iter().collect();
    let audience = Audience { conversation: state.id, visitor: None, agents };
    hub.to_desk(&audience, &ServerFrame::Alert(alert).encode());
}

/// The conversation's present state, as everybody may see it.
pub fn state_frame(state: &State) -> StateFrame {
    let assigned = state.assign_seq > 0;
    StateFrame {
        conversation: state.id,
        state: state.phase,
        group: state.group.clone(),
        agent: state.assignee.filter(|_| state.phase.is_assigned()),
        assign_seq: assigned.then_some(state.assign_seq),
    }
}

/// The conversation's present state, as its visitor may see it: of who serves them visitors know the name, which the
/// `assigned` entry says.
pub fn state_for_visitor(state: &State) -> StateFrame {
    StateFrame { agent: None, assign_seq: None, ..state_frame(state) }
}

/// What the agent who holds `state` is told about it; `None` for a conversation without a visitor (never committed).
pub fn assigned(state: &State, now: Timestamp) -> Option<Assigned<'_>> {
    Some(Assigned { conversation: state.id, assign_seq: state.assign_seq, summary: summary(state, now)? })
}

/// What the agent is told about an open offer; `None` as for `assigned`.
pub fn offer<'a>(state: &'a State, open: &OpenOffer, now: Timestamp) -> Option<Offer<'a>> {
    let expires_ms = open.expires_at.since_millis(now);
    Some(Offer { offer: open.offer, conversation: state.id, summary: summary(state, now)?, expires_ms })
}

/// The agent is told that an offer is not open any more.
pub fn withdrawn(offer: OfferId, reason: &'static str) -> ServerFrame<'static> {
    ServerFrame::OfferWithdrawn(OfferWithdrawn { offer, reason: Text::from(reason) })
}

fn summary(state: &State, now: Timestamp) -> Option<Summary<'_>> {
    let order = state.attributes.iter().find(|attribute| &*attribute.name == "order");
    Some(Summary {
        visitor: VisitorRef {
            id: state.visitor.clone()?,
            name: state.visitor_name.as_deref().map(Text::from),
            tier: state.tier.as_deref().map(Text::from),
        },
        channel: state.channel.clone(),
        group: state.group.clone(),
        priority: u64::from(state.head_start_s),
        waited_ms: state.waited_ms(now),
        intent: state.intent.as_deref().map(Text::from),
        sentiment: None,
        bot_transcript_head: None,
        subject: state.subject.as_deref().map(Text::from),
        order: order.map(|attribute| Text::from(&*attribute.value)),
    })
}

fn loss_reason(entries: &[Entry]) -> &'static str {
    entries.iter().rev().find_map(|entry| reason_of(&entry.event)).unwrap_or("ended")
}

const fn reason_of(event: &Event) -> Option<&'static str> {
    match event {
        Event::Closed { .. } => Some("closed"),
        Event::Transferred { .. } => Some("transferred"),
        Event::Assigned { .. } => Some("assigned_elsewhere"),
        Event::Requeued { reason, .. } => Some(match reason {
            RequeueReason::Declined => "declined",
            RequeueReason::OfferExpired => "expired",
            RequeueReason::OfferWithdrawn => "withdrawn",
            RequeueReason::Released => "released",
            RequeueReason::AgentOffline => "offline",
            RequeueReason::AgentLost => "connection_lost",
            RequeueReason::Overflow => "overflow",
        }),
        Event::Opened(_)
        | Event::Message(_)
        | Event::Queued { .. }
        | Event::MessageLeft { .. }
        | Event::Offered { .. }
        | Event::BotJoined
        | Event::BotLeft
        | Event::Escalated { .. }
        | Event::IdleReminder { .. }
        | Event::WrapUp { .. }
        | Event::Rated { .. }
        | Event::Recalled { .. }
        | Event::Reopened => None,
    }
}
