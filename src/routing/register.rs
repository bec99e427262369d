//! Rows that are found by their id.
//!
//! The table holds slots only and asks the rows themselves whether they are meant: a sixth of the memory of a map
//! with its own copy of the ids, and the row is what the caller touches next anyway. Refuses to be iterated by id;
//! the rows have an order of their own.

use super::slab::{Slab, Slot};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// A row with an id.
pub(super) trait Known {
    type Id;
    fn known_as(&self) -> Self::Id;
    /// The id as a number, which hashes in one go.
    fn number(id: &Self::Id) -> u128;
}

/// Rows and the table of their ids.
#[derive(Debug)]
pub(super) struct Register<T> {
    pub(super) rows: Slab<T>,
    by_id: HashTable<Slot<T>>,
    hashing: DefaultHashBuilder,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self { rows: Slab::default(), by_id: HashTable::new(), hashing: DefaultHashBuilder::default() }
    }
}

impl<T: Known> Register<T> {
    pub(super) fn find(&self, id: &T::Id) -> Option<Slot<T>> {
        let number = T::number(id);
        let is_meant =
            |slot: &Slot<T>| self.rows.get(*slot).is_some_and(|row| T::number(&row.known_as()) == number);
        self.by_id.find(self.hashing.hash_one(number), is_meant).copied()
    }

    pub(super) fn get(&self, slot: Slot<T>) -> Option<&T> {
        self.rows.get(slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot<T>) -> Option<&mut T> {
        self.rows.get_mut(slot)
    }

    /// Adds a row whose id no other row has.
    pub(super) fn insert(&mut self, row: T) -> Slot<T> {
        let Self { rows, by_id, hashing } = self;
        let hash_of = |row: &T| hashing.hash_one(T::number(&row.known_as()));
        let hash = hash_of(&row);
        let slot = rows.insert(row);
        by_id.insert_unique(hash, slot, |slot| rows.get(*slot).map_or(0, hash_of));
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot<T>) -> Option<T> {
        let number = T::number(&self.rows.get(slot)?.known_as());
        if let Ok(entry) = self.by_id.find_entry(self.hashing.hash_one(number), |known| *known == slot) {
            entry.remove();
        }
        self.rows.remove(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Known for u64 {
        type Id = Self;
        fn known_as(&self) -> Self {
            *self
        }
        fn number(id: &Self) -> u128 {
            u128::from(*id)
        }
    }

    #[test]
    fn rows_are_found_while_they_are_there() {
        let mut register = Register::default();
        let slots: Vec<_> = (0..1_000u64).map(|id| register.insert(id)).collect();
        for (id, slot) in (0u64..).zip(&slots).filter(|(id, _)| id % 3 == 0) {
            assert_eq!(register.remove(*slot), Some(id));
        }
        for (id, slot) in (0u64..).zip(&slots) {
            assert_eq!(register.find(&id), (id % 3 != 0).then_some(*slot));
        }
        assert_eq!(register.find(&1_000), None);
    }
}
