//! Finds the supervisor of the routing domain: here where this node owns its slot, else by way of the bus. Starts another
//! from nothing where the last one panicked, or where the slot has come to this node.
//!
//! A supervisor holds nothing that cannot be read again: its sweep finds who waits and who is held, agents say
//! themselves whether they take work, and openings ask again. Refuses to restart it more than once a second: an input
//! that always panics must not burn a core.

use super::actor::{Retire, SupervisorActor};
use super::message::{Heard, Place};
use super::stand_in::StandIn;
use crate::clock::{Clock, Timestamp};
use crate::cluster::placement::{Placement, Whose};
use crate::conversation::command::Landing;
use crate::desk::directory::Directory;
use crate::ident::NodeId;
use crate::mailbox::{Home, Mailbox, Posted, Undelivered, WeakMailbox, Why};
use crate::refusal::Refusal;
use crate::routing::Settings;
use actix::dev::ToEnvelope;
use actix::{Context, Handler};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a supervisor that knows nobody yet.
pub type Make = Box<dyn Fn(WeakMailbox<SupervisorActor>) -> SupervisorActor + Send + Sync>;
/// The way to a supervisor on another node; `None` while it is nobody's. What cannot be sent comes back.
pub type Elsewhere = Box<dyn Fn(Option<NodeId>, Heard) -> Result<(), Heard> + Send + Sync>;
/// The configuration in force.
pub type InForce = Box<dyn Fn() -> Arc<Directory> + Send + Sync>;

const RESTART_EVERY_MS: u64 = 1_000;

/// What the way to the supervisor is made of.
pub struct Parts {
    pub home: Arc<Home>,
    /// Messages that may wait for the supervisor.
    pub limit: usize,
    pub clock: Arc<dyn Clock>,
    pub placement: Arc<Placement>,
    pub elsewhere: Elsewhere,
    pub in_force: InForce,
    pub settings: Settings,
    pub make: Arc<Make>,
}

/// The way to the supervisor of the routing domain.
pub struct SupervisorRegistry {
    current: RwLock<Option<(Mailbox<SupervisorActor>, Timestamp)>>,
    parts: Parts,
    stand_in: StandIn,
    restarts: AtomicU64,
}

impl SupervisorRegistry {
    /// Starts a supervisor where the domain's slot is this node's already.
    pub fn new(parts: Parts) -> Self {
        let stand_in = StandIn::new(parts.settings.clone());
        let registry = Self { current: RwLock::new(None), parts, stand_in, restarts: AtomicU64::new(0) };
        registry.settle();
        registry
    }

    /// Tells or asks the supervisor, wherever it is.
    ///
    /// # Errors
    /// What was to be said, when the mailbox is full, the way to another node is closed, or the supervisor panicked less
    /// than a second after its start.
    pub fn tell(&self, heard: impl Into<Heard>) -> Result<(), Heard> {
        let heard = heard.into();
        match self.parts.placement.of_supervisor() {
            Whose::Here(_) => self.tell_here(heard).map_err(|back| back.message),
            Whose::There(node) => (self.parts.elsewhere)(Some(node), heard),
            Whose::Nobody => (self.parts.elsewhere)(None, heard),
        }
    }

    /// Posts a message to the supervisor of this node.
    ///
    /// # Errors
    /// The message, as `tell`; `Gone` where the supervisor is another node's.
    pub fn tell_here<M>(&self, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        SupervisorActor: Handler<Posted<M>>,
        Context<SupervisorActor>: ToEnvelope<SupervisorActor, Posted<M>>,
    {
        match self.told(message) {
            Err(back) if back.why == Why::Gone => {
                self.settle();
                self.told(back.message)
            }
            told => told,
        }
    }

    /// Where a conversation belongs as far as the configuration says, for as long as the supervisor cannot be asked.
    ///
    /// # Errors
    /// No group takes it.
    pub fn place_without(&self, wish: &Place) -> Result<Landing, Refusal> {
        self.stand_in.place(wish, &(self.parts.in_force)(), self.parts.clock.now())
    }

    fn told<M>(&self, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        SupervisorActor: Handler<Posted<M>>,
        Context<SupervisorActor>: ToEnvelope<SupervisorActor, Posted<M>>,
    {
        match &*self.current.read() {
            Some((mailbox, _)) => mailbox.tell(message),
            None => Err(Undelivered { why: Why::Gone, message }),
        }
    }

    /// Starts a supervisor where there should be one, and ends the one whose slot is another node's.
    pub fn settle(&self) {
        let is_ours = self.is_ours();
        let now = self.parts.clock.now();
        let mut current = self.current.write();
        match &*current {
            Some((mailbox, _)) if !is_ours => {
                if mailbox.answer(Retire).is_err() {
                    tracing::debug!("the supervisor had ended before its slot went");
                }
                *current = None;
            }
            Some((mailbox, started)) if mailbox.is_gone() => {
                if now.since_millis(*started) < RESTART_EVERY_MS {
                    return;
                }
                self.restarts.fetch_add(1, Ordering::Relaxed);
                tracing::error!("the supervisor is gone after a panic; another one reads everything again");
                *current = Some((self.start(), now));
            }
            None if is_ours => *current = Some((self.start(), now)),
            Some(_) | None => {}
        }
    }

    fn start(&self) -> Mailbox<SupervisorActor> {
        let Parts { home, limit, make, .. } = &self.parts;
        let make = make.clone();
        Mailbox::start_in(home, *limit, move |own, _context| make(own.downgrade()))
    }

    /// Messages that wait for this node's supervisor.
    pub fn depth(&self) -> usize {
        self.current.read().as_ref().map_or(0, |(mailbox, _)| mailbox.depth())
    }

    /// Whether the supervisor is this node's.
    pub fn is_ours(&self) -> bool {
        matches!(self.parts.placement.of_supervisor(), Whose::Here(_))
    }

    /// Whether somebody has the supervisor; a dead one of this node's is replaced by this question.
    pub fn is_there(&self) -> bool {
        match self.parts.placement.of_supervisor() {
            Whose::There(_) => true,
            Whose::Nobody => false,
            Whose::Here(_) => {
                self.settle();
                self.current.read().as_ref().is_some_and(|(mailbox, _)| !mailbox.is_gone())
            }
        }
    }

    /// Supervisors started after one that panicked.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }
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
    use crate::ident::{AgentId, GroupId};
    use crate::journal::memory::Memory;
    use crate::routing::Engine;
    use std::time::Duration;

    #[derive(Debug)]
    struct Panic;

    impl Handler<Posted<Panic>> for SupervisorActor {
        type Result = ();

        fn handle(&mut self, _posted: Posted<Panic>, _context: &mut Self::Context) {
            panic!("planted");
        }
    }

    const DEFAULTS: Defaults = Defaults { conversation: POLICY, abandon_ms: 1_000 };
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
            placement: Arc::new(Placement::alone(1)),
            elsewhere: Box::new(|_parcel| {}),
            is_under_way: Box::new(|_conversation| false),
            hint_elsewhere: Box::new(|_node, _conversation, _hint| {}),
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
            agents: AgentRegistry::new(
                workplace,
                home.clone(),
                Arc::new(Placement::alone(1)),
                Box::new(|_node, _agent, word| Err(word)),
            ),
            hub,
            clock: clock.clone(),
            offers: Arc::default(),
            sticky: Stickiness { hard_for_s: 0, hard_within_ms: 0, soft_within_ms: 0 },
            rank_push_ms: 1_000,
            node_start: clock.now(),
            begun: Box::new(|| {}),
        })
    }

    fn make(
        shared: Arc<Surroundings>,
    ) -> impl Fn(WeakMailbox<SupervisorActor>) -> SupervisorActor + Send + Sync + 'static {
        move |own| {
            let engine = Engine::new(Settings::new(GroupId::new("any").unwrap()));
            SupervisorActor::new(engine, Arc::new(Directory::empty(DEFAULTS)), shared.clone(), own)
        }
    }

    impl SupervisorRegistry {
        fn is_dead(&self) -> bool {
            self.current.read().as_ref().is_some_and(|(mailbox, _)| mailbox.is_gone())
        }
    }

    fn parts(
        home: &Arc<Home>,
        clock: &Arc<ManualClock>,
        placement: &Arc<Placement>,
        make: impl Fn(WeakMailbox<SupervisorActor>) -> SupervisorActor + Send + Sync + 'static,
    ) -> Parts {
        let nothing = Arc::new(Directory::empty(DEFAULTS));
        Parts {
            home: home.clone(),
            limit: 8,
            clock: clock.clone(),
            placement: placement.clone(),
            elsewhere: Box::new(|_node, heard| Err(heard)),
            in_force: Box::new(move || nothing.clone()),
            settings: Settings::new(GroupId::new("any").unwrap()),
            make: Arc::new(Box::new(make)),
        }
    }

    async fn answers(registry: &SupervisorRegistry) -> bool {
        let (tell, told) = tokio::sync::oneshot::channel();
        let asked = AskCounters { answer: Box::new(move |counts| tell.send(counts).unwrap()) };
        registry.tell_here(asked).is_ok()
            && tokio::time::timeout(Duration::from_secs(10), told).await.is_ok_and(|counts| counts.is_ok())
    }

    #[test]
    fn a_supervisor_that_panicked_is_followed_by_another_but_not_at_once_again() {
        actix::System::new().block_on(async {
            let clock = Arc::new(ManualClock::at(Timestamp::from_millis(5_000)));
            let home = Arc::new(Home::default());
            let shared = surroundings(&clock, &home);
            let make = make(shared);
            let registry =
                SupervisorRegistry::new(parts(&home, &clock, &Arc::new(Placement::alone(1)), make));
            home.is_here();
            assert!(answers(&registry).await);
            for (round, wait_ms) in [(1, 1_000), (2, 1_000)] {
                registry.tell_here(Panic).unwrap();
                while !registry.is_dead() {
                    tokio::task::yield_now().await;
                }
                assert!(!registry.is_there() && !answers(&registry).await, "too soon after the last start");
                clock.advance_millis(wait_ms);
                assert!(answers(&registry).await && registry.is_there());
                assert_eq!(registry.restarts(), round);
            }
        });
    }

    #[test]
    fn the_supervisor_lives_where_its_slot_is_and_nowhere_else() {
        actix::System::new().block_on(async {
            let clock = Arc::new(ManualClock::at(Timestamp::from_millis(5_000)));
            let home = Arc::new(Home::default());
            let placement = Arc::new(Placement::unknown());
            let slot = crate::cluster::slots::Slot::of_domain(crate::cluster::placement::DOMAIN);
            let registry =
                SupervisorRegistry::new(parts(&home, &clock, &placement, make(surroundings(&clock, &home))));
            home.is_here();
            assert!(!registry.is_there() && !answers(&registry).await, "nobody has it");
            placement.set(slot, Whose::Here(3));
            registry.settle();
            assert!(registry.is_there() && answers(&registry).await);
            let there = NodeId::new("other").unwrap();
            placement.set(slot, Whose::There(there));
            registry.settle();
            assert!(registry.is_there(), "another node has it");
            assert!(!answers(&registry).await, "and this one does not");
            let online =
                super::super::message::Availability { agent: AgentId::from_u128(1), available: true };
            assert!(matches!(registry.tell(online), Err(Heard::Availability(_))), "the way there is closed");
        });
    }
}
