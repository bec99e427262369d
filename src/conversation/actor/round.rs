//! The round of a thread: what the journal answers to the conversations of one arbiter reaches them together.
//!
//! Answered one by one from the writer's thread, each conversation would run alone: a `LocalSet` runs whatever its own
//! thread woke before what others woke, so a connection that hears of a whole batch would be written to once for each
//! conversation. Here the batch is taken in one go, every conversation of it runs, and then the connections.
//!
//! The order of the answers is kept. Holds one answer at most for each operation of its conversations. Refuses to make anybody
//! wait: whoever puts something in goes on at once.

use super::{ConversationActor, Journaled};
use crate::journal::Done;
use crate::mailbox::Mailbox;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::Notify;

thread_local! {
    static HERE: RefCell<Option<Arc<Round>>> = const { RefCell::new(None) };
}

/// An answer, and whose it is.
type Letter = (Mailbox<ConversationActor>, Done);

/// What one thread's conversations are to hear.
#[derive(Default)]
pub(super) struct Round {
    bag: Mutex<Bag>,
    bell: Notify,
}

#[derive(Default)]
struct Bag {
    letters: Vec<Letter>,
    /// The arbiter has stopped and nobody empties the bag any more.
    is_over: bool,
}

impl Round {
    /// The round of the calling thread, which must run an arbiter; begins with the first question for it.
    pub(super) fn here() -> Arc<Self> {
        HERE.with_borrow_mut(|here| {
            let under_way = here.as_ref().filter(|round| !round.bag.lock().is_over);
            if let Some(round) = under_way {
                return round.clone();
            }
            let round = Arc::new(Self::default());
            actix::spawn(Walk(round.clone()).go());
            here.insert(round).clone()
        })
    }

    /// Leaves an answer for `owner`; called from any thread.
    pub(super) fn leave(&self, owner: Mailbox<ConversationActor>, done: Done) {
        let is_first = {
            let mut bag = self.bag.lock();
            if bag.is_over {
                return;
            }
            bag.letters.push((owner, done));
            bag.letters.len() == 1
        };
        if is_first {
            self.bell.notify_one();
        }
    }
}

/// The task that empties the bag; its end is the arbiter's.
struct Walk(Arc<Round>);

impl Walk {
    async fn go(self) {
        loop {
            self.0.bell.notified().await;
            let letters = std::mem::take(&mut self.0.bag.lock().letters);
            for (owner, done) in letters {
                if owner.answer(Journaled(done)).is_err() {
                    tracing::debug!("a conversation was gone when its write was committed");
                }
            }
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        let mut bag = self.0.bag.lock();
        bag.is_over = true;
        let unheard = std::mem::take(&mut bag.letters);
        drop(bag);
        drop(unheard);
    }
}

#[cfg(test)]
mod tests {
    use crate::conversation::command::{Ask, Command, Who};
    use crate::conversation::content::Content;
    use crate::conversation::delivery::{AnswerTo, Deliver};
    use crate::conversation::registry::Start;
    use crate::conversation::tests::stage::{
        AGENT, Stage, assign, by_agent, on_stage, open, outcome, shown, the_visitor,
    };
    use crate::fanout::outbox::{Bounds, Outbox};
    use crate::ident::{ChannelId, ConversationId, SessionId};
    use std::sync::Arc;
    use tokio::sync::{Notify, mpsc, oneshot};

    /// A socket of the agent's: whatever it is woken for it writes in one go.
    fn socket(stage: &Stage) -> mpsc::UnboundedReceiver<Vec<String>> {
        let bell = Arc::new(Notify::new());
        let (ring, (write, written)) = (bell.clone(), mpsc::unbounded_channel());
        let bounds = Bounds { frames: 100, bytes: 100_000 };
        let wake = Box::new(move || ring.notify_one());
        let outbox = Arc::new(Outbox::new(SessionId::from_u128(9), None, bounds, wake));
        stage.hub.join_agent(AGENT, &outbox);
        actix::spawn(async move {
            loop {
                bell.notified().await;
                let entries: Vec<_> = outbox.take().into_iter().filter_map(shown).collect();
                if write.send(entries).is_err() {
                    return;
                }
            }
        });
        written
    }

    fn posts(stage: &Stage, to: u128, who: Who, command: Command) -> oneshot::Receiver<bool> {
        let (tell, told) = oneshot::channel();
        let answer = AnswerTo::new(move |reply| tell.send(outcome(reply).is_ok()).unwrap());
        let start = if matches!(command, Command::Open { .. }) { Start::Fresh } else { Start::Stored };
        let deliver = Deliver { ask: Ask { who, under: None, command }, client: None, origin: None, answer };
        stage.registry.deliver(ConversationId::from_u128(to), start, deliver);
        told
    }

    fn open_in(channel: &str) -> Command {
        let mut command = open();
        if let Command::Open { opening, .. } = &mut command {
            opening.channel = ChannelId::new(channel).unwrap();
        }
        command
    }

    #[test]
    fn a_connection_is_written_to_once_for_all_that_one_batch_brings_it() {
        on_stage(async {
            let stage = Stage::new();
            let visitor = Who::Visitor { id: the_visitor(), name: None };
            for (to, channel) in [(11, "web"), (12, "app")] {
                assert!(posts(&stage, to, visitor.clone(), open_in(channel)).await.unwrap());
                assert!(posts(&stage, to, Who::System, assign()).await.unwrap());
            }
            let mut written = socket(&stage);
            stage.journal.hold();
            let said = [11, 12]
                .map(|to| posts(&stage, to, by_agent(), Command::Say(Content::text(&format!("to {to}")))));
            stage.turn().await;
            let journal = stage.journal.clone();
            std::thread::spawn(move || journal.resume()).join().unwrap();
            for said in said {
                assert!(said.await.unwrap());
            }
            assert_eq!(written.recv().await.unwrap(), ["4 to 11", "4 to 12"]);
        });
    }

    #[test]
    fn a_second_arbiter_of_the_same_thread_has_a_round_of_its_own() {
        for _ in 0..2 {
            on_stage(async {
                let stage = Stage::opened().await;
                assert_eq!(stage.says(7, "hello").await, Ok(Some(3)));
            });
        }
    }
}
