//! Rows under small typed numbers: what the routing structures point at each other with.
//!
//! A slot is a number of its own row type, so an agent's number never stands where an item's belongs. Numbers are
//! reused last-freed first, which keeps hot rows hot and makes every run number alike (RT-7). Refuses to detect a
//! slot that outlived its row: whoever keeps one across steps keeps a decision number beside it.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

/// The number of a row of type `T`.
pub(super) struct Slot<T> {
    index: u32,
    row: PhantomData<fn() -> T>,
}

impl<T> Slot<T> {
    const fn at(index: u32) -> Self {
        Self { index, row: PhantomData }
    }

    /// The number itself, for hashing.
    pub(super) const fn index(self) -> u32 {
        self.index
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Slot<T> {}
impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}
impl<T> Eq for Slot<T> {}
impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.index.cmp(&other.index)
    }
}
impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.index)
    }
}

/// Rows of one type.
#[derive(Debug)]
pub(super) struct Slab<T> {
    rows: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, row: T) -> Slot<T> {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.rows.get_mut(index as usize)
        {
            *place = Some(row);
            return Slot::at(index);
        }
        let index = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(Some(row));
        Slot::at(index)
    }

    pub(super) fn get(&self, slot: Slot<T>) -> Option<&T> {
        self.rows.get(slot.index as usize).and_then(Option::as_ref)
    }

    pub(super) fn get_mut(&mut self, slot: Slot<T>) -> Option<&mut T> {
        self.rows.get_mut(slot.index as usize).and_then(Option::as_mut)
    }

    pub(super) fn remove(&mut self, slot: Slot<T>) -> Option<T> {
        let row = self.rows.get_mut(slot.index as usize)?.take();
        if row.is_some() {
            self.free.push(slot.index);
        }
        row
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// All rows in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot<T>, &T)> {
        (0u32..).zip(&self.rows).filter_map(|(index, row)| Some((Slot::at(index), row.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Slot<T>, &mut T)> {
        (0u32..).zip(&mut self.rows).filter_map(|(index, row)| Some((Slot::at(index), row.as_mut()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_number_is_given_to_the_next_row() {
        let mut slab = Slab::default();
        let first = slab.insert("first");
        let second = slab.insert("second");
        assert_eq!(slab.remove(first), Some("first"));
        assert_eq!(slab.get(first), None);
        let third = slab.insert("third");
        assert_eq!(third, first);
        assert_eq!(slab.iter().map(|(_, row)| *row).collect::<Vec<_>>(), ["third", "second"]);
        assert_eq!((slab.len(), slab.get(second)), (2, Some(&"second")));
    }
}
