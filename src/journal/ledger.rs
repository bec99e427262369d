//! The rules of the store: what may be committed, decided inside the transaction, once for every adapter.
//!
//! Pure: an adapter loads the rows (with their locks), calls `admit`, and writes what comes back in the same
//! transaction. Checked here and nowhere later: the sender's repeat (JR-1), the fence (JR-3), the writer's guard,
//! that a closed conversation takes no message (CV-2), that an assignment is free (CV-4), that `assign_seq` rises by
//! one (CV-4), that the agent is present and no load passes the capacity (RT-1).
//!
//! Refuses to know who may do what (that is `conversation::decide`'s) and when (policies, timers).

use super::{AgentChange, AgentSeats, ClientKey, Done, Guard, Outcome, Presence, Write};
use crate::clock::Timestamp;
use crate::conversation::content::Content;
use crate::conversation::event::{Author, Entry, Event};
use crate::conversation::state::{Phase, SeatHold, State};
use crate::ident::{AgentId, AssignSeq, Epoch, GUEST, Seq};
use crate::planted::{Bug, is_planted};
use crate::refusal::Refusal;

/// When an opening that met no owner is worth another try, in milliseconds.
const OWNED_WITHIN_MS: u64 = 1_000;

/// The rows that `admit` looks at, read under their locks.
pub trait Rows {
    /// Where the client key stands in this conversation's log, with the digest and moment kept beside it.
    fn known(&self, client: &ClientKey) -> Option<Known>;
    /// The agent's seats; `None` for an agent that the store does not know.
    fn seats(&self, agent: AgentId) -> Option<AgentSeats>;
    /// The live conversation of the same shop, visitor and channel as this opening's, if there is one.
    fn live_twin(&self, state: &State) -> Option<crate::ident::ConversationId>;
}

/// A client key found in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub seq: Seq,
    pub at: Timestamp,
    pub digest: u64,
}

/// What an adapter writes when a `Write` is admitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    pub entries: Vec<Entry>,
    /// The conversation after the entries.
    pub state: State,
    /// New loads of the agents whose seats moved, at most two.
    pub loads: Vec<(AgentId, u32)>,
}

impl Admitted {
    /// The entry on which the write's client key stands: its message, or else its first entry. A repeat is answered with
    /// this position.
    pub fn named(&self) -> Option<&Entry> {
        let message = self.entries.iter().find(|entry| matches!(entry.event, Event::Message(_)));
        message.or(self.entries.first())
    }
}

/// Judges `write` against the conversation as it stands (`State::new` where it has no entry yet).
///
/// # Errors
/// The outcome to report instead; nothing may be written then.
pub fn admit(
    write: &Write,
    state: &State,
    fence: Epoch,
    rows: &impl Rows,
    at: Timestamp,
) -> Result<Admitted, Outcome> {
    let repeated = write.client.as_ref().and_then(|client| rows.known(client));
    if let Some(known) = repeated.filter(|_| !is_planted(Bug::DedupeGone)) {
        let same = write.client.is_some_and(|client| client.digest == known.digest);
        return Err(if same {
            Outcome::Duplicate { seq: known.seq, at: known.at }
        } else {
            Outcome::Conflict { seq: known.seq }
        });
    }
    if write.epoch < fence && !is_planted(Bug::FenceDropped) {
        return Err(Outcome::Stale { fence });
    }
    if !holds(write.guard, state) && !is_planted(Bug::GuardDropped) && !comes_by_another_door(write) {
        return Err(Outcome::Reload { head: state.head });
    }
    // Only now: who is refused, is refused by the log as it stands and not by what a former owner remembers of it.
    if write.events.is_empty() {
        return Err(Outcome::Unknown);
    }
    if write.epoch == GUEST && write.events.iter().any(|(_, event)| matches!(event, Event::Opened(_))) {
        // A guest's epoch would become the new conversation's fence, and no owner's would ever pass it.
        let reason = "only its owner opens a conversation; it is being taken over, try again";
        return Err(Outcome::Refused(Refusal::unavailable(reason, OWNED_WITHIN_MS)));
    }
    let mut next = state.clone();
    let mut entries = Vec::with_capacity(write.events.len());
    for (author, event) in &write.events {
        if !comes_by_another_door(write) {
            permitted(&next, event).map_err(Outcome::Refused)?;
        }
        let visitor_prev = next.visitor_head;
        next.apply(at, author, event);
        entries.push(entry(&next, visitor_prev, at, author, event));
        if let Event::Opened(_) = event
            && let Some(conversation) = rows.live_twin(&next)
        {
            return Err(Outcome::Exists { conversation });
        }
    }
    if write.events.iter().any(|(_, event)| matches!(event, Event::Reopened))
        && let Some(conversation) = rows.live_twin(&next)
    {
        return Err(Outcome::Exists { conversation });
    }
    arrived(&next).map_err(Outcome::Refused)?;
    let loads = moved_loads(state.seat_hold(), next.seat_hold(), rows).map_err(Outcome::Refused)?;
    Ok(Admitted { entries, state: next, loads })
}

/// The planted mistake: assignments pass unasked.
fn comes_by_another_door(write: &Write) -> bool {
    is_planted(Bug::SecondDoor)
        && write.events.iter().any(|(_, event)| matches!(event, Event::Assigned { .. }))
}

/// The fence after a claim under `epoch`. A guest's claim reads and leaves the fence as it is (`GUEST`).
///
/// # Errors
/// The fence that stands, where it is higher.
pub fn claim(epoch: Epoch, fence: Epoch) -> Result<Epoch, Epoch> {
    match epoch {
        GUEST => Ok(fence),
        _ if epoch < fence => Err(fence),
        _ if is_planted(Bug::FenceNotRaised) => Ok(fence),
        _ => Ok(epoch),
    }
}

/// Whether the wake-up of a conversation that stands at `head` under `fence` may be moved by who believed it to stand at
/// `believed`. A wake-up that was moved later by a belief that does not hold would be slept through.
///
/// # Errors
/// What to answer instead; the wake-up stays as it is.
pub const fn reschedule(epoch: Epoch, believed: Seq, fence: Epoch, head: Seq) -> Result<(), Done> {
    if epoch < fence {
        return Err(Done::Stale { fence });
    }
    if believed != head { Err(Done::NotRescheduled { head }) } else { Ok(()) }
}

/// What stands where a content was taken back. A note stays an (empty) note: had it become `Redacted`, the visitor would
/// see an entry that no `visitor_prev` leads to.
pub fn redacted(event: &Event) -> Option<Event> {
    match event {
        Event::Message(Content::Note(_)) => Some(Event::Message(Content::Note("".into()))),
        Event::Message(_) => Some(Event::Message(Content::Redacted)),
        _ => None,
    }
}

/// The agent's row after a journaled change; `None` where the agent is unknown and the change does not create it.
pub fn change_agent(agent: AgentId, before: Option<AgentSeats>, change: &AgentChange) -> Option<AgentSeats> {
    match (before, change) {
        (Some(row), AgentChange::Capacity(capacity)) => {
            Some(AgentSeats { capacity: *capacity, version: row.version + 1, ..row })
        }
        (None, AgentChange::Capacity(capacity)) => {
            Some(AgentSeats { agent, presence: Presence::Offline, capacity: *capacity, load: 0, version: 1 })
        }
        (Some(row), AgentChange::Presence { presence, .. }) => {
            Some(AgentSeats { presence: *presence, version: row.version + 1, ..row })
        }
        (None, AgentChange::Presence { .. }) => None,
    }
}

/// Whether what the writer believed is so.
fn holds(guard: Guard, state: &State) -> bool {
    match guard {
        Guard::AnyHead => true,
        Guard::Assignment(assign_seq) => assign_seq == state.assign_seq,
        Guard::Head(head) => head == state.head,
        Guard::Footing(footing) => footing.is_under(state),
    }
}

fn entry(next: &State, visitor_prev: Seq, at: Timestamp, author: &Author, event: &Event) -> Entry {
    Entry { seq: next.head, visitor_prev, at, author: author.clone(), event: event.clone() }
}

/// Whether `event` may follow in a conversation that stands at `state`; seats are judged apart.
pub(super) fn permitted(state: &State, event: &Event) -> Result<(), Refusal> {
    match event {
        Event::Opened(_) if state.head > 0 => {
            Err(Refusal::conflict("this conversation has been opened before"))
        }
        Event::Opened(_) => Ok(()),
        _ if state.head == 0 => Err(Refusal::not_found("there is no such conversation")),
        Event::Recalled { .. } | Event::Rated { .. } => Ok(()),
        Event::Reopened if !is_closed(state) => Err(Refusal::conflict("this conversation is not closed")),
        Event::Reopened => Ok(()),
        _ if is_closed(state) => {
            Err(Refusal::closed("this conversation is closed; reopen it or open a new one"))
        }
        Event::Assigned { .. } if state.phase.is_assigned() => {
            Err(Refusal::reassigned(format!("it has an agent already (assign_seq {})", state.assign_seq))
                .about(state.id))
        }
        Event::Assigned { agent, assign_seq, .. } => match &state.offer {
            Some(open) if open.agent != *agent => {
                Err(Refusal::reassigned("it is being offered to another agent").about(state.id))
            }
            Some(_) | None => contiguous(state, *assign_seq),
        },
        Event::Transferred { assign_seq, .. } => contiguous(state, *assign_seq),
        // Where only an offer ends, neither assignee nor group changes, and so neither does the number.
        Event::Requeued { assign_seq, .. } if *assign_seq == state.assign_seq && state.offer.is_some() => {
            Ok(())
        }
        Event::Requeued { assign_seq, .. } => contiguous(state, *assign_seq),
        Event::Offered { .. } if !matches!(state.phase, Phase::Queued | Phase::MessageLeft) => {
            Err(Refusal::reassigned("it is not waiting for an offer").about(state.id))
        }
        // Whether an agent's words may stand here, their guard has said (CV-4).
        Event::Message(_)
        | Event::Offered { .. }
        | Event::Queued { .. }
        | Event::MessageLeft { .. }
        | Event::BotJoined
        | Event::BotLeft
        | Event::Escalated { .. }
        | Event::IdleReminder { .. }
        | Event::WrapUp { .. }
        | Event::Closed { .. } => Ok(()),
    }
}

/// Between `Reopened` and the entry that says where it goes, a conversation is closed no more and not yet anywhere.
fn is_closed(state: &State) -> bool {
    state.phase == Phase::Closed && state.closed_at.is_some()
}

/// An opening or reopening that does not say where the conversation goes would leave it nowhere: `New` with entries, or
/// closed without a moment of closing.
fn arrived(next: &State) -> Result<(), Refusal> {
    if next.phase == Phase::New || (next.phase == Phase::Closed && next.closed_at.is_none()) {
        return Err(Refusal::bad_frame(
            "an opening or reopening must lead to the bot, a queue or a stored message in the same write",
        ));
    }
    Ok(())
}

fn contiguous(state: &State, assign_seq: AssignSeq) -> Result<(), Refusal> {
    if assign_seq == state.assign_seq + 1 || is_planted(Bug::AssignSeqUnchecked) {
        return Ok(());
    }
    Err(Refusal::reassigned(format!(
        "assign_seq is {} by now, so {assign_seq} cannot follow",
        state.assign_seq
    ))
    .about(state.id))
}

fn moved_loads(
    before: Option<SeatHold>,
    after: Option<SeatHold>,
    rows: &impl Rows,
) -> Result<Vec<(AgentId, u32)>, Refusal> {
    if before == after {
        return Ok(Vec::new());
    }
    let mut loads = Vec::with_capacity(2);
    let kept = before.filter(|b| after.is_some_and(|a| a.agent == b.agent));
    if let Some(freed) = before.filter(|_| kept.is_none())
        && let Some(row) = rows.seats(freed.agent)
    {
        loads.push((freed.agent, row.load.saturating_sub(freed.seats)));
    }
    if let Some(taken) = after {
        let row = rows.seats(taken.agent).ok_or_else(|| Refusal::not_found("there is no such agent"))?;
        let held = kept.map_or(0, |hold| hold.seats);
        let load = row.load.saturating_sub(held).saturating_add(taken.seats);
        if taken.seats > held && !is_planted(Bug::CapacityUnchecked) && !is_planted(Bug::CapacityOutside) {
            if row.presence != Presence::Online {
                return Err(Refusal::expired("the agent is not online"));
            }
            if load > row.capacity {
                return Err(Refusal::at_capacity(format!(
                    "all seats are taken: {} of {} are in use",
                    row.load, row.capacity
                )));
            }
        }
        loads.push((taken.agent, load));
    }
    Ok(loads)
}
