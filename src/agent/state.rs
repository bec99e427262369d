//! What is known of one agent, and what follows from each thing that happens to them.
//!
//! Pure. An agent gets new work while online, connected and not leaving. Without any connection what they hold stays
//! for the grace and is then given back (protocol 4); `offline` gives it back at once; `after_current` waits until
//! nothing is held. Refuses to count seats: the journal does, and tells when the last one is free.

use crate::clock::Timestamp;
use crate::journal::Presence;

/// One agent as the actor knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentState {
    pub presence: Presence,
    /// Whether any socket of theirs is open, as last looked at.
    pub connected: bool,
    /// When the last connection went; `None` while there is one, and after the grace is over.
    pub lost_at: Option<Timestamp>,
    /// Takes effect when nothing is held any more.
    pub leaving: Option<Presence>,
}

/// What the actor has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Routing hears whether the agent takes new work.
    TellRouting { available: bool },
    /// Everything that is held goes back to its queue.
    GiveBack(Lost),
    /// A presence is to be committed.
    Commit(Presence),
}

/// Why an agent's conversations go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The grace is over.
    Connection,
    /// The agent went offline.
    Offline,
}

impl AgentState {
    /// As read from the store at `now`, without a connection yet.
    pub const fn stored(presence: Presence, now: Timestamp) -> Self {
        Self { presence, connected: false, lost_at: Some(now), leaving: None }
    }

    /// Takes new work.
    pub const fn is_available(&self) -> bool {
        matches!(self.presence, Presence::Online) && self.connected && self.leaving.is_none()
    }

    /// Whether the agent has a connection was looked at. It is looked at rather than counted: a count that misses one
    /// coming or going is wrong for ever.
    pub fn seen(&mut self, connected: bool, now: Timestamp) -> Vec<Consequence> {
        let before = self.is_available();
        if self.connected != connected {
            self.connected = connected;
            self.lost_at = (!connected).then_some(now);
        }
        self.told(before)
    }

    /// The agent (or an administrator, or routing after missed offers) says where they are. `holds` is whether they
    /// have conversations now.
    pub fn wants(&mut self, presence: Presence, after_current: bool, holds: bool) -> Vec<Consequence> {
        let before = self.is_available();
        if after_current && holds && presence != Presence::Online {
            self.leaving = Some(presence);
            return self.told(before);
        }
        self.leaving = None;
        vec![Consequence::Commit(presence)]
    }

    /// A presence has been committed.
    pub fn committed(&mut self, presence: Presence) -> Vec<Consequence> {
        let before = self.is_available();
        self.presence = presence;
        self.leaving = None;
        let mut consequences = self.told(before);
        if presence == Presence::Offline {
            consequences.push(Consequence::GiveBack(Lost::Offline));
        }
        consequences
    }

    /// The last conversation has ended.
    pub fn holds_nothing(&mut self) -> Vec<Consequence> {
        self.leaving.take().map(Consequence::Commit).into_iter().collect()
    }

    /// The store says at `now` that they hold something. It may have come to them when they were gone already (picked by
    /// HTTP, decided before routing had heard): that stays for a grace of its own. Whoever is offline holds nothing.
    pub fn holds(&mut self, now: Timestamp) -> Vec<Consequence> {
        if self.presence == Presence::Offline {
            return vec![Consequence::GiveBack(Lost::Offline)];
        }
        if !self.connected {
            self.lost_at.get_or_insert(now);
        }
        Vec::new()
    }

    /// Whether the reason to give everything back still stands.
    pub const fn is_still(&self, lost: Lost) -> bool {
        match lost {
            Lost::Connection => !self.connected,
            Lost::Offline => matches!(self.presence, Presence::Offline),
        }
    }

    /// When the grace of a lost connection ends.
    pub fn next_deadline(&self, grace_ms: u64) -> Option<Timestamp> {
        self.lost_at.map(|lost_at| lost_at.plus_millis(grace_ms))
    }

    pub fn tick(&mut self, grace_ms: u64, now: Timestamp) -> Vec<Consequence> {
        match self.next_deadline(grace_ms) {
            Some(deadline) if now >= deadline => {
                self.lost_at = None;
                vec![Consequence::GiveBack(Lost::Connection)]
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn told(&self, before: bool) -> Vec<Consequence> {
        let available = self.is_available();
        if available == before { Vec::new() } else { vec![Consequence::TellRouting { available }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_000);

    fn online() -> AgentState {
        let mut agent = AgentState::stored(Presence::Online, T0);
        agent.seen(true, T0);
        agent
    }

    #[test]
    fn connecting_never_changes_presence_and_makes_an_online_agent_available() {
        let mut agent = AgentState::stored(Presence::Online, T0);
        assert_eq!(agent.seen(true, T0), vec![Consequence::TellRouting { available: true }]);
        let mut away = AgentState::stored(Presence::Away, T0);
        assert_eq!(away.seen(true, T0), vec![]);
        assert_eq!(away.presence, Presence::Away);
    }

    #[test]
    fn the_last_connection_lost_stops_new_work_at_once_and_gives_back_after_the_grace() {
        let mut agent = online();
        assert_eq!(agent.seen(true, T0), vec![]);
        assert_eq!(agent.seen(false, T0), vec![Consequence::TellRouting { available: false }]);
        assert_eq!(agent.seen(false, T0.plus_millis(9)), vec![], "the grace runs from the first look");
        assert_eq!(agent.tick(45_000, T0.plus_millis(44_999)), vec![]);
        assert_eq!(agent.tick(45_000, T0.plus_millis(45_000)), vec![Consequence::GiveBack(Lost::Connection)]);
        assert_eq!(agent.tick(45_000, T0.plus_millis(99_000)), vec![]);
    }

    #[test]
    fn coming_back_within_the_grace_keeps_everything() {
        let mut agent = online();
        agent.seen(false, T0);
        assert_eq!(agent.seen(true, T0), vec![Consequence::TellRouting { available: true }]);
        assert_eq!(agent.tick(45_000, T0.plus_millis(60_000)), vec![]);
    }

    #[test]
    fn offline_gives_back_at_once_and_away_keeps() {
        let mut agent = online();
        assert_eq!(agent.wants(Presence::Offline, false, true), vec![Consequence::Commit(Presence::Offline)]);
        assert_eq!(
            agent.committed(Presence::Offline),
            vec![Consequence::TellRouting { available: false }, Consequence::GiveBack(Lost::Offline)]
        );
        let mut agent = online();
        assert_eq!(agent.committed(Presence::Away), vec![Consequence::TellRouting { available: false }]);
    }

    #[test]
    fn what_is_found_with_a_lost_agent_gets_a_grace_and_with_an_offline_one_none() {
        let mut lost = online();
        lost.seen(false, T0);
        lost.tick(45_000, T0.plus_millis(45_000));
        let found = T0.plus_millis(60_000);
        assert_eq!(lost.holds(found), vec![]);
        assert_eq!(lost.holds(found.plus_millis(5)), vec![]);
        assert_eq!(lost.next_deadline(45_000), Some(found.plus_millis(45_000)));
        let mut offline = AgentState { presence: Presence::Offline, ..online() };
        assert_eq!(offline.holds(found), vec![Consequence::GiveBack(Lost::Offline)]);
        let mut present = online();
        assert_eq!((present.holds(found), present.next_deadline(45_000)), (vec![], None));
    }

    #[test]
    fn after_current_takes_effect_when_nothing_is_held() {
        let mut agent = online();
        assert_eq!(
            agent.wants(Presence::Away, true, true),
            vec![Consequence::TellRouting { available: false }]
        );
        assert_eq!(agent.presence, Presence::Online);
        assert_eq!(agent.holds_nothing(), vec![Consequence::Commit(Presence::Away)]);
        let mut idle = online();
        assert_eq!(idle.wants(Presence::Away, true, false), vec![Consequence::Commit(Presence::Away)]);
    }
}
