//! A node's rounds by the clock: its beat, its look at the rows and what the plan says, handing over, the log in place of
//! a silent bus, and what is due in its slots. The order of things is the keeper's of the desk.

use super::bus::Item;
use super::register::Row;
use super::world::{Cluster, LEASE_MS};
use crate::owner::Waits;
use crate::supervisor::of_the_desk;
use rushdesk::clock::Timestamp;
use rushdesk::cluster::placement::Whose;
use rushdesk::cluster::reconcile::{Heat, Mine, Plan, View, plan, turn};
use rushdesk::cluster::slots::{Slot, SlotSet};
use rushdesk::cluster::tailing::{Next, READ_EVERY_MS};
use rushdesk::conversation::command::Command;
use rushdesk::ident::{ConversationId, Epoch};
use rushdesk::journal::{Answer, Query};
use rushdesk::planted::{Bug, is_planted};
use std::time::Duration;

const BEAT_MS: u64 = 2_000;
/// A node that could not beat for so long decides nothing.
pub(crate) const SILENCE_MS: u64 = 5_000;
const REST_WITHIN_MS: u64 = 2_000;
const WAKE_EVERY_MS: u64 = 500;
const PAGE: u32 = 100;

impl Cluster {
    pub(crate) fn tick(&mut self, n: usize) {
        let now = self.now;
        self.probe(n);
        self.look_at_questions(n);
        if self.reaches(n) {
            self.beats(n);
            self.settles(n);
            self.rounds(n);
        }
        self.tails(n);
        self.routing(n);
        self.wakes(n);
        self.look_at_sessions(n);
        let laid_to_rest = self.chance.percent(1);
        let Some(node) = self.seats[n].node.as_mut() else { return };
        if laid_to_rest {
            node.owners.passivate();
        }
        if now >= node.due.rest {
            node.due.rest = now.plus_millis(SILENCE_MS);
            node.guests.passivate();
        }
    }

    fn beats(&mut self, n: usize) {
        let now = self.now;
        let Some(node) = self.seats[n].node.as_mut().filter(|node| now >= node.due.beat) else { return };
        let start = node.start.clone();
        if !self.store.register.is_entered(&start) {
            node.due.round = now;
            return;
        }
        self.store.write(Row::Beat(start), now);
        if now.since_millis(node.renewed) > SILENCE_MS {
            node.trusts_silence_at = now.plus_millis(LEASE_MS);
        }
        (node.renewed, node.due.beat) = (now, now.plus_millis(BEAT_MS));
        let timeline = self.store.timeline;
        self.note_timeline(n, timeline);
    }

    fn rounds(&mut self, n: usize) {
        let now = self.now;
        let Some(node) = self.seats[n].node.as_mut().filter(|node| now >= node.due.round) else { return };
        node.due.round = now.plus_millis(BEAT_MS / 2);
        let start = node.start.clone();
        if !self.store.register.is_entered(&start) {
            // Its row went with the end of the log: it ends, and may be started again.
            return self.crash(n, 500);
        }
        if node.leaves {
            self.store.write(Row::Leave(start.clone()), now);
        }
        let by = if is_planted(Bug::LeaseByOwnClock) { self.own_clock(n) } else { now };
        let (members, slots) = self.store.register.look(by);
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let planned = plan(&View {
            me: &start.id,
            members: &members,
            slots: &slots,
            mine: &node.mine,
            lease: Duration::from_millis(LEASE_MS),
            trusts_silence: now >= node.trusts_silence_at,
        });
        self.carry_out(n, planned);
        let Some(node) = self.seats[n].node.as_mut() else { return };
        if node.leaves && node.mine.is_empty() {
            self.store.write(Row::Remove(start), now);
            let pause = self.chance.between(2_000, 8_000);
            self.crash(n, pause);
        }
    }

    /// A wrong clock: as far ahead as the desk would refuse to start with.
    fn own_clock(&self, n: usize) -> Timestamp {
        self.now.plus_millis(self.seats[n].ahead_ms * 10)
    }

    fn carry_out(&mut self, n: usize, planned: Plan) {
        let now = self.now;
        let Plan { claim, release, lost, elsewhere } = planned;
        let Some(node) = self.seats[n].node.as_mut() else { return };
        let mut is_changed = false;
        for (slot, whose) in elsewhere {
            is_changed |= node.placement.set(slot, whose);
        }
        if !lost.is_empty() {
            node.mine.retain(|slot, _| !lost.contains(slot));
            node.owners.forget(|conversation| lost.contains(&Slot::of_conversation(conversation)));
        }
        let heat = || heat(node.owners.awake());
        for (slot, epoch) in turn(release, node.handed.len(), heat) {
            node.mine.insert(slot, Mine { epoch, is_handed: true });
            node.handed.insert(slot, now);
            is_changed |= node.placement.set(slot, Whose::Nobody);
        }
        if !claim.is_empty() {
            let start = node.start.clone();
            self.judge_claims(n, &claim);
            let claimed = self.store.write(Row::Claim(start, claim), now);
            self.judge_grants(n, &claimed);
            let Some(node) = self.seats[n].node.as_mut() else { return };
            for (slot, epoch) in claimed {
                node.mine.insert(slot, Mine { epoch, is_handed: false });
                is_changed |= node.placement.set(slot, Whose::Here(epoch));
            }
        }
        if is_changed {
            self.tell_everybody(n, &Item::Moved);
        }
    }

    /// Releases what has come to rest, or had its time.
    fn settles(&mut self, n: usize) {
        let now = self.now;
        let Some(node) = self.seats[n].node.as_mut().filter(|node| !node.handed.is_empty()) else { return };
        let awake = node.owners.awake();
        let stays = |slot: &Slot| {
            awake.iter().any(|it| Slot::of_conversation(*it) == *slot && !node.owners.is_idle(*it))
        };
        let gone: Vec<(Slot, Epoch)> = node
            .handed
            .iter()
            .filter(|(slot, since)| !stays(slot) || now.since_millis(**since) > REST_WITHIN_MS)
            .filter_map(|(slot, _)| Some((*slot, node.mine.get(slot)?.epoch)))
            .collect();
        let is_gone = |slot: Slot| gone.iter().any(|(it, _)| *it == slot);
        node.owners.forget(|conversation| is_gone(Slot::of_conversation(conversation)));
        for (slot, _) in &gone {
            node.mine.remove(slot);
            node.handed.remove(slot);
        }
        if !gone.is_empty() {
            node.due.round = now;
            self.seen.handed += gone.len() as u64;
            let start = node.start.clone();
            self.store.write(Row::Release(start, gone), now);
            self.tell_everybody(n, &Item::Moved);
        }
    }

    /// Reads the log while the bus is silent.
    fn tails(&mut self, n: usize) {
        let (now, own) = (self.now, self.node_now(n));
        let Some(node) = self.seats[n].node.as_mut().filter(|node| now >= node.due.tail) else { return };
        node.due.tail = now.plus_millis(READ_EVERY_MS);
        let since = match node.tailing.next(node.wire.carries, own) {
            Next::Rest => return,
            Next::Mark => None,
            Next::Read(mark) => Some(mark),
        };
        let is_mark = since.is_none();
        let Some(Answer::Tail(tail)) = self.read(n, Query::Tail { since, limit: PAGE }) else { return };
        self.read_in_the_log(n, tail.changes);
        let Some(node) = self.seats[n].node.as_mut() else { return };
        if tail.is_whole || is_mark {
            node.tailing.came_to(tail.mark, own);
        } else {
            node.tailing.came_nearer(tail.mark);
        }
    }

    /// Wakes what is due in this node's slots.
    fn wakes(&mut self, n: usize) {
        let now = self.now;
        let Some(node) = self.seats[n].node.as_mut().filter(|node| now >= node.due.wake) else { return };
        node.due.wake = now.plus_millis(WAKE_EVERY_MS);
        let Some(Answer::Due(due)) = self.read(n, Query::Due { now, limit: PAGE, slots: SlotSet::all() })
        else {
            return;
        };
        for conversation in due {
            let Some(node) = self.seats[n].node.as_ref() else { return };
            if !matches!(node.placement.of_conversation(conversation), Whose::Here(_)) {
                continue;
            }
            let Some(Answer::State(Some(state))) = self.read(n, Query::State(conversation)) else { continue };
            let visitor_gone_since = state.visitor.as_ref().and_then(|visitor| self.gone_since(visitor));
            let errand = of_the_desk(Command::Wake { visitor_gone_since }, Waits::Nobody);
            self.deliver(n, super::node::Question { conversation, fresh: false, errand });
        }
    }
}

/// How much is awake in each slot.
fn heat(awake: Vec<ConversationId>) -> Heat {
    let mut heat = Heat::new();
    for conversation in awake {
        *heat.entry(Slot::of_conversation(conversation)).or_default() += 1;
    }
    heat
}
