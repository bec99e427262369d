//! What happens to a conversation by itself, and when: the end of idleness, of an offer, of a wrap-up.
//!
//! Pure. `next` says when to wake, `fire` what is due. Waking early is harmless: `fire` then returns nothing and
//! `next` is asked again, so timers may be kept durable in a store that is a moment behind.

use super::command::Policy;
use super::event::{Author, ClosedBy, Closing, Event, RequeueReason};
use super::state::{Phase, State};
use crate::clock::Timestamp;

/// The supervisor ends offers on time; the conversation's own timer is the net below it, this much later.
const OFFER_NET_MS: u64 = 1_500;

/// How often a queued conversation is looked at while its end may come; the end is late by at most this part.
const LOOKS_PER_IDLE_END: u64 = 8;

/// When this conversation wants to be woken; `None` where nothing happens by itself.
pub fn next(state: &State, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    match state.phase {
        Phase::Offered => state.offer.as_ref().map(|open| open.expires_at.plus_millis(OFFER_NET_MS)),
        Phase::Queued => Some(look_for_the_visitor(state, policy, now)),
        Phase::WaitingVisitor | Phase::Bot => {
            let end = idle_since(state).plus_millis(policy.idle_end_ms);
            Some(if state.reminded { end } else { reminder_at(end, policy) })
        }
        Phase::WrapUp => state.wrap_up_ends_at,
        Phase::New | Phase::Active | Phase::MessageLeft | Phase::Closed => None,
    }
}

/// What is due at `now`; empty where nothing is.
pub fn fire(
    state: &State,
    policy: &Policy,
    visitor_gone_since: Option<Timestamp>,
    now: Timestamp,
) -> Vec<(Author, Event)> {
    let event = match state.phase {
        Phase::Offered => expired_offer(state, now),
        Phase::Queued => visitor_gone_since
            .filter(|gone| now >= (*gone).max(state.last_visitor_at).plus_millis(policy.idle_end_ms))
            .map(|_| Closing::default().ended(ClosedBy::Abandoned)),
        Phase::WaitingVisitor | Phase::Bot => idle(state, policy, now),
        Phase::WrapUp => state
            .wrap_up_ends_at
            .filter(|ends_at| now >= *ends_at)
            .map(|_| state.said_at_wrap_up().ended(ClosedBy::Agent)),
        Phase::New | Phase::Active | Phase::MessageLeft | Phase::Closed => None,
    };
    event.map(|event| (Author::System, event)).into_iter().collect()
}

/// Whether the visitor is connected is not known here, so the end of the wait cannot be foretold: it is never before
/// the visitor's last words plus the idle end, and after that it is looked for often enough to be little late.
fn look_for_the_visitor(state: &State, policy: &Policy, now: Timestamp) -> Timestamp {
    let earliest = state.last_visitor_at.plus_millis(policy.idle_end_ms);
    earliest.max(now.plus_millis(policy.idle_end_ms / LOOKS_PER_IDLE_END))
}

fn expired_offer(state: &State, now: Timestamp) -> Option<Event> {
    let open = state.offer.as_ref()?;
    if now < open.expires_at.plus_millis(OFFER_NET_MS) {
        return None;
    }
    Some(Event::Requeued {
        agent: Some(open.agent),
        reason: RequeueReason::OfferExpired,
        group: state.group.clone()?,
        assign_seq: state.assign_seq,
    })
}

fn idle(state: &State, policy: &Policy, now: Timestamp) -> Option<Event> {
    let end = idle_since(state).plus_millis(policy.idle_end_ms);
    if now >= end {
        return Some(Closing::default().ended(ClosedBy::Idle));
    }
    (!state.reminded && now >= reminder_at(end, policy)).then_some(Event::IdleReminder { ends_at: end })
}

fn idle_since(state: &State) -> Timestamp {
    state.last_agent_at.map_or(state.last_visitor_at, |agent| agent.max(state.last_visitor_at))
}

fn reminder_at(end: Timestamp, policy: &Policy) -> Timestamp {
    Timestamp::from_millis(end.millis().saturating_sub(policy.reminder_before_ms))
}
