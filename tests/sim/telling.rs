//! What follows from what the owners of the living process say: answers, entries on the wire, hints to routing, readings.

use super::owner::{Effect, Reply, Waits};
use super::world::{CLERKS, Happens, VISITORS, WIRE_MS, World, agent_id, visitor_id};
use rushdesk::conversation::event::{Entry, Event, View};
use rushdesk::conversation::state::State;
use rushdesk::ident::{AgentId, ConversationId};

const READING_PAUSE_MS: u64 = 250;

impl World {
    pub(crate) fn follow(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer { conversation, waits, reply } => self.answer(conversation, waits, reply),
                Effect::Committed { held_by, changed, state, entries } => {
                    self.announce(held_by, &state, &entries);
                    if changed && !self.chance.percent(self.faults.lost_hint) {
                        let requeued = entries.iter().rev().find_map(|entry| match &entry.event {
                            Event::Requeued { reason, .. } => Some(*reason),
                            _ => None,
                        });
                        let epoch = self.epoch;
                        self.after(1, Happens::Told { epoch, state, requeued });
                    }
                }
                Effect::ReadUntold { place, after, state } => {
                    self.after(2, Happens::ReadUntold { epoch: self.epoch, place, after, state });
                }
                Effect::Pause(place) => {
                    self.after(READING_PAUSE_MS, Happens::ReadAgain { epoch: self.epoch, place });
                }
            }
        }
        self.obey();
        let Some(process) = self.process.as_mut() else { return };
        let submitted = process.owner.in_flight.len().saturating_sub(process.scheduled);
        process.scheduled += submitted;
        for _ in 0..submitted {
            let pause = if self.chance.percent(10) { self.chance.between(10, 300) } else { 2 };
            self.after(pause, Happens::Journal(self.epoch));
        }
    }

    fn answer(&mut self, conversation: ConversationId, waits: Waits, reply: Reply) {
        match waits {
            Waits::Nobody | Waits::Node { .. } => {}
            Waits::Client { client, line, id } => {
                self.after(WIRE_MS, Happens::Answered { client, line, id, conversation, reply });
            }
            Waits::Supervisor { matched, offer } => {
                let now = self.now();
                if let Some(process) = self.process.as_mut() {
                    process.supervisor.settled(&matched, offer.is_some(), &reply, now);
                }
            }
        }
    }

    /// Entries go to the visitor and to the agents who hold or held it, or are offered it.
    fn announce(&mut self, held_by: Option<AgentId>, state: &State, entries: &[Entry]) {
        let now_held = state.seat_hold().map(|hold| hold.agent);
        for client in 0..VISITORS + CLERKS {
            let concerned = match self.clients[client].view {
                View::Visitor => state.visitor.as_ref() == Some(&visitor_id(client)),
                View::Desk => [held_by, now_held].contains(&Some(agent_id(client - VISITORS))),
            };
            let line = self.clients[client].line;
            if !concerned || line == 0 {
                continue;
            }
            if self.chance.percent(self.faults.slow_reader) {
                self.disconnect(client);
                continue;
            }
            let view = self.clients[client].view;
            for entry in entries.iter().filter(|entry| entry.event.visible_to(view)) {
                let (conversation, entry) = (state.id, Box::new(entry.clone()));
                self.after(WIRE_MS, Happens::Pushed { client, line, conversation, entry });
            }
        }
    }
}
