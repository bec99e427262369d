//! The floor: everybody in two plain lists, every question a scan. Decides what the engine decides.

use crate::world::{any_skill, skill_of, waiter};
use rushdesk::ident::ConversationId;
use std::collections::{HashMap, VecDeque};

/// A waiting conversation.
#[derive(Debug, Clone)]
pub(crate) struct Waiter {
    pub(crate) start_ms: i64,
    pub(crate) enqueued_ms: u64,
    pub(crate) id: ConversationId,
    pub(crate) skill: usize,
}

/// An agent; a level of 0 means that the skill is absent.
#[derive(Debug, Clone)]
pub(crate) struct Hand {
    pub(crate) levels: Vec<u8>,
    pub(crate) free: u32,
    pub(crate) idle_since_ms: u64,
}

/// The desk as two lists.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) waiting: Vec<Waiter>,
    /// In the order of the agents' ids.
    pub(crate) hands: Vec<Hand>,
    /// Who holds what, oldest first.
    pub(crate) held: VecDeque<usize>,
    pub(crate) place_of: HashMap<ConversationId, usize>,
    pub(crate) number: u64,
}

impl Scan {
    fn key(waiter: &Waiter) -> (i64, u64, ConversationId) {
        (waiter.start_ms, waiter.enqueued_ms, waiter.id)
    }

    /// An arrival that the agent who frees a seat next can serve.
    pub(crate) fn arrive_and_queue(&mut self) {
        self.number += 1;
        let hand = self.held.front().and_then(|hand| self.hands.get(*hand));
        let skill = hand.map_or(0, |hand| skill_of(&hand.levels, self.number));
        self.waiting.push(waiter(self.number, skill));
    }

    /// The longest idle of those who have the skill and a seat.
    pub(crate) fn arrive_and_assign(&mut self) -> Option<usize> {
        self.number += 1;
        let waiter = waiter(self.number, any_skill(self.number));
        let able =
            |hand: &Hand| hand.free > 0 && hand.levels.get(waiter.skill).is_some_and(|level| *level > 0);
        let hands = self.hands.iter().enumerate().filter(|(_, hand)| able(hand));
        let (best, _) = hands.min_by_key(|(number, hand)| (hand.idle_since_ms, *number))?;
        let hand = self.hands.get_mut(best)?;
        hand.free -= 1;
        hand.idle_since_ms = waiter.enqueued_ms;
        self.held.push_back(best);
        Some(best)
    }

    pub(crate) fn free_oldest(&mut self) -> Option<usize> {
        let number = self.held.pop_front()?;
        let now_ms = waiter(self.number, 0).enqueued_ms;
        let hand = self.hands.get_mut(number)?;
        hand.free += 1;
        hand.idle_since_ms = now_ms;
        Some(number)
    }

    /// The first in order whom the agent with the freed seat can serve.
    pub(crate) fn free_and_assign(&mut self) -> Option<(usize, ConversationId)> {
        let number = self.held.pop_front()?;
        let hand = self.hands.get(number)?;
        let mut first: Option<(usize, &Waiter)> = None;
        for (place, waiter) in self.waiting.iter().enumerate() {
            let able = hand.levels.get(waiter.skill).is_some_and(|level| *level > 0);
            let earlier = |other: &Waiter| {
                waiter.start_ms < other.start_ms
                    || waiter.start_ms == other.start_ms && Self::key(waiter) < Self::key(other)
            };
            if able && first.is_none_or(|(_, other)| earlier(other)) {
                first = Some((place, waiter));
            }
        }
        let (best, _) = first?;
        let waiter = self.waiting.swap_remove(best);
        self.held.push_back(number);
        Some((number, waiter.id))
    }

    pub(crate) fn rank(&self, id: &ConversationId) -> usize {
        let mine = self.place_of.get(id).and_then(|place| self.waiting.get(*place)).map(Self::key);
        self.waiting.iter().filter(|waiter| Some(Self::key(waiter)) < mine).count() + 1
    }
}
