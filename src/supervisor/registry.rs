//! Finds the supervisor of each routing domain: here where this node owns the domain's slot, else by way of the bus. Starts
//! another from nothing where the last one panicked, or where the slot has come to this node.
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
use crate::ident::{DomainId, NodeId};
use crate::mailbox::{Home, Mailbox, Posted, Undelivered, WeakMailbox, Why};
use crate::refusal::Refusal;
use crate::routing::Settings;
use actix::dev::ToEnvelope;
use actix::{Context, Handler};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a supervisor that knows nobody yet.
pub type Make = Box<dyn Fn(&DomainId, WeakMailbox<SupervisorActor>) -> SupervisorActor + Send + Sync>;
/// The way to a supervisor on another node; `None` while it is nobody's. What cannot be sent comes back.
pub type Elsewhere = Box<dyn Fn(Option<NodeId>, &DomainId, Heard) -> Result<(), Heard> + Send + Sync>;
/// The configuration in force.
pub type InForce = Box<dyn Fn() -> Arc<Directory> + Send + Sync>;

const RESTART_EVERY_MS: u64 = 1_000;

/// What the ways to the supervisors are made of.
pub struct Parts {
    pub home: Arc<Home>,
    /// Messages that may wait for a supervisor.
    pub limit: usize,
    pub clock: Arc<dyn Clock>,
    pub placement: Arc<Placement>,
    pub elsewhere: Elsewhere,
    pub in_force: InForce,
    pub settings: Settings,
    pub make: Arc<Make>,
}

/// One of this node's, and when it was started.
type Running = (Mailbox<SupervisorActor>, Timestamp);

/// The ways to the supervisors of all routing domains.
pub struct SupervisorRegistry {
    running: RwLock<BTreeMap<DomainId, Running>>,
    parts: Parts,
    stand_in: StandIn,
    restarts: AtomicU64,
}

impl SupervisorRegistry {
    /// Starts supervisors where their domains' slots are this node's already.
    pub fn new(parts: Parts) -> Self {
        let stand_in = StandIn::new(parts.settings.clone());
        let registry = Self { running: RwLock::default(), parts, stand_in, restarts: AtomicU64::new(0) };
        registry.settle();
        registry
    }

    /// Tells or asks the supervisor of `domain`, wherever it is.
    ///
    /// # Errors
    /// What was to be said, when the mailbox is full, the way to another node is closed, or the supervisor panicked less
    /// than a second after its start.
    pub fn tell_to(&self, domain: &DomainId, heard: Heard) -> Result<(), Heard> {
        match self.parts.placement.of_supervisor(domain) {
            Whose::Here(_) => self.tell_here(domain, heard).map_err(|back| back.message),
            Whose::There(node) => (self.parts.elsewhere)(Some(node), domain, heard),
            Whose::Nobody => (self.parts.elsewhere)(None, domain, heard),
        }
    }

    /// Posts a message to the supervisor of `domain` on this node.
    ///
    /// # Errors
    /// The message, as `tell_to`; `Gone` where the supervisor is another node's, or the domain not in force here.
    pub fn tell_here<M>(&self, domain: &DomainId, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        SupervisorActor: Handler<Posted<M>>,
        Context<SupervisorActor>: ToEnvelope<SupervisorActor, Posted<M>>,
    {
        match self.told(domain, message) {
            Err(back) if back.why == Why::Gone => {
                self.settle();
                self.told(domain, back.message)
            }
            told => told,
        }
    }

    /// Posts a message to every supervisor of this node; false where one did not take it.
    pub fn tell_all_here<M>(&self, message: impl Fn() -> M) -> bool
    where
        M: Send + 'static,
        SupervisorActor: Handler<Posted<M>>,
        Context<SupervisorActor>: ToEnvelope<SupervisorActor, Posted<M>>,
    {
        // All of them, whatever becomes of the first.
        let running = self.running.read();
        running.values().filter(|(mailbox, _)| mailbox.tell(message()).is_err()).count() == 0
    }

    /// Where a conversation belongs as far as the configuration says, for as long as no supervisor can be asked.
    ///
    /// # Errors
    /// No group takes it.
    pub fn place_without(&self, wish: &Place) -> Result<Landing, Refusal> {
        self.stand_in.place(wish, &self.in_force(), self.parts.clock.now())
    }

    pub(super) fn in_force(&self) -> Arc<Directory> {
        (self.parts.in_force)()
    }

    fn told<M>(&self, domain: &DomainId, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        SupervisorActor: Handler<Posted<M>>,
        Context<SupervisorActor>: ToEnvelope<SupervisorActor, Posted<M>>,
    {
        match self.running.read().get(domain) {
            Some((mailbox, _)) => mailbox.tell(message),
            None => Err(Undelivered { why: Why::Gone, message }),
        }
    }

    /// Starts supervisors where there should be some, and ends those whose slot is another node's or whose domain is no
    /// more.
    pub fn settle(&self) {
        let (directory, now) = (self.in_force(), self.parts.clock.now());
        let is_ours = |domain: &DomainId| directory.domains.contains(domain) && self.is_here(domain);
        let mut running = self.running.write();
        running.retain(|domain, (mailbox, _)| {
            let stays = is_ours(domain);
            if !stays && mailbox.answer(Retire).is_err() {
                tracing::debug!(%domain, "the supervisor had ended before its slot went");
            }
            stays
        });
        for domain in directory.domains.iter().filter(|domain| is_ours(domain)) {
            match running.get(domain) {
                Some((mailbox, _)) if !mailbox.is_gone() => continue,
                Some((_, started)) if now.since_millis(*started) < RESTART_EVERY_MS => continue,
                Some(_) => {
                    self.restarts.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%domain, "the supervisor is gone after a panic; another one reads everything again");
                }
                None => {}
            }
            running.insert(domain.clone(), (self.start(domain), now));
        }
    }

    fn start(&self, domain: &DomainId) -> Mailbox<SupervisorActor> {
        let Parts { home, limit, make, .. } = &self.parts;
        let (make, domain) = (make.clone(), domain.clone());
        Mailbox::start_in(home, *limit, move |own, _context| make(&domain, own.downgrade()))
    }

    /// Messages that wait for this node's supervisors.
    pub fn depth(&self) -> usize {
        self.running.read().values().map(|(mailbox, _)| mailbox.depth()).sum()
    }

    /// The domains whose supervisors are this node's.
    pub fn own_domains(&self) -> Vec<DomainId> {
        self.running.read().keys().cloned().collect()
    }

    /// Whether the supervisor of `domain` is this node's, as far as it knows the domain.
    pub fn is_ours(&self, domain: &DomainId) -> bool {
        self.is_here(domain) && self.in_force().domains.contains(domain)
    }

    fn is_here(&self, domain: &DomainId) -> bool {
        matches!(self.parts.placement.of_supervisor(domain), Whose::Here(_))
    }

    /// Whether somebody has the supervisor of a domain at least; dead ones of this node's are replaced by this question.
    pub fn is_there(&self) -> bool {
        self.settle();
        let directory = self.in_force();
        directory.domains.iter().any(|domain| match self.parts.placement.of_supervisor(domain) {
            Whose::There(_) => true,
            Whose::Nobody => false,
            Whose::Here(_) => self.running.read().get(domain).is_some_and(|(mailbox, _)| !mailbox.is_gone()),
        })
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
    ) -> impl Fn(&DomainId, WeakMailbox<SupervisorActor>) -> SupervisorActor + Send + Sync + 'static {
        move |domain, own| {
            let engine = Engine::new(Settings::new(GroupId::new("any").unwrap()));
            SupervisorActor::new(
                domain.clone(),
                engine,
                Arc::new(Directory::empty(DEFAULTS)),
                shared.clone(),
                own,
            )
        }
    }

    impl SupervisorRegistry {
        fn is_dead(&self) -> bool {
            self.running.read().values().any(|(mailbox, _)| mailbox.is_gone())
        }
    }

    fn parts(
        home: &Arc<Home>,
        clock: &Arc<ManualClock>,
        placement: &Arc<Placement>,
        make: impl Fn(&DomainId, WeakMailbox<SupervisorActor>) -> SupervisorActor + Send + Sync + 'static,
    ) -> Parts {
        let nothing = Arc::new(Directory::empty(DEFAULTS));
        Parts {
            home: home.clone(),
            limit: 8,
            clock: clock.clone(),
            placement: placement.clone(),
            elsewhere: Box::new(|_node, _domain, heard| Err(heard)),
            in_force: Box::new(move || nothing.clone()),
            settings: Settings::new(GroupId::new("any").unwrap()),
            make: Arc::new(Box::new(make)),
        }
    }

    async fn answers(registry: &SupervisorRegistry) -> bool {
        let (tell, told) = tokio::sync::oneshot::channel();
        let asked = AskCounters { answer: Box::new(move |counts| tell.send(counts).unwrap()) };
        registry.tell_here(&DomainId::default_domain(), asked).is_ok()
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
                registry.tell_here(&DomainId::default_domain(), Panic).unwrap();
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
            let slot = crate::cluster::slots::Slot::of_domain(&DomainId::default_domain());
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
