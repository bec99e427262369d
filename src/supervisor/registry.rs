//! Finds the supervisor, and starts another from nothing where the last one panicked.
//!
//! A supervisor holds nothing that cannot be read again: its sweep finds who waits and who is held, agents say
//! themselves whether they take work, and openings ask again. Refuses to restart it more than once a second: an input
//! that always panics must not burn a core.

use super::actor::SupervisorActor;
use crate::clock::{Clock, Timestamp};
use crate::mailbox::{Home, Mailbox, Posted, Undelivered, WeakMailbox, Why};
use actix::dev::ToEnvelope;
use actix::{Context, Handler};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a supervisor that knows nobody yet.
pub type Make = Box<dyn Fn(WeakMailbox<SupervisorActor>) -> SupervisorActor + Send + Sync>;

const RESTART_EVERY_MS: u64 = 1_000;

/// The way to the supervisor of this node's routing domain.
pub struct SupervisorRegistry {
    current: RwLock<(Mailbox<SupervisorActor>, Timestamp)>,
    home: Arc<Home>,
    limit: usize,
    make: Arc<Make>,
    clock: Arc<dyn Clock>,
    restarts: AtomicU64,
}

impl SupervisorRegistry {
    /// Starts the first supervisor at `home`, behind a mailbox of `limit` messages.
    pub fn new(home: Arc<Home>, limit: usize, clock: Arc<dyn Clock>, make: Make) -> Self {
        let make = Arc::new(make);
        let first = start(&home, limit, &make);
        let current = RwLock::new((first, clock.now()));
        Self { current, home, limit, make, clock, restarts: AtomicU64::new(0) }
    }

    /// Posts a message to the supervisor.
    ///
    /// # Errors
    /// The message, when the mailbox is full, or the supervisor panicked less than a second after its start.
    pub fn tell<M>(&self, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        SupervisorActor: Handler<Posted<M>>,
        Context<SupervisorActor>: ToEnvelope<SupervisorActor, Posted<M>>,
    {
        let told = self.current.read().0.tell(message);
        match told {
            Err(back) if back.why == Why::Gone => {
                self.restart();
                self.current.read().0.tell(back.message)
            }
            told => told,
        }
    }

    fn restart(&self) {
        let mut current = self.current.write();
        let now = self.clock.now();
        if !current.0.is_gone() || now.since_millis(current.1) < RESTART_EVERY_MS {
            return;
        }
        self.restarts.fetch_add(1, Ordering::Relaxed);
        tracing::error!("the supervisor is gone after a panic; another one reads everything again");
        *current = (start(&self.home, self.limit, &self.make), now);
    }

    /// Messages that wait for the supervisor.
    pub fn depth(&self) -> usize {
        self.current.read().0.depth()
    }

    /// Whether a supervisor takes messages; a dead one is replaced by this question.
    pub fn is_there(&self) -> bool {
        let gone = self.current.read().0.is_gone();
        if gone {
            self.restart();
        }
        !gone || !self.current.read().0.is_gone()
    }

    /// Supervisors started after the first.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }
}

fn start(home: &Home, limit: usize, make: &Arc<Make>) -> Mailbox<SupervisorActor> {
    let make = make.clone();
    Mailbox::start_in(home, limit, move |own, _context| make(own.downgrade()))
}

#[cfg(test)]
mod tests {
    use super::super::actor::{AskCounters, Surroundings};
    use super::super::facts::Stickiness;
    use super::*;
    use crate::agent::actor::Workplace;
    use crate::agent::registry::AgentRegistry;
    use crate::clock::ManualClock;
    use crate::conversation::command::Policy;
    use crate::conversation::{delivery, registry::Registry};
    use crate::desk::directory::{Defaults, Directory};
    use crate::fanout::hub::Hub;
    use crate::ident::GroupId;
    use crate::journal::memory::Memory;
    use crate::routing::{Engine, Settings};
    use std::time::Duration;

    #[derive(Debug)]
    struct Panic;

    impl Handler<Posted<Panic>> for SupervisorActor {
        type Result = ();

        fn handle(&mut self, _posted: Posted<Panic>, _context: &mut Self::Context) {
            panic!("planted");
        }
    }

    const POLICY: Policy =
        Policy { idle_end_ms: 1_000, reminder_before_ms: 0, recall_ms: 0, reopen_ms: 0, wrap_up_ms: 0 };

    fn surroundings(clock: &Arc<ManualClock>, home: &Arc<Home>) -> Arc<Surroundings> {
        let journal = Arc::new(Memory::new(clock.clone()));
        let hub = Arc::new(Hub::default());
        let conversations = Registry::new(Arc::new(delivery::Surroundings {
            journal: journal.clone(),
            hub: hub.clone(),
            clock: clock.clone(),
            policy_of: Box::new(|_group| POLICY),
            tell_routing: Box::new(|_before, _state, _entries| {}),
            epoch: 1,
            node_start: clock.now(),
            slow_reply_ms: [1_000; 3],
            rating_invitation: false,
            respawns: 1,
            respawn_window_ms: 1_000,
            parked_limit: 8,
        }));
        let workplace = Arc::new(Workplace {
            journal: journal.clone(),
            conversations: conversations.clone(),
            clock: clock.clone(),
            tell_routing: Box::new(|_agent, _available| true),
            is_connected: Box::new(|_agent| false),
            grace_ms: 1_000,
            mailbox_limit: 8,
        });
        Arc::new(Surroundings {
            journal,
            conversations,
            agents: AgentRegistry::new(workplace, home.clone()),
            hub,
            clock: clock.clone(),
            offers: Arc::default(),
            sticky: Stickiness { hard_for_s: 0, hard_within_ms: 0, soft_within_ms: 0 },
            rank_push_ms: 1_000,
            node_start: clock.now(),
        })
    }

    async fn answers(registry: &SupervisorRegistry) -> bool {
        let (tell, told) = tokio::sync::oneshot::channel();
        let asked = AskCounters { answer: Box::new(move |counts| tell.send(counts).unwrap()) };
        registry.tell(asked).is_ok()
            && tokio::time::timeout(Duration::from_secs(10), told).await.is_ok_and(|counts| counts.is_ok())
    }

    #[test]
    fn a_supervisor_that_panicked_is_followed_by_another_but_not_at_once_again() {
        actix::System::new().block_on(async {
            let clock = Arc::new(ManualClock::at(Timestamp::from_millis(5_000)));
            let home = Arc::new(Home::default());
            let shared = surroundings(&clock, &home);
            let defaults = Defaults { conversation: POLICY, abandon_ms: 1_000 };
            let make = move |own| {
                let engine = Engine::new(Settings::new(GroupId::new("any").unwrap()));
                SupervisorActor::new(engine, Arc::new(Directory::empty(defaults)), shared.clone(), own)
            };
            let registry = SupervisorRegistry::new(home.clone(), 8, clock.clone(), Box::new(make));
            home.is_here();
            assert!(answers(&registry).await);
            for (round, wait_ms) in [(1, 1_000), (2, 1_000)] {
                registry.tell(Panic).unwrap();
                while !registry.current.read().0.is_gone() {
                    tokio::task::yield_now().await;
                }
                assert!(!registry.is_there() && !answers(&registry).await, "too soon after the last start");
                clock.advance_millis(wait_ms);
                assert!(answers(&registry).await && registry.is_there());
                assert_eq!(registry.restarts(), round);
            }
        });
    }
}
