//! Whom a word for routing is for, where there are several domains: the supervisor of the conversation's, agent's or wish's
//! domain, or those of all of them.
//!
//! A domain is taken from the configuration in force here, which may be a second older than another node's: whoever hears
//! what is not theirs passes it over, and the sweep of the right one finds the conversation. Refuses to wait.

use super::message::{AskPlace, AskQueues, Changed, Heard, Place, Queues, QueuesAnswer, VisitorConnection};
use super::registry::SupervisorRegistry;
use crate::conversation::command::Landing;
use crate::conversation::event::{Entry, Event, RequeueReason};
use crate::conversation::state::State;
use crate::desk::directory::Directory;
use crate::ident::{AgentId, DomainId};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How far a word goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Everywhere,
    /// To supervisors of this node; the other nodes hear it in another way.
    Here,
}

impl SupervisorRegistry {
    /// Tells or asks whomever it concerns, wherever they are.
    ///
    /// # Errors
    /// What was to be said, where somebody whom it concerns could not be told (`tell_to`).
    pub fn tell(&self, heard: impl Into<Heard>) -> Result<(), Heard> {
        let (heard, directory) = (heard.into(), self.in_force());
        match heard {
            Heard::AskPlace(asked) => self.ask_place(asked, &directory),
            Heard::AskQueues(asked) => {
                self.ask_queues(asked, &directory);
                Ok(())
            }
            Heard::AskExplanation(asked) => self.tell_to(&asked.domain.clone(), asked.into()),
            Heard::Changed(changed) => {
                self.tell_to(directory.domain_of_state(&changed.state), changed.into())
            }
            Heard::Availability(word) => self.tell_to(directory.domain_of_agent(word.agent), word.into()),
            Heard::VisitorConnection(word) => {
                self.tell_of_connection(Reach::Everywhere, word.clone()).then_some(()).ok_or(word.into())
            }
        }
    }

    /// A visitor came or went, who may wait in any domain; false where a supervisor could not be told.
    pub fn tell_of_connection(&self, reach: Reach, word: VisitorConnection) -> bool {
        let directory = self.in_force();
        let concerned = directory.domains.iter().filter(|domain| self.is_in(reach, domain));
        concerned.filter(|domain| self.tell_to(domain, word.clone().into()).is_err()).count() == 0
    }

    /// A conversation has come by `entries` to where it stands, from an agent or a queue; false where a supervisor could
    /// not be told.
    pub fn tell_of_change(
        &self,
        reach: Reach,
        held_before: Option<AgentId>,
        state: &State,
        entries: &[Entry],
    ) -> bool {
        let requeued = entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Requeued { reason, .. } => Some(*reason),
            _ => None,
        });
        let directory = self.in_force();
        let concerned = concerned(&directory, held_before, state, entries);
        let concerned = concerned.into_iter().filter(|domain| self.is_in(reach, domain));
        let tell = |domain: &DomainId| {
            self.tell_to(domain, Changed { state: Box::new(state.clone()), requeued }.into())
        };
        concerned.filter(|domain| tell(domain).is_err()).count() == 0
    }

    fn is_in(&self, reach: Reach, domain: &DomainId) -> bool {
        reach == Reach::Everywhere || self.is_ours(domain)
    }

    /// Asks the domain that the configuration alone would lead to: it knows how long the queues there are. Where it sends
    /// the arrival on to another domain's group, that group's own limits are not asked.
    fn ask_place(&self, asked: AskPlace, directory: &Directory) -> Result<(), Heard> {
        let domain = self.domain_of_wish(&asked.wish, directory).clone();
        self.tell_to(&domain, asked.into())
    }

    fn domain_of_wish<'a>(&self, wish: &Place, directory: &'a Directory) -> &'a DomainId {
        if directory.domains.len() == 1 {
            return directory.domain_of_group(None);
        }
        match self.place_without(wish) {
            Ok(Landing::Queue(group) | Landing::CallBack(group)) => directory.domain_of_group(Some(&group)),
            Err(_) => directory.domain_of_group(wish.group.as_ref()),
        }
    }

    fn ask_queues(&self, asked: AskQueues, directory: &Directory) {
        let AskQueues { items_per_group, answer } = asked;
        let gathering = Arc::new(Gathering(Mutex::new((Vec::new(), Some(answer)))));
        for domain in &directory.domains {
            let gathering = gathering.clone();
            let answer: QueuesAnswer = Box::new(move |queues| gathering.0.lock().0.push(queues));
            if self.tell_to(domain, AskQueues { items_per_group, answer }.into()).is_err() {
                tracing::debug!(%domain, "a supervisor could not be asked for its queues");
            }
        }
    }
}

/// Answers of several supervisors to one question. The asker is answered when the last of them has answered or can do so
/// no more, with what came; where nothing came the question is dropped.
struct Gathering(Mutex<(Vec<Queues>, Option<QueuesAnswer>)>);

impl Drop for Gathering {
    fn drop(&mut self) {
        let (came, answer) = self.0.get_mut();
        let came = std::mem::take(came);
        if let Some(answer) = answer.take().filter(|_| !came.is_empty()) {
            let mut queues: Queues = came.into_iter().flatten().collect();
            queues.sort_by(|a, b| a.load.group.cmp(&b.load.group));
            answer(queues);
        }
    }
}

/// The domains whose supervisors knew the conversation before `entries` or should know it after them. Which queue it left
/// is not written in the log, so then all of them are told: transfers are rare.
fn concerned<'a>(
    directory: &'a Directory,
    held_before: Option<AgentId>,
    state: &State,
    entries: &[Entry],
) -> BTreeSet<&'a DomainId> {
    let has_left_a_queue = |entry: &Entry| {
        matches!(
            entry.event,
            Event::Transferred { .. } | Event::Requeued { reason: RequeueReason::Overflow, .. }
        )
    };
    if directory.domains.len() > 1 && entries.iter().any(has_left_a_queue) {
        return directory.domains.iter().collect();
    }
    let of_agents =
        state.assignee.into_iter().chain(held_before).map(|agent| directory.domain_of_agent(agent));
    of_agents.chain([directory.domain_of_group(state.group.as_ref())]).collect()
}
