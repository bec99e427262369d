//! What happens by itself: steps end, a bump comes, a wait overflows, an offer runs out, an outcome is overdue.
//!
//! Each item has one entry among the deadlines, the earliest of its own. Refuses to read a clock.

use super::Engine;
use crate::clock::Timestamp;
use crate::routing::decision::Decision;
use crate::routing::input::OfferEnd;
use crate::routing::item::{Awaiting, Item, Stage, StepAt};
use crate::routing::slab::Slot;

impl Engine {
    /// Everything that is due by `now`.
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Vec<Decision>) {
        while let Some((at, slot)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some(item) = self.items.get_mut(slot) else { continue };
            item.deadline = None;
            match item.stage {
                Stage::Waiting => self.relist(slot, now, out),
                Stage::Pending(pending) if matches!(pending.awaiting, Awaiting::Answer { .. }) => {
                    self.end_offer(slot, true, now, out);
                }
                Stage::Pending(_) | Stage::Parked { .. } => {}
            }
        }
        while let Some((at, slot, number)) = self.outcomes_due.front().copied()
            && at <= now
        {
            self.outcomes_due.pop_front();
            if self.is_awaited(slot, number) {
                self.outcome_lost(slot, now, out);
            }
        }
    }

    /// Takes a matchable item out of its lane and lists it anew.
    pub(super) fn relist(&mut self, slot: Slot<Item>, now: Timestamp, out: &mut Vec<Decision>) {
        self.unlist(slot);
        if self.items.get(slot).is_some_and(Item::is_matchable) {
            self.enlist(slot, now, out);
            self.touched.items.push(slot);
        } else {
            self.reschedule(slot);
        }
    }

    /// Asks for the end of an open offer; its seats stay held until that is reported.
    pub(super) fn end_offer(
        &mut self,
        slot: Slot<Item>,
        expired: bool,
        now: Timestamp,
        out: &mut Vec<Decision>,
    ) {
        let number = self.await_outcome(slot, now);
        let Some(item) = self.items.get_mut(slot) else { return };
        let conversation = item.id();
        let Stage::Pending(pending) = &mut item.stage else { return };
        pending.number = number;
        pending.awaiting = Awaiting::OfferEnd { expired };
        let agent = pending.agent;
        self.reschedule(slot);
        if let Some(agent) = self.agents.get(agent).map(|row| row.id) {
            out.push(if expired {
                Decision::ExpireOffer { conversation, agent }
            } else {
                Decision::WithdrawOffer { conversation, agent }
            });
        }
    }

    /// Nobody said what became of a decision: the item goes back, and the agent's truth is unknown.
    fn outcome_lost(&mut self, slot: Slot<Item>, now: Timestamp, out: &mut Vec<Decision>) {
        self.counters.lost += 1;
        let Some(item) = self.items.get_mut(slot) else { return };
        match item.stage {
            Stage::Waiting => {}
            Stage::Parked { .. } => {
                item.stage = Stage::Waiting;
                self.relist(slot, now, out);
            }
            Stage::Pending(pending) => {
                if let Some(agent) = self.agents.get_mut(pending.agent) {
                    agent.stale = true;
                }
                match pending.awaiting {
                    Awaiting::OfferEnd { expired: true } => {
                        self.close_offer(slot, OfferEnd::Expired, now, out)
                    }
                    Awaiting::OfferEnd { expired: false }
                    | Awaiting::Assignment
                    | Awaiting::Offer { .. }
                    | Awaiting::Answer { .. } => {
                        self.give_back(slot);
                        self.relist(slot, now, out);
                    }
                }
            }
        }
    }

    /// Begins the steps of an item that is not listed, from its enqueueing or from `now` where its rule changed.
    pub(super) fn begin_steps(&mut self, slot: Slot<Item>, from: Timestamp) {
        let Some(item) = self.items.get_mut(slot) else { return };
        match item.arrival.wanted {
            Some(wanted) if wanted.hard_for_s > 0 => {
                item.step = StepAt::Wanted;
                item.step_ends_at = Some(from.plus_secs(wanted.hard_for_s));
            }
            _ => self.enter_rule_step(slot, 0, from),
        }
    }

    fn enter_rule_step(&mut self, slot: Slot<Item>, number: u32, from: Timestamp) {
        let Some(item) = self.items.get_mut(slot) else { return };
        let step = item.deciding.and_then(|rule| self.rules.step(rule, number));
        (item.step, item.step_ends_at) = match step {
            Some((step, _)) => (StepAt::Rule(number), step.for_s.map(|for_s| from.plus_secs(for_s))),
            None => (StepAt::Open, None),
        };
    }

    /// The step is over; the next begins at `from`.
    pub(super) fn next_step(&mut self, slot: Slot<Item>, from: Timestamp) {
        let next = match self.items.get(slot).map(|item| item.step) {
            Some(StepAt::Wanted) => 0,
            Some(StepAt::Rule(number)) => number + 1,
            Some(StepAt::Open) | None => return,
        };
        self.enter_rule_step(slot, next, from);
    }

    /// Goes on to the step that `now` falls into.
    pub(super) fn steps_until(&mut self, slot: Slot<Item>, now: Timestamp) {
        while let Some(ends_at) = self.items.get(slot).and_then(|item| item.step_ends_at)
            && ends_at <= now
        {
            self.next_step(slot, ends_at);
        }
    }

    /// The one bump of the group, when its time waited has come. The item must not be listed.
    pub(super) fn bump_if_due(&mut self, slot: Slot<Item>, now: Timestamp) {
        let Some(item) = self.items.get_mut(slot) else { return };
        let bump = self.queues.get(item.queue).and_then(|queue| queue.group.bump);
        let Some(bump) = bump.filter(|bump| !item.bumped && item.waited_ms(now) >= bump.after_s * 1_000)
        else {
            return;
        };
        item.bumped = true;
        let most_ms = self.settings.max_head_start_s.saturating_mul(1_000);
        item.head_start_ms =
            item.head_start_ms.saturating_add(bump.head_start_s.saturating_mul(1_000)).min(most_ms);
        self.move_to_score(slot);
    }

    /// Brings an unlisted item to the place that its head start gives it.
    pub(super) fn move_to_score(&mut self, slot: Slot<Item>) {
        let Some(item) = self.items.get_mut(slot) else { return };
        let scored = item.place_by_score();
        let before = std::mem::replace(&mut item.place, scored);
        if item.in_order && before != item.place {
            self.queues.leave(item.queue, &before);
            self.queues.enter(item.queue, item.place);
        }
    }

    /// Says once that the wait in this queue has lasted too long. The item waits on until it arrives elsewhere.
    pub(super) fn overflow_if_due(&mut self, slot: Slot<Item>, now: Timestamp, out: &mut Vec<Decision>) {
        let Some(item) = self.items.get_mut(slot) else { return };
        let Some(queue) = self.queues.get(item.queue) else { return };
        let Some(rule) = &queue.group.overflow.queued else { return };
        let due_at = item.place.enqueued_at.plus_secs(rule.after_s);
        if item.overflow_asked || due_at > now || self.queues.find(&rule.to).is_none() {
            return;
        }
        item.overflow_asked = true;
        self.counters.overflowed += 1;
        out.push(Decision::Overflow {
            conversation: item.id(),
            assign_seq: item.assign_seq,
            from: queue.group.id.clone(),
            to: rule.to.clone(),
        });
    }

    /// Brings the item's entry among the deadlines up to date.
    pub(super) fn reschedule(&mut self, slot: Slot<Item>) {
        let Some(item) = self.items.get(slot) else { return };
        let due = match item.stage {
            Stage::Waiting if !item.suspended => self.due_while_waiting(item),
            Stage::Pending(pending) => match pending.awaiting {
                Awaiting::Answer { expires_at } => Some(expires_at),
                Awaiting::Assignment | Awaiting::Offer { .. } | Awaiting::OfferEnd { .. } => None,
            },
            Stage::Waiting | Stage::Parked { .. } => None,
        };
        let before = item.deadline;
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, slot));
        }
        if let Some(due) = due {
            self.deadlines.insert((due, slot));
        }
        if let Some(item) = self.items.get_mut(slot) {
            item.deadline = due;
        }
    }

    fn due_while_waiting(&self, item: &Item) -> Option<Timestamp> {
        let group = &self.queues.get(item.queue)?.group;
        let bump = group.bump.filter(|_| !item.bumped).map(|bump| {
            let in_this_queue_ms = (bump.after_s * 1_000).saturating_sub(item.waited_before_ms);
            item.place.enqueued_at.plus_millis(in_this_queue_ms)
        });
        let overflow = group
            .overflow
            .queued
            .as_ref()
            .filter(|rule| !item.overflow_asked && self.queues.find(&rule.to).is_some())
            .map(|rule| item.place.enqueued_at.plus_secs(rule.after_s));
        [item.step_ends_at, bump, overflow].into_iter().flatten().min()
    }
}
