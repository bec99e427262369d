//! Keeps a node's place: renews its row, looks who lives and who owns what, and moves slots as `cluster::reconcile` plans.
//!
//! - A slot is handed over in order: from then on it is nobody's here, what lives in it is laid to rest, and only then is
//!   it released. What does not come to rest in time is cut off: fences guard the log (JR-3).
//! - An answer that did not come changes nothing here: the next round reads what the rows say.
//! - Beats go on while slots are handed over; nothing here waits for anything but the database.
//!
//! Refuses to judge who should own what.

use super::address::Address;
use super::link::Link;
use super::membership::Membership;
use super::options::Options;
use super::register::{self, NodeRow};
use super::trouble::Trouble;
use crate::cluster::placement::Whose;
use crate::cluster::reconcile::{Member, MemberState, Mine, Plan, View, plan, turn};
use crate::cluster::slots::Slot;
use crate::ident::{Epoch, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot::Receiver;

/// How soon something that failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// Hints make rounds come sooner, but not sooner than so after the last: many nodes may hint at once.
const NOT_SOONER: Duration = Duration::from_millis(50);
/// How often it is asked whether slots have come to rest.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long slots may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(2);
/// Rows of nodes that were silent for so many leases are removed by whoever sees them.
const FORGOTTEN_AFTER_LEASES: u32 = 10;

pub(super) struct Keeper {
    membership: Arc<Membership>,
    address: Address,
    options: Options,
    link: Option<Link>,
    mine: BTreeMap<Slot, Mine>,
    /// Since when slots are being handed over.
    handed: BTreeMap<Slot, Instant>,
    living: Vec<NodeId>,
    unheard: Vec<NodeId>,
    has_told_leaving: bool,
    has_told_heard: bool,
    beat_at: Instant,
    round_at: Instant,
    settle_at: Instant,
    /// Others' silence says nothing before: this node was cut off itself.
    trusts_silence_at: Instant,
    last_round: Instant,
}

impl Keeper {
    pub(super) fn new(membership: Arc<Membership>, address: Address, options: Options) -> Self {
        let now = Instant::now();
        Self {
            membership,
            address,
            // At once: the first beat tells what the database's clock shows, and questions need to know.
            beat_at: now,
            options,
            link: None,
            mine: BTreeMap::new(),
            handed: BTreeMap::new(),
            living: Vec::new(),
            unheard: Vec::new(),
            has_told_leaving: false,
            has_told_heard: true,
            round_at: now,
            settle_at: now,
            trusts_silence_at: now,
            last_round: now,
        }
    }

    /// Works until it is told to stop, then gives up what is left and removes the node's row; or until the row is
    /// another's.
    pub(super) async fn keep(mut self, mut stop: Receiver<()>) {
        let membership = Arc::clone(&self.membership);
        while membership.overtaken().is_none() {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                () = tokio::time::sleep_until(self.next().into()) => self.turn().await,
                () = membership.nudged.notified() => {
                    self.round_at = self.round_at.min(self.last_round + NOT_SOONER);
                }
            }
        }
        if membership.overtaken().is_none()
            && let Err(trouble) = self.depart().await
        {
            tracing::warn!(%trouble, "the node's place could not be cleared; it lapses by itself");
        }
        membership.note_left();
    }

    fn next(&self) -> Instant {
        let next = self.beat_at.min(self.round_at);
        if self.handed.is_empty() { next } else { next.min(self.settle_at) }
    }

    /// Does what is due.
    async fn turn(&mut self) {
        let Err(trouble) = self.work().await else { return };
        tracing::warn!(%trouble, "the node's place and slots could not be looked after");
        count(&self.membership.meters.failures, 1);
        let (now, later) = (Instant::now(), Instant::now() + AGAIN);
        self.beat_at = if self.beat_at > now { self.beat_at } else { later };
        self.round_at = later;
        self.settle_at = later;
    }

    async fn work(&mut self) -> Result<(), Trouble> {
        let link = self.connected().await?;
        // First of all: a node that slept must not judge the others while it counts as dead itself.
        if Instant::now() >= self.beat_at || (self.membership.callbacks.is_heard)() != self.has_told_heard {
            self.beat(&link).await?;
        }
        if !self.handed.is_empty() && Instant::now() >= self.settle_at {
            self.settle(&link).await?;
        }
        if Instant::now() >= self.round_at {
            self.round(&link).await?;
        }
        self.link = Some(link);
        Ok(())
    }

    /// Renews the node's row. A server that takes no writes may still be read: what was lost is seen all the same.
    async fn beat(&mut self, link: &Link) -> Result<(), Trouble> {
        let (begun, is_heard) = (Instant::now(), (self.membership.callbacks.is_heard)());
        match register::beat(link, &self.membership.own, is_heard).await {
            Ok(moment) => {
                self.beat_at = begun + self.options.beat;
                self.has_told_heard = is_heard;
                if let Some(moment) = moment {
                    (self.membership.callbacks.time)(moment, begun, Instant::now());
                    if self.membership.silent_for() > self.options.silence {
                        self.trusts_silence_at = Instant::now() + self.options.lease;
                    }
                    self.membership.note_renewed(begun);
                } else {
                    self.round_at = begun;
                }
                Ok(())
            }
            Err(trouble) if trouble.spares_the_link() => {
                tracing::warn!(%trouble, "the node's place could not be renewed");
                count(&self.membership.meters.failures, 1);
                self.beat_at = Instant::now() + AGAIN;
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn connected(&mut self) -> Result<Link, Trouble> {
        match self.link.take().filter(|link| !link.is_closed()) {
            Some(link) => Ok(link),
            None => Link::connect(&self.address, &self.options).await,
        }
    }

    /// Looks at all rows, and does what the plan says.
    pub(super) async fn round(&mut self, link: &Link) -> Result<(), Trouble> {
        if self.membership.leaves() && !self.has_told_leaving {
            register::set_leaving(link, &self.membership.own).await?;
            self.has_told_leaving = true;
        }
        let moved_to = self.membership.moved_to.lock().clone();
        if let Some(address) = moved_to {
            register::set_address(link, &self.membership.own, &address).await?;
            *self.membership.moved_to.lock() = None;
        }
        let (nodes, slots) = register::look(link).await?;
        if !self.is_own(&nodes) {
            return Ok(());
        }
        self.tell_unheard(&nodes);
        let members: Vec<Member> = nodes.into_iter().map(|node| node.member).collect();
        let forgotten = self.options.lease * FORGOTTEN_AFTER_LEASES;
        if members.iter().any(|member| member.silent > forgotten) {
            register::sweep(link, forgotten).await?;
        }
        self.tell_living(&members);
        let planned = plan(&View {
            me: &self.membership.own.id,
            members: &members,
            slots: &slots,
            mine: &self.mine,
            lease: self.options.lease,
            trusts_silence: Instant::now() >= self.trusts_silence_at,
        });
        self.carry_out(link, planned).await?;
        let now = Instant::now();
        self.last_round = now;
        self.round_at = now + if self.membership.leaves() { ASK_EVERY } else { self.options.beat / 2 };
        if self.membership.leaves() && self.mine.is_empty() {
            self.membership.note_left();
        }
        Ok(())
    }

    /// Whether the row under the node's id is this start's; says why not.
    fn is_own(&self, nodes: &[NodeRow]) -> bool {
        let own = &self.membership.own;
        let (id, address) = (&own.id, &self.address);
        match nodes.iter().find(|node| node.member.id == *id) {
            Some(node) if node.incarnation == own.incarnation => {
                if node.member.state == MemberState::Leaving {
                    self.membership.note_drain_asked();
                }
                return true;
            }
            Some(node) => self.membership.note_overtaken(format!(
                "the place of this node, `{id}`, in `{address}` was taken over by another process under the same id, at {}, \
                 while it could not be renewed; it ends, so that one process serves under an id",
                node.address
            )),
            None => self.membership.note_overtaken(format!(
                "the row of this node, `{id}`, in `{address}` was removed while it could not be renewed; it ends, and may \
                 be started again"
            )),
        }
        false
    }

    fn tell_living(&mut self, members: &[Member]) {
        let lives = |member: &&Member| member.silent < self.options.lease;
        let living: Vec<NodeId> = members.iter().filter(lives).map(|member| member.id.clone()).collect();
        if living != self.living {
            tracing::info!(nodes = ?living, "the nodes that live");
            (self.membership.callbacks.living)(&living);
            self.living = living;
        }
    }

    fn tell_unheard(&mut self, nodes: &[NodeRow]) {
        let is_unheard = |node: &&NodeRow| {
            !node.is_heard
                && node.member.silent < self.options.lease
                && node.member.id != self.membership.own.id
        };
        let unheard: Vec<NodeId> =
            nodes.iter().filter(is_unheard).map(|node| node.member.id.clone()).collect();
        if unheard != self.unheard {
            tracing::warn!(nodes = ?unheard, "the living nodes that the bus does not carry for; the log is read while there are any");
            (self.membership.callbacks.unheard)(&unheard);
            self.unheard = unheard;
        }
    }

    async fn carry_out(&mut self, link: &Link, planned: Plan) -> Result<(), Trouble> {
        let membership = Arc::clone(&self.membership);
        let Plan { claim, release, lost, elsewhere } = planned;
        let mut is_changed = false;
        for (slot, whose) in elsewhere {
            is_changed |= membership.placement.set(slot, whose);
        }
        if !lost.is_empty() {
            tracing::warn!(slots = lost.len(), "slots were taken by others");
            count(&membership.meters.lost, lost.len());
            self.mine.retain(|slot, _| !lost.contains(slot));
            (membership.callbacks.lost)(&lost);
        }
        for (slot, epoch) in turn(release, self.handed.len(), &membership.callbacks.heat) {
            self.mine.insert(slot, Mine { epoch, is_handed: true });
            self.handed.insert(slot, Instant::now());
            self.settle_at = Instant::now();
            is_changed |= membership.placement.set(slot, Whose::Nobody);
        }
        if !claim.is_empty() {
            let claimed = register::claim(link, &membership.own, &claim).await?;
            count(&membership.meters.claimed, claimed.len());
            for (slot, epoch) in claimed {
                self.mine.insert(slot, Mine { epoch, is_handed: false });
                is_changed |= membership.placement.set(slot, Whose::Here(epoch));
            }
            tracing::info!(asked = claim.len(), here = membership.placement.here(), "slots were taken");
        }
        if is_changed {
            (membership.callbacks.changed)();
        }
        Ok(())
    }

    /// Releases what has come to rest, or had its time.
    async fn settle(&mut self, link: &Link) -> Result<(), Trouble> {
        self.settle_at = Instant::now() + ASK_EVERY;
        let asked: Vec<Slot> = self.handed.keys().copied().collect();
        let rests = (self.membership.callbacks.lay_to_rest)(&asked);
        let is_late = |slot: &Slot| self.handed.get(slot).is_some_and(|since| since.elapsed() > REST_WITHIN);
        let late = asked.iter().filter(|slot| is_late(slot) && !rests.contains(slot)).count();
        if late > 0 {
            tracing::warn!(slots = late, "what lives in some slots did not come to rest in time");
        }
        let gone: Vec<(Slot, Epoch)> = asked
            .into_iter()
            .filter(|slot| rests.contains(slot) || is_late(slot))
            .filter_map(|slot| Some((slot, self.mine.get(&slot)?.epoch)))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        register::release(link, &self.membership.own, &gone).await?;
        count(&self.membership.meters.released, gone.len());
        count(&self.membership.meters.cut_off, late);
        for (slot, _) in &gone {
            self.mine.remove(slot);
            self.handed.remove(slot);
        }
        // More may wait for their turn.
        self.round_at = self.round_at.min(Instant::now() + NOT_SOONER);
        (self.membership.callbacks.changed)();
        Ok(())
    }

    /// Gives up whatever is left, and the node's place.
    async fn depart(&mut self) -> Result<(), Trouble> {
        let link = self.connected().await?;
        let rest: Vec<(Slot, Epoch)> = self.mine.iter().map(|(slot, mine)| (*slot, mine.epoch)).collect();
        for (slot, _) in &rest {
            self.membership.placement.set(*slot, Whose::Nobody);
        }
        if !rest.is_empty() {
            register::release(&link, &self.membership.own, &rest).await?;
        }
        register::remove(&link, &self.membership.own).await?;
        (self.membership.callbacks.changed)();
        Ok(())
    }
}

fn count(meter: &AtomicU64, more: usize) {
    meter.fetch_add(more as u64, Ordering::Relaxed);
}
