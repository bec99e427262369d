//! Who is next of many: an order whose members leave without being searched for.
//!
//! The free agents of a signature and the conversations that wait under it both stand in such a line. A row's stamp
//! is renewed where it leaves or moves, which outdates its entries wherever they stand; they are dropped when they
//! come to the front, or swept when they outnumber the others. Since time only grows, new entries mostly belong at
//! the end: neither coming nor leaving costs a search or touches a cold node. Refuses to know what the order means.

use super::slab::Slot;
use std::collections::{BTreeSet, VecDeque};
use std::marker::PhantomData;

/// Outdated entries that are tolerated beside as many as there are members.
const TOLERATED: usize = 64;
/// How far from the end an entry may belong and is still put in line: more than change in one millisecond.
const REACH: usize = 32;

/// An entry of a line: a row, and where it stands. Smaller is sooner.
pub(super) trait Entry: Ord + Copy {
    type Row;
    fn slot(&self) -> Slot<Self::Row>;
    /// The row's stamp when the entry was made.
    fn stamp(&self) -> u32;
}

/// The stamp that each row's entries must carry. It outlives the row, whoever gets the slot next.
#[derive(Debug)]
pub(super) struct Stamps<T> {
    by_slot: Vec<u32>,
    row: PhantomData<fn() -> T>,
}

impl<T> Default for Stamps<T> {
    fn default() -> Self {
        Self { by_slot: Vec::new(), row: PhantomData }
    }
}

impl<T> Stamps<T> {
    pub(super) fn of(&self, slot: Slot<T>) -> u32 {
        self.by_slot.get(slot.index() as usize).copied().unwrap_or(0)
    }

    /// Outdates every entry of the row; new ones carry the stamp that is returned. Each line that it stood in wants
    /// to be told (`Line::outdated`).
    pub(super) fn renew(&mut self, slot: Slot<T>) -> u32 {
        let at = slot.index() as usize;
        if at >= self.by_slot.len() {
            self.by_slot.resize(at + 1, 0);
        }
        self.by_slot.get_mut(at).map_or(0, |stamp| {
            *stamp = stamp.wrapping_add(1);
            *stamp
        })
    }

    fn hold<E: Entry<Row = T>>(&self, entry: &E) -> bool {
        self.of(entry.slot()) == entry.stamp()
    }
}

/// Members in order.
#[derive(Debug)]
pub(super) struct Line<E> {
    /// In order; grows at its end.
    line: VecDeque<E>,
    /// Entries that did not belong near the end when they came.
    aside: BTreeSet<E>,
    /// Entries that are not outdated.
    members: usize,
}

impl<E: Entry> Default for Line<E> {
    fn default() -> Self {
        Self { line: VecDeque::new(), aside: BTreeSet::new(), members: 0 }
    }
}

impl<E: Entry> Line<E> {
    pub(super) const fn len(&self) -> usize {
        self.members
    }

    /// Adds a row that does not stand here under its present stamp.
    pub(super) fn add(&mut self, entry: E, stamps: &Stamps<E::Row>) {
        self.members += 1;
        if self.line.back().is_none_or(|last| *last < entry) {
            self.line.push_back(entry);
        } else {
            self.add_before_the_end(entry);
        }
        if self.line.len() + self.aside.len() > 2 * self.members + TOLERATED {
            self.line.retain(|entry| stamps.hold(entry));
            self.aside.retain(|entry| stamps.hold(entry));
        }
    }

    #[cold]
    fn add_before_the_end(&mut self, entry: E) {
        let later = self.line.iter().rev().take(REACH).take_while(|other| **other > entry).count();
        if later < REACH {
            self.line.insert(self.line.len() - later, entry);
        } else {
            self.aside.insert(entry);
        }
    }

    /// The stamp of one who stood here was renewed.
    pub(super) const fn outdated(&mut self) {
        self.members -= 1;
    }

    /// Drops what is outdated at the front, as `first` wants it.
    pub(super) fn clear_front(&mut self, stamps: &Stamps<E::Row>) {
        while self.line.front().is_some_and(|entry| !stamps.hold(entry)) {
            self.line.pop_front();
        }
        while self.aside.first().is_some_and(|entry| !stamps.hold(entry)) {
            self.aside.pop_first();
        }
    }

    /// The first, once the front is clear.
    pub(super) fn first(&self) -> Option<&E> {
        match (self.line.front(), self.aside.first()) {
            (Some(in_line), Some(aside)) => Some(in_line.min(aside)),
            (in_line, aside) => in_line.or(aside),
        }
    }

    /// The first whom `suits` takes.
    pub(super) fn find(&self, stamps: &Stamps<E::Row>, suits: impl Fn(Slot<E::Row>) -> bool) -> Option<&E> {
        let fits = |entry: &&E| stamps.hold(*entry) && suits(entry.slot());
        let (in_line, aside) = (self.line.iter().find(fits), self.aside.iter().find(fits));
        in_line.into_iter().chain(aside).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::slab::Slab;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct At(u64, Slot<()>, u32);

    impl Entry for At {
        type Row = ();
        fn slot(&self) -> Slot<()> {
            self.1
        }
        fn stamp(&self) -> u32 {
            self.2
        }
    }

    proptest! {
        /// Rows come, move and go, mostly later than the others; the reference is a sorted map of where each stands.
        #[test]
        fn it_agrees_with_a_sorted_set(changes in prop::collection::vec((0usize..40, 0u64..4, 0u64..90), 1..600)) {
            let (mut rows, mut stamps, mut line) = (Slab::default(), Stamps::default(), Line::<At>::default());
            let slots: Vec<_> = (0..40).map(|_| rows.insert(())).collect();
            let mut reference: BTreeMap<usize, u64> = BTreeMap::new();
            for (nth, (row, kind, back)) in (0u64..).zip(changes) {
                let stamp = stamps.renew(slots[row]);
                if reference.remove(&row).is_some() {
                    line.outdated();
                }
                let place = (nth + 100).saturating_sub(if kind == 1 { back } else { 0 });
                if kind > 0 {
                    line.add(At(place, slots[row], stamp), &stamps);
                    prop_assert!(line.line.len() + line.aside.len() <= 2 * line.members + TOLERATED);
                    reference.insert(row, place);
                }
                line.clear_front(&stamps);
                let sorted: BTreeSet<_> = reference.iter().map(|(row, place)| (*place, slots[*row])).collect();
                let found = |entry: Option<&At>| entry.map(|entry| (entry.0, entry.1));
                prop_assert_eq!(line.len(), sorted.len());
                prop_assert_eq!(found(line.first()), sorted.first().copied());
                let odd = |slot: Slot<()>| slot.index() % 2 == 1;
                let first_odd = sorted.iter().find(|(_, slot)| odd(*slot)).copied();
                prop_assert_eq!(found(line.find(&stamps, odd)), first_odd);
            }
        }
    }
}
