//! How the owner learns where its conversation stands: at its start, and again when it has lost sight of the journal.
//!
//! A write whose outcome is unknown may have been committed: then its entries stand in the log and nobody has been told
//! (FO-2). So the memory is thrown away, the log is read from where everybody was told last, and what it holds beyond
//! that is told before anything else is decided. Who asked hears `unavailable` and repeats with the same id. The
//! store is asked again for as long as it fails; commands wait for one such reading and not for the next.

use super::{Change, Owner, Pending, Rim, Tried, unavailable};
use crate::clock::Timestamp;
use crate::conversation::event::Entry;
use crate::conversation::state::State;
use crate::fanout::announce::Standing;
use crate::ident::Seq;
use crate::journal::Op;

impl<C> Owner<C> {
    /// Reads the conversation unless it is fresh.
    pub fn start(&mut self, rim: &mut impl Rim<Caller = C>) {
        if self.committed.is_none() {
            self.claim(rim);
        }
    }

    /// The pause after a failed reading is over.
    pub fn read_again(&mut self, rim: &mut impl Rim<Caller = C>) {
        if self.committed.is_none() && self.last_told.is_some() {
            self.claim(rim);
        }
    }

    /// Somebody else has written up to `head`, or may have: what is remembered is read again, unless it is known. Writes
    /// under way find out by their guard.
    pub fn overtaken(&mut self, head: Option<Seq>, rim: &mut impl Rim<Caller = C>) {
        let is_known =
            head.is_some_and(|head| self.committed.as_ref().is_some_and(|state| state.head >= head));
        if self.pending.is_empty() && !is_known {
            self.lose_sight("somebody else may have written in it", rim);
        }
    }

    /// The entries that nobody may have been told of, or `None` where they could not be read; `state` as it was claimed.
    pub fn untold_read(
        &mut self,
        state: Box<State>,
        entries: Option<Vec<Entry>>,
        now: Timestamp,
        rim: &mut impl Rim<Caller = C>,
    ) {
        let Some(mut entries) = entries else {
            return self.read_failed("the entries after the last known could not be read", rim);
        };
        let Some(told) = self.last_told.take() else { return };
        entries.retain(|entry| entry.seq <= state.head);
        let held_by = told.seat_hold().map(|hold| hold.agent);
        let (before, entries) = (&Standing::of(&told), &entries);
        rim.tell(&Change { before, held_by, state: &state, entries }, None);
        self.committed = Some(*state);
        // This owner's last write may have set it without the entries of others that stood before.
        self.set_wake_up(now, rim);
        self.resume(now, rim);
    }

    fn claim(&mut self, rim: &mut impl Rim<Caller = C>) {
        if !rim.submit(Op::Claim { conversation: self.id, epoch: self.epoch }) {
            self.read_failed("the store's queue is full", rim);
        }
    }

    pub(super) fn claimed(&mut self, state: Option<Box<State>>, rim: &mut impl Rim<Caller = C>) {
        let state = state.unwrap_or_else(|| Box::new(State::new(self.id)));
        match &self.last_told {
            Some(told) if state.head > told.head => {
                let after = told.head;
                if !rim.read_untold(after, state) {
                    self.read_failed("the store's readers are busy", rim);
                }
            }
            Some(_) | None => {
                self.last_told = None;
                self.committed = Some(*state);
            }
        }
    }

    /// Throws the memory away and reads it again. The journal's answers to the writes under way come before the
    /// claim's and are not needed any more; what is to be decided again waits for the reading.
    pub(super) fn lose_sight(&mut self, reason: &str, rim: &mut impl Rim<Caller = C>) {
        let Some(state) = self.committed.take() else { return };
        rim.sight_lost(reason);
        self.forget_pending(rim);
        self.last_told = Some(Box::new(state));
        self.claim(rim);
    }

    /// A reading has failed. At the start nobody has been told anything: the next message makes another owner.
    pub(super) fn read_failed(&mut self, reason: &str, rim: &mut impl Rim<Caller = C>) {
        if self.last_told.is_none() {
            return self.end(reason, rim);
        }
        rim.pause(reason);
        self.turn_away(rim);
    }

    /// Nothing is decided any more: whoever waits repeats with the same id, to the next owner.
    pub(super) fn end(&mut self, reason: &str, rim: &mut impl Rim<Caller = C>) {
        self.committed = None;
        self.last_told = None;
        self.forget_pending(rim);
        self.turn_away(rim);
        rim.give_up(reason);
    }

    fn forget_pending(&mut self, rim: &mut impl Rim<Caller = C>) {
        self.ahead = None;
        self.unsettled = false;
        for Pending { tried, .. } in std::mem::take(&mut self.pending) {
            self.refuse(tried, unavailable(), rim);
        }
    }

    fn turn_away(&mut self, rim: &mut impl Rim<Caller = C>) {
        let waiting: Vec<Tried<C>> = self.again.drain(..).chain(self.parked.drain(..)).collect();
        for tried in waiting {
            self.refuse(tried, unavailable(), rim);
        }
    }
}
