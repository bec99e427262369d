//! Where an arrival belongs before it is queued: its group, another one, or a message.
//!
//! A question only; nothing changes by asking. Refuses to follow overflows round and round: after eight groups, or
//! one seen before, the arrival leaves a message.

use super::Engine;
use crate::clock::Timestamp;
use crate::ident::GroupId;
use crate::routing::decision::{NoQueue, Placement, RoutingError};
use crate::routing::group::{Elsewhere, WhenClosed};
use crate::routing::input::Facts;
use crate::routing::queue::Queue;
use crate::routing::score::GroupFact;

/// Longest chain of overflows.
const MAX_HOPS: usize = 8;

/// An arrival that asks where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub facts: &'a Facts,
    /// The group that is asked for, and whether the desk asks (a transfer, the bot) or the visitor's own client.
    pub asked: Option<GroupFact<'a>>,
}

/// Why a queue does not take an arrival, and where it sends it.
enum Turned {
    To(Elsewhere, NoQueue),
    No,
}

impl Engine {
    /// Where an arrival belongs at `now`: the first matching rule that names a group, else the group that is asked
    /// for (a claim only where that group is public), else the default group; then on by hours, ceiling and
    /// length. The error names a group that is neither there nor replaced by the default.
    pub fn place(&self, question: &Question<'_>, now: Timestamp) -> Result<Placement, RoutingError> {
        let asked = question.asked.filter(|asked| self.is_open_to(*asked));
        let score = self.rules.score(question.facts, asked, self.settings.score_limits());
        let ruled = score.deciding.and_then(|rule| self.rules.get(rule)?.group.as_ref());
        let mut queue = ruled
            .and_then(|group| self.queues.find(group))
            .or_else(|| self.queues.find(asked?.group))
            .or_else(|| self.queues.find(&self.settings.default_group))
            .and_then(|slot| self.queues.get(slot))
            .ok_or_else(|| RoutingError::UnknownGroup(self.settings.default_group.clone()))?;
        let meant = queue.group.id.clone();
        let mut first_reason = None;
        let mut seen: Vec<&GroupId> = Vec::new();
        loop {
            seen.push(&queue.group.id);
            let Turned::To(elsewhere, reason) = turned(queue, now) else {
                return Ok(self.queued_in(queue, meant, question));
            };
            let reason = first_reason.get_or_insert(reason).clone();
            let next = match &elsewhere {
                Elsewhere::Group(group) if seen.len() < MAX_HOPS && !seen.contains(&group) => {
                    self.queues.find(group).and_then(|slot| self.queues.get(slot))
                }
                Elsewhere::Group(_) | Elsewhere::LeaveMessage => None,
            };
            match next {
                Some(next) => queue = next,
                None => return Ok(Placement::LeaveMessage { group: meant, reason }),
            }
        }
    }

    fn is_open_to(&self, asked: GroupFact<'_>) -> bool {
        let queue = self.queues.find(asked.group).and_then(|slot| self.queues.get(slot));
        queue.is_some_and(|queue| asked.trusted || queue.group.public)
    }

    fn queued_in(&self, queue: &Queue, meant: GroupId, question: &Question<'_>) -> Placement {
        let group = queue.group.id.clone();
        let fact = GroupFact { group: &group, trusted: true };
        let score = self.rules.score(question.facts, Some(fact), self.settings.score_limits());
        let overflowed_from = (meant != group).then_some(meant);
        Placement::Queue { group, head_start_ms: score.head_start_ms, overflowed_from }
    }
}

fn turned(queue: &Queue, now: Timestamp) -> Turned {
    let group = &queue.group;
    if let Some(hours) = group.hours.as_ref().filter(|hours| !hours.is_open(now)) {
        let reason = NoQueue::Closed { opens_at: hours.opens_at(now) };
        match &group.overflow.when_closed {
            WhenClosed::Queue => {}
            WhenClosed::LeaveMessage => return Turned::To(Elsewhere::LeaveMessage, reason),
            WhenClosed::Group(other) => return Turned::To(Elsewhere::Group(other.clone()), reason),
        }
    }
    let waiting = u32::try_from(queue.items).unwrap_or(u32::MAX);
    if let Some(rule) = group.overflow.at_length.as_ref().filter(|rule| waiting >= rule.waiting) {
        return Turned::To(rule.to.clone(), NoQueue::Full { waiting });
    }
    if waiting >= group.queue_ceiling {
        return Turned::To(Elsewhere::LeaveMessage, NoQueue::Full { waiting });
    }
    Turned::No
}
