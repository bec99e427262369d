//! The floor: everybody in two plain lists, every question a scan. Decides what the engine decides.
//!
//! `Scan` is the algorithm; what a row looks like is said twice: `bare.rs` and `rows.rs`.

use crate::world::{Load, key_of, skill_wanted};
use rushdesk::ident::ConversationId;
use std::collections::{HashMap, VecDeque};

/// Where a conversation stands: virtual start and enqueueing in milliseconds, then the id. Smaller is first.
pub(crate) type Key = (i64, u64, ConversationId);

/// An agent as a scan sees them.
pub(crate) trait Hand: Clone {
    /// A waiting conversation, beside its key.
    type Waiter: Clone;
    /// Whether the agent is there and is what the conversation needs. Seats are not asked.
    fn can_serve(&self, waiter: &Self::Waiter) -> bool;
    fn free_seats(&self) -> u32;
    fn idle_since_ms(&self) -> u64;
    fn take(&mut self, id: ConversationId, now_ms: u64);
    fn give_back(&mut self, id: ConversationId, now_ms: u64);
}

/// The desk as two lists.
#[derive(Debug, Clone)]
pub(crate) struct Scan<H: Hand> {
    pub(crate) waiting: Vec<(Key, H::Waiter)>,
    /// In the order of the agents' ids.
    pub(crate) hands: Vec<H>,
    /// Who holds what, oldest first.
    held: VecDeque<(usize, ConversationId)>,
    /// What a conversation asks, by skill.
    kinds: Vec<H::Waiter>,
    /// The number of the latest arrival.
    number: u64,
}

impl<H: Hand> Scan<H> {
    pub(crate) const fn new(hands: Vec<H>, kinds: Vec<H::Waiter>) -> Self {
        Self { waiting: Vec::new(), hands, held: VecDeque::new(), kinds, number: 0 }
    }

    /// The next arrival, which needs that skill.
    fn arrival(&mut self, skill: usize) -> (Key, H::Waiter) {
        self.number += 1;
        (key_of(self.number, skill), self.kinds[skill].clone())
    }

    /// The next arrivals, as `World::arrivals` makes them.
    pub(crate) fn arrivals(&mut self, load: Load, count: u64) -> Vec<(Key, H::Waiter)> {
        let skill = |nth: u64, scan: &Self| {
            let next_freed = scan.held[nth as usize % scan.held.len()].0;
            skill_wanted(load, next_freed, scan.number + 1)
        };
        (0..count).map(|nth| self.arrival(skill(nth, self))).collect()
    }

    /// A conversation that nobody gets yet.
    pub(crate) fn queue_up(&mut self, skill: usize) {
        let arrival = self.arrival(skill);
        self.waiting.push(arrival);
    }

    /// From now on that hand holds it.
    pub(crate) fn hold(&mut self, number: usize, id: ConversationId, now_ms: u64) {
        if let Some(hand) = self.hands.get_mut(number) {
            hand.take(id, now_ms);
            self.held.push_back((number, id));
        }
    }

    /// The longest idle of those who can serve it and have a seat gets it. How many they are is not found out, so
    /// that most are passed over by their idle time.
    pub(crate) fn assign(&mut self, (key, waiter): &(Key, H::Waiter)) -> Option<usize> {
        let mut best: Option<(u64, usize)> = None;
        for (number, hand) in self.hands.iter().enumerate() {
            let idle = hand.idle_since_ms();
            if best.is_none_or(|(least, _)| idle < least) && hand.free_seats() > 0 && hand.can_serve(waiter) {
                best = Some((idle, number));
            }
        }
        let (_, best) = best?;
        self.hold(best, key.2, key.1);
        Some(best)
    }

    /// The same with the reason that the engine gives: among how many.
    pub(crate) fn assign_among(&mut self, (key, waiter): &(Key, H::Waiter)) -> Option<(usize, u32)> {
        let (mut best, mut among): (Option<(u64, usize)>, u32) = (None, 0);
        for (number, hand) in self.hands.iter().enumerate() {
            if hand.free_seats() > 0 && hand.can_serve(waiter) {
                among += 1;
                let idle = hand.idle_since_ms();
                if best.is_none_or(|(least, _)| idle < least) {
                    best = Some((idle, number));
                }
            }
        }
        let (_, best) = best?;
        self.hold(best, key.2, key.1);
        Some((best, among))
    }

    /// The one held longest ends; says whose seat is free.
    pub(crate) fn free_oldest(&mut self) -> Option<usize> {
        let now_ms = key_of(self.number, 0).1;
        let (number, id) = self.held.pop_front()?;
        self.hands.get_mut(number)?.give_back(id, now_ms);
        Some(number)
    }

    /// The one held longest ends, and the first in order whom that agent can serve takes the seat.
    pub(crate) fn free_and_assign(&mut self) -> Option<(usize, ConversationId)> {
        let number = self.free_oldest()?;
        let hand = self.hands.get(number)?;
        let mut first: Option<(usize, &Key)> = None;
        for (place, (key, waiter)) in self.waiting.iter().enumerate() {
            if first.is_none_or(|(_, other)| key < other) && hand.can_serve(waiter) {
                first = Some((place, key));
            }
        }
        let (best, _) = first?;
        let (key, _) = self.waiting.swap_remove(best);
        self.hold(number, key.2, key_of(self.number, 0).1);
        Some((number, key.2))
    }
}

/// Ranks by counting.
#[derive(Debug)]
pub(crate) struct Ranks {
    keys: Vec<Key>,
    place_of: HashMap<ConversationId, usize>,
}

impl Ranks {
    pub(crate) fn new(keys: Vec<Key>) -> Self {
        let place_of = keys.iter().enumerate().map(|(place, key)| (key.2, place)).collect();
        Self { keys, place_of }
    }

    pub(crate) fn rank(&self, id: &ConversationId) -> usize {
        let mine = self.place_of.get(id).and_then(|place| self.keys.get(*place));
        self.keys.iter().filter(|key| Some(*key) < mine).count() + 1
    }
}
