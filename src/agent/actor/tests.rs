//! What a lost agent holds goes back, also where the store or the conversation did not take it at first.

use super::{AgentWord, SetPresence, Workplace};
use crate::agent::registry::AgentRegistry;
use crate::cluster::placement::Placement;
use crate::conversation::command::Who;
use crate::conversation::state::{Phase, State};
use crate::conversation::tests::stage::{AGENT, CONVERSATION, Stage, assign, on_stage, outcome};
use crate::journal::memory::Fault;
use crate::journal::{AgentSeats, Answer, Busy, Journal, Presence, Query};
use crate::mailbox::Home;
use crate::refusal::Code;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(20);

/// The journal in memory with readers who can be too busy.
struct BusyReaders {
    inner: Arc<dyn Journal>,
    busy: AtomicBool,
}

impl Journal for BusyReaders {
    fn submit(
        &self,
        op: crate::journal::Op,
        reply: crate::journal::Reply,
    ) -> Result<(), crate::journal::Full> {
        self.inner.submit(op, reply)
    }

    fn ask(&self, query: Query, answer: crate::journal::AnswerTo) -> Result<(), Busy> {
        if self.busy.load(Ordering::Relaxed) { Err(Busy(query)) } else { self.inner.ask(query, answer) }
    }
}

/// A conversation with its agent, who is told of everything by hand.
struct Floor {
    stage: Stage,
    readers: Arc<BusyReaders>,
    agents: Arc<AgentRegistry>,
    connected: Arc<AtomicBool>,
}

impl Floor {
    /// The agent is online, connected, and holds the conversation.
    async fn new() -> Self {
        let stage = Stage::opened().await;
        let readers = Arc::new(BusyReaders { inner: stage.journal.clone(), busy: AtomicBool::new(false) });
        let connected = Arc::new(AtomicBool::new(true));
        let seen = connected.clone();
        let workplace = Workplace {
            journal: readers.clone(),
            conversations: stage.registry.clone(),
            clock: stage.clock.clone(),
            tell_routing: Box::new(|_agent, _available| true),
            is_connected: Box::new(move |_agent| seen.load(Ordering::Relaxed)),
            grace_ms: 0,
            mailbox_limit: 64,
        };
        let home = Arc::new(Home::default());
        home.is_here();
        let agents = AgentRegistry::new(
            Arc::new(workplace),
            home,
            Arc::new(Placement::alone(1)),
            Box::new(|_node, _agent, word| Err(word)),
        );
        let online = Presence::Online;
        agents.note(AgentSeats { agent: AGENT, presence: online, capacity: 3, load: 0, version: 1 });
        let floor = Self { stage, readers, agents, connected };
        floor.connection(true);
        floor.is_assigned().await;
        floor
    }

    fn connection(&self, is_there: bool) {
        self.connected.store(is_there, Ordering::Relaxed);
        assert!(self.agents.tell(AGENT, AgentWord::ConnectionsChanged).is_ok());
    }

    async fn is_assigned(&self) {
        assert!(outcome(self.stage.asks(Who::System, None, assign()).await).is_ok());
    }

    fn state(&self) -> State {
        let found = Arc::new(Mutex::new(None));
        let put = found.clone();
        self.stage
            .journal
            .ask(Query::State(CONVERSATION), Box::new(move |answer| *put.lock() = Some(answer)))
            .unwrap();
        let answer = found.lock().take();
        let Some(Answer::State(Some(state))) = answer else { panic!("no conversation: {answer:?}") };
        *state
    }

    /// Time goes on until the conversation waits again.
    async fn is_given_back(&self) {
        let wait = async {
            while self.state().phase != Phase::Queued {
                self.stage.clock.advance_millis(100);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, wait).await;
        assert!(in_time.is_ok(), "it stays with its agent: {:?}", self.state());
        assert_eq!(self.state().seat_hold(), None);
    }

    fn repeats(&self) -> u64 {
        self.agents.meters.give_backs_repeated.load(Ordering::Relaxed)
    }

    /// Long enough for the actor to look again at everything that it knows to be undone.
    async fn looked_again(&self) {
        self.stage.clock.advance_millis(60_000);
        tokio::time::sleep(super::LOOK_AGAIN + Duration::from_millis(200)).await;
    }
}

#[test]
fn what_could_not_be_given_back_at_first_is_given_back_later() {
    on_stage(async {
        let floor = Floor::new().await;
        floor.stage.journal.inject(Fault::FailBeforeCommit);
        floor.connection(false);
        floor.is_given_back().await;
        assert!(floor.repeats() > 0);
    });
}

#[test]
fn busy_readers_neither_lose_what_is_owed_nor_leave_a_presence_unanswered() {
    on_stage(async {
        let floor = Floor::new().await;
        floor.readers.busy.store(true, Ordering::Relaxed);
        floor.connection(false);
        let (tell, told) = oneshot::channel();
        let answer = Box::new(move |outcome| drop(tell.send(outcome)));
        let presence = Presence::Away;
        let wish = SetPresence { presence, reason: "agent".into(), after_current: true, answer };
        assert!(floor.agents.tell(AGENT, wish).is_ok());
        let outcome = told.await.unwrap();
        assert_eq!(outcome.map_err(|refusal| refusal.code), Err(Code::Unavailable));
        floor.readers.busy.store(false, Ordering::Relaxed);
        floor.is_given_back().await;
    });
}

#[test]
fn who_is_back_keeps_what_was_still_to_be_given_back() {
    on_stage(async {
        let floor = Floor::new().await;
        floor.readers.busy.store(true, Ordering::Relaxed);
        floor.connection(false);
        tokio::time::sleep(Duration::from_millis(50)).await;
        floor.connection(true);
        floor.readers.busy.store(false, Ordering::Relaxed);
        floor.looked_again().await;
        assert_eq!((floor.state().assignee, floor.repeats()), (Some(AGENT), 0));
    });
}

#[test]
fn what_comes_to_an_agent_who_is_gone_already_goes_back_once_it_is_found() {
    on_stage(async {
        let floor = Floor::new().await;
        floor.connection(false);
        floor.is_given_back().await;
        floor.looked_again().await;
        floor.is_assigned().await;
        floor.looked_again().await;
        assert_eq!(floor.state().assignee, Some(AGENT));
        assert!(floor.agents.tell(AGENT, AgentWord::Holding).is_ok());
        floor.is_given_back().await;
    });
}
