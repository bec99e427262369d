//! The desk's counter: everything that a signed-in person may ask, by socket or by HTTP, in one place.
//!
//! `errand` turns a request into commands of conversations and agents, `opening` brings a conversation to its queue,
//! `reading` says who may read what, `rush` what a burst changes. Sockets and HTTP differ only in how they carry the answer back, so both come
//! here and can never differ in what they allow. Refuses to judge a conversation's own rules (that is `decide`'s).

pub mod administration;
pub mod directory;
pub mod errand;
mod importance;
pub mod key;
pub mod opening;
pub mod person;
pub mod reading;
pub mod rush;

use crate::admission::door::Admission;
use crate::agent::registry::AgentRegistry;
use crate::clock::{Clock, Timestamp};
use crate::conversation::registry::Registry;
use crate::fanout::hub::Hub;
use crate::ident::{ConversationId, OfferId, Seq};
use crate::journal::{Answer, Journal, Query};
use crate::refusal::Refusal;
use crate::supervisor::facts::Stickiness;
use crate::supervisor::registry::SupervisorRegistry;
use dashmap::DashMap;
use directory::Directory;
use parking_lot::RwLock;
use rush::Rush;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What was done for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    Ack {
        conversation: Option<ConversationId>,
        seq: Option<Seq>,
        at: Timestamp,
    },
    Opened {
        conversation: ConversationId,
        state: crate::conversation::state::Phase,
        created: bool,
        seq: Option<Seq>,
        at: Timestamp,
    },
}

/// Where the outcome of an errand goes; called exactly once, from any thread.
pub type ErrandAnswer = Box<dyn FnOnce(Result<Served, Refusal>) + Send>;

/// An answer that is given in any case: where whoever was to give it has gone (a panic, a stop), the asker hears
/// `unavailable`, and may repeat under the same id.
pub fn promised(answer: impl FnOnce(Result<Served, Refusal>) + Send + 'static) -> ErrandAnswer {
    let mut promise = Promise(Some(answer));
    Box::new(move |outcome| {
        if let Some(answer) = promise.0.take() {
            answer(outcome);
        }
    })
}

struct Promise<A: FnOnce(Result<Served, Refusal>)>(Option<A>);

impl<A: FnOnce(Result<Served, Refusal>)> Drop for Promise<A> {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(Refusal::unavailable("the desk lost this request on its way; repeat it", 500)));
        }
    }
}

/// Which conversation an open offer is about.
pub type OpenOffers = DashMap<OfferId, ConversationId>;

/// Everything behind the counter.
pub struct Desk {
    pub journal: Arc<dyn Journal>,
    pub hub: Arc<Hub>,
    pub conversations: Arc<Registry>,
    pub agents: Arc<AgentRegistry>,
    pub supervisor: Arc<SupervisorRegistry>,
    /// Routing has not heard of the configuration in force.
    pub routing_untold: AtomicBool,
    pub directory: RwLock<Arc<Directory>>,
    pub offers: Arc<OpenOffers>,
    /// Conversations of one visitor that live at once, where their own client makes up the channels.
    pub most_live: usize,
    /// When a returning visitor goes back to the agent of before.
    pub sticky: Stickiness,
    pub clock: Arc<dyn Clock>,
    /// What is taken in while the store is behind.
    pub admission: Arc<Admission>,
    /// What is promised less of while more shoppers come than people can serve.
    pub rush: Rush,
}

impl Desk {
    /// The configuration as of now; a later change makes a new one and leaves this one as it is.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.read().clone()
    }

    /// Puts a question to the journal's readers; `then` gets `unavailable` where they cannot answer.
    pub fn ask(&self, query: Query, then: impl FnOnce(Result<Answer, Refusal>) + Send + 'static) {
        let shared = Arc::new(parking_lot::Mutex::new(Some(then)));
        let take = shared.clone();
        let answer = Box::new(move |answer| {
            let Some(then) = take.lock().take() else { return };
            then(match answer {
                Answer::Failed { reason } => {
                    tracing::warn!(%reason, "the store could not be read");
                    Err(Refusal::unavailable("the store cannot be read now; repeat it", 500))
                }
                answer => Ok(answer),
            });
        });
        if self.journal.ask(query, answer).is_err()
            && let Some(then) = shared.lock().take()
        {
            then(Err(Refusal::overloaded("the store's readers are busy; repeat it", 300)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_request_that_is_lost_on_its_way_is_answered_all_the_same_and_only_once() {
        let (tell, told) = channel();
        let again = tell.clone();
        drop(promised(move |outcome| tell.send(outcome.is_err()).unwrap()));
        assert_eq!(told.recv(), Ok(true));
        let at = Timestamp::default();
        promised(move |outcome| again.send(outcome.is_err()).unwrap())(Ok(Served::Ack {
            conversation: None,
            seq: None,
            at,
        }));
        assert_eq!((told.recv(), told.try_recv().is_err()), (Ok(false), true));
    }
}
