//! Brings conversations to life and lays them to rest: at most one owner a conversation on this node, and only where the
//! conversation's slot is this node's. What is for another node's goes elsewhere.
//!
//! Where an owner does not answer, a guest takes its place: an actor like an owner that raises no fence. Guests of several
//! nodes and the owner may write one conversation at once; the log orders messages, and a decision holds only on top of
//! the head that it saw.
//!
//! A message to a conversation without an actor starts one; an idle actor is dropped and leaves nothing behind. A
//! message that arrives meanwhile is never lost: sending and laying to rest exclude each other on the map's shard. An
//! actor that panicked is rebuilt from the journal by the next message, under a budget; past it the conversation is
//! quarantined for a while, so that a poisoned log cannot burn a core.

use super::actor::{ConversationActor, Overtaken};
use super::delivery::{Deliver, Hint, Parcel, Surroundings};
use crate::clock::Timestamp;
use crate::cluster::placement::{Placement, Whose};
use crate::cluster::slots::Slot;
use crate::ident::{ConversationId, Epoch, GUEST, Seq};
use crate::mailbox::{Mailbox, Undelivered, Why};
use crate::refusal::Refusal;
use actix::ArbiterHandle;
use dashmap::DashMap;
use parking_lot::RwLock;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

thread_local! {
    /// This thread runs an arbiter that conversations live on.
    static AT_HOME: Cell<bool> = const { Cell::new(false) };
}

/// One live actor.
struct Live {
    mailbox: Mailbox<ConversationActor>,
    epoch: Epoch,
    last_used_ms: AtomicU64,
    /// Writes and reads whose answer is still to come.
    under_way: Arc<AtomicUsize>,
    /// An agent has it, as its actor last saw it.
    is_held: AtomicBool,
}

impl Live {
    fn is_idle(&self) -> bool {
        self.mailbox.depth() == 0 && self.under_way.load(Ordering::Acquire) == 0
    }
}

/// How an actor finds its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It has no entry yet: its id was made a moment ago.
    Fresh,
    /// From the journal.
    Stored,
}

/// Counters of the registry, read by telemetry.
#[derive(Debug, Default)]
pub struct RegistryMeters {
    pub activated: AtomicU64,
    pub passivated: AtomicU64,
    pub panicked: AtomicU64,
    pub refused_full: AtomicU64,
    /// Writes with an unknown outcome, after each of which the conversation was read again.
    pub read_again: AtomicU64,
    /// Entries that such a reading found committed and nobody had been told of.
    pub found_untold: AtomicU64,
    /// Commands that were carried out in an owner's place.
    pub as_guest: AtomicU64,
}

/// Guests are laid to rest after so long without a command: the owner should be back.
const GUEST_STAYS_MS: u64 = 5_000;

/// The live conversations of this node.
pub struct Registry {
    live: DashMap<ConversationId, Live>,
    guests: DashMap<ConversationId, Live>,
    panics: DashMap<ConversationId, (u32, Timestamp)>,
    /// Threads that conversations live on.
    homes: RwLock<Vec<ArbiterHandle>>,
    next_home: AtomicUsize,
    surroundings: Arc<Surroundings>,
    own: Weak<Self>,
    pub meters: RegistryMeters,
}

impl Registry {
    pub fn new(surroundings: Arc<Surroundings>) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            live: DashMap::new(),
            guests: DashMap::new(),
            panics: DashMap::new(),
            homes: RwLock::default(),
            next_home: AtomicUsize::new(0),
            surroundings,
            own: own.clone(),
            meters: RegistryMeters::default(),
        })
    }

    /// Lets conversations live on the calling thread, which must run an arbiter (a worker of the HTTP server).
    pub fn live_here_too(&self) {
        if let Some(here) = actix::Arbiter::try_current() {
            AT_HOME.with(|home| home.set(true));
            self.homes.write().push(here);
        }
    }

    /// Whether an agent is known to have the conversation: only where it is awake on this node.
    pub fn is_held(&self, conversation: ConversationId) -> bool {
        self.live.get(&conversation).is_some_and(|live| live.is_held.load(Ordering::Relaxed))
    }

    /// An agent has the conversation from now on, or none has.
    pub(super) fn note_held(&self, conversation: ConversationId, is_held: bool) {
        if let Some(live) = self.live.get(&conversation) {
            live.is_held.store(is_held, Ordering::Relaxed);
        }
    }

    /// Since when this node runs.
    pub fn node_start(&self) -> Timestamp {
        self.surroundings.node_start
    }

    /// Live actors.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Which slots are whose.
    pub fn placement(&self) -> &Placement {
        &self.surroundings.placement
    }

    /// Delivers a command, here or elsewhere; every outcome reaches its `answer`.
    pub fn deliver(&self, conversation: ConversationId, start: Start, deliver: Deliver) {
        match self.surroundings.placement.of_conversation(conversation) {
            Whose::Here(epoch)
                if !(self.surroundings.is_under_way)(conversation)
                    && (self.guests.is_empty() || !self.has_guest(conversation)) =>
            {
                self.deliver_under(epoch, conversation, start, deliver);
            }
            Whose::Here(_) | Whose::There(_) | Whose::Nobody => {
                (self.surroundings.elsewhere)(Parcel { conversation, start, deliver });
            }
        }
    }

    /// Delivers a command that another node has sent here.
    ///
    /// # Errors
    /// The command, where the conversation is not this node's.
    #[expect(clippy::result_large_err, reason = "a command that was not delivered comes back whole")]
    pub fn deliver_here(
        &self,
        conversation: ConversationId,
        start: Start,
        deliver: Deliver,
    ) -> Result<(), Deliver> {
        let Whose::Here(epoch) = self.surroundings.placement.of_conversation(conversation) else {
            return Err(deliver);
        };
        self.deliver_under(epoch, conversation, start, deliver);
        Ok(())
    }

    /// Carries a command out in the place of an owner that does not answer.
    pub fn deliver_as_guest(&self, conversation: ConversationId, deliver: Deliver) {
        self.meters.as_guest.fetch_add(1, Ordering::Relaxed);
        self.deliver_under(GUEST, conversation, Start::Stored, deliver);
    }

    /// Whether a guest has a conversation in hand: what comes later from here follows it.
    pub fn has_guest(&self, conversation: ConversationId) -> bool {
        self.guests.get(&conversation).is_some_and(|live| !live.is_idle())
    }

    fn deliver_under(&self, epoch: Epoch, conversation: ConversationId, start: Start, deliver: Deliver) {
        if let Err(back) = self.post(epoch, conversation, start, deliver) {
            let refusal = match back.why {
                Why::Full => {
                    self.meters.refused_full.fetch_add(1, Ordering::Relaxed);
                    Refusal::overloaded(
                        "this conversation has too much under way; repeat it in a moment",
                        200,
                    )
                }
                Why::Gone => {
                    Refusal::unavailable("this conversation is being repaired; repeat it in a moment", 5_000)
                }
            };
            back.message.answer.refuse(refusal.about(conversation));
        }
    }

    /// Passes a hint on, only if the conversation is awake; it may be lost.
    pub fn hint(&self, conversation: ConversationId, hint: Hint) {
        if let Whose::There(node) = self.surroundings.placement.of_conversation(conversation) {
            (self.surroundings.hint_elsewhere)(&node, conversation, hint);
        } else if let Some(live) = self.live.get(&conversation)
            && let Err(dropped) = live.mailbox.tell(hint)
        {
            tracing::debug!(?conversation, why = ?dropped.why, "a hint was dropped");
        }
    }

    #[expect(clippy::result_large_err, reason = "a command that was not delivered comes back whole")]
    fn post(
        &self,
        epoch: Epoch,
        conversation: ConversationId,
        start: Start,
        deliver: Deliver,
    ) -> Result<(), Undelivered<Deliver>> {
        let now = self.surroundings.clock.now();
        let rooms = if epoch == GUEST { &self.guests } else { &self.live };
        let mut message = deliver;
        for _ in 0..2 {
            if let Some(live) = rooms.get(&conversation).filter(|live| live.epoch == epoch) {
                live.last_used_ms.store(now.millis(), Ordering::Relaxed);
                match live.mailbox.tell(message) {
                    Ok(()) => return Ok(()),
                    Err(back) if back.why == Why::Full => return Err(back),
                    Err(back) => message = back.message,
                }
            }
            rooms.remove_if(&conversation, |_, live| live.mailbox.is_gone() || live.epoch != epoch);
            if self.is_quarantined(conversation, now) {
                return Err(Undelivered { why: Why::Gone, message });
            }
            let Some(home) = self.home() else { return Err(Undelivered { why: Why::Gone, message }) };
            let activate = || self.activate(&home, epoch, conversation, start, now);
            rooms.entry(conversation).or_insert_with(activate);
        }
        Err(Undelivered { why: Why::Gone, message })
    }

    fn activate(
        &self,
        home: &ArbiterHandle,
        epoch: Epoch,
        conversation: ConversationId,
        start: Start,
        now: Timestamp,
    ) -> Live {
        self.meters.activated.fetch_add(1, Ordering::Relaxed);
        let under_way = Arc::new(AtomicUsize::new(0));
        let (surroundings, registry, counter) =
            (self.surroundings.clone(), self.own.clone(), under_way.clone());
        let limit = self.surroundings.parked_limit;
        let mailbox = Mailbox::start_on(home, limit, move |own, _context| {
            let own = own.downgrade();
            ConversationActor::new(conversation, epoch, start, own, surroundings, registry, counter)
        });
        Live {
            mailbox,
            epoch,
            last_used_ms: AtomicU64::new(now.millis()),
            under_way,
            is_held: AtomicBool::new(false),
        }
    }

    /// Lays the owners of these slots to rest where they have nothing under way, and tells which slots have none left:
    /// they may be handed over.
    pub fn lay_to_rest(&self, slots: &[Slot]) -> Vec<Slot> {
        let mut kept = Vec::new();
        self.live.retain(|conversation, live| {
            let slot = Slot::of_conversation(*conversation);
            let stays = slots.contains(&slot) && !live.is_idle();
            if stays {
                kept.push(slot);
            }
            stays || !slots.contains(&slot)
        });
        slots.iter().copied().filter(|slot| !kept.contains(slot)).collect()
    }

    /// Names the slot of each live actor.
    pub fn each_slot(&self, mut name: impl FnMut(Slot)) {
        self.live.iter().for_each(|live| name(Slot::of_conversation(*live.key())));
    }

    /// Whether there is a thread that conversations can live on.
    pub fn has_home(&self) -> bool {
        !self.homes.read().is_empty()
    }

    /// Somebody else has written in the conversation, up to `head` where that is known, or may have: an owner who is awake
    /// and does not know of it reads it again.
    pub fn reread(&self, conversation: ConversationId, head: Option<Seq>) {
        if let Some(live) = self.live.get(&conversation)
            && live.mailbox.tell(Overtaken(head)).is_err()
        {
            tracing::debug!(?conversation, "an owner has too much under way to hear of a guest");
        }
    }

    /// As `reread`, for all.
    pub fn reread_all(&self) {
        for live in &self.live {
            if live.mailbox.tell(Overtaken(None)).is_err() {
                tracing::debug!(conversation = ?live.key(), "an owner has too much under way to read again");
            }
        }
    }

    /// Forgets the owners of slots that are another node's by now: what they still write meets a fence.
    pub fn forget(&self, slots: &[Slot]) {
        self.live.retain(|conversation, _| !slots.contains(&Slot::of_conversation(*conversation)));
    }

    /// The caller's own thread where it is a home (a message to a sleeping thread costs far more than one to the same
    /// thread), else the next home in turn; `None` before the first home exists.
    fn home(&self) -> Option<ArbiterHandle> {
        if AT_HOME.with(Cell::get) {
            return actix::Arbiter::try_current();
        }
        let homes = self.homes.read();
        let turn = self.next_home.fetch_add(1, Ordering::Relaxed);
        homes.get(turn.checked_rem(homes.len())?).cloned()
    }

    /// Lays actors to rest that nobody has spoken to since `idle_since` and that have nothing under way.
    pub fn passivate_idle_since(&self, idle_since: Timestamp) {
        let before = self.live.len();
        let used_since =
            |live: &Live, since: Timestamp| live.last_used_ms.load(Ordering::Relaxed) >= since.millis();
        self.live.retain(|_, live| used_since(live, idle_since) || !live.is_idle());
        let now = self.surroundings.clock.now();
        let guests_since = Timestamp::from_millis(now.millis().saturating_sub(GUEST_STAYS_MS));
        self.guests.retain(|_, live| used_since(live, guests_since) || !live.is_idle());
        let gone = before.saturating_sub(self.live.len());
        self.meters.passivated.fetch_add(u64::try_from(gone).unwrap_or(0), Ordering::Relaxed);
    }

    /// An actor died of a panic (called while it unwinds).
    pub fn note_panic(&self, conversation: ConversationId, now: Timestamp) {
        self.meters.panicked.fetch_add(1, Ordering::Relaxed);
        let mut entry = self.panics.entry(conversation).or_insert((0, now));
        if now.since_millis(entry.1) > self.surroundings.respawn_window_ms {
            *entry = (0, now);
        }
        entry.0 += 1;
        tracing::error!(
            ?conversation,
            panics = entry.0,
            "a conversation's actor panicked; it is rebuilt from the journal"
        );
    }

    fn is_quarantined(&self, conversation: ConversationId, now: Timestamp) -> bool {
        let (budget, window_ms) = (self.surroundings.respawns, self.surroundings.respawn_window_ms);
        let over = self
            .panics
            .get(&conversation)
            .is_some_and(|entry| entry.0 > budget && now.since_millis(entry.1) <= window_ms);
        if !over {
            self.panics.remove_if(&conversation, |_, entry| now.since_millis(entry.1) > window_ms);
        }
        over
    }
}
