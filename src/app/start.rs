//! Builds a node from its settings: store first, then the rooms behind the counter, then the counter.

use super::opened::{Beginning, Durable, Opened, open};
use super::upkeep::asked;
use super::ways::{self, Ways};
use crate::admission::door::{self, Admission};
use crate::admission::shedding::Pace;
use crate::agent::actor::Workplace;
use crate::agent::registry::AgentRegistry;
use crate::clock::{Clock, SystemClock, Timestamp, fresh_uuid};
use crate::cluster::exchange::{Exchange, Rooms};
use crate::cluster::quotas::Quotas;
use crate::cluster::redis::Redis;
use crate::conversation::command::Policy;
use crate::conversation::delivery::Surroundings;
use crate::conversation::registry::Registry;
use crate::desk::administration::{Administration, FirstStart, bootstrap};
use crate::desk::directory::{Defaults, Directory};
use crate::desk::rush::Rush;
use crate::desk::{Desk, OpenOffers};
use crate::fanout::hub::Hub;
use crate::fanout::outbox::Bounds;
use crate::gateway::blob::Folder;
use crate::gateway::rest::{Forget, Office};
use crate::gateway::threshold::Threshold;
use crate::gateway::{Gate, Readiness};
use crate::ident::NodeId;
use crate::journal::{AgentSeats, Answer, Query};
use crate::mailbox::Home;
use crate::routing::Engine;
use crate::session::heads::Heads;
use crate::session::identity::{Identities, IdentityLimits};
use crate::session::lobby::{Lobby, SessionLimits};
use crate::session::signin::SignIns;
use crate::settings::Settings;
use crate::signin::agent::AgentTokens;
use crate::signin::chance;
use crate::signin::visitor::{PublicKey, VisitorTokens};
use crate::supervisor::actor::{SupervisorActor, Surroundings as SupervisorSurroundings};
use crate::supervisor::facts::Stickiness;
use crate::supervisor::registry::{Parts, SupervisorRegistry};
use crate::telemetry::cluster::Way;
use crate::telemetry::metrics::Metrics;
use crate::wire::Limits;
use crate::wire::node::Item;
use crate::wire::server::ToldLimits;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long the start waits before it reads the agents' rows again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why a node could not be started; a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings ask for something that cannot be.
    #[error("{0}")]
    Settings(String),
    /// The store or the bus cannot serve.
    #[error("{0}")]
    Store(String),
}

/// A node that has been built and is not listening yet.
pub struct Node {
    pub gate: Arc<Gate>,
    pub first_start: FirstStart,
    pub(super) durable: Option<Durable>,
    /// The thread that supervisor and agents live on: the first worker, so that they share it with conversations.
    pub(super) back_office: Arc<Home>,
    pub(super) exchange: Arc<Exchange>,
    /// `None` for a desk of one node.
    pub(super) bus: Option<Arc<Redis>>,
    pub(super) revision: u64,
}

impl Node {
    /// Opens the store (an older schema of a database only where it may be brought up to date), gives an empty one its first
    /// configuration, and builds the rooms. Runs inside an actix system.
    ///
    /// # Errors
    /// What is wrong with the settings or the store.
    pub fn start(settings: Settings, may_migrate: bool) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let settings = Arc::new(settings);
        let blobs = Folder::new(&settings.attachments.dir);
        blobs.try_out().map_err(|reason| StartError::Settings(format!("attachments.dir: {reason}")))?;
        let node = settings.node.id.clone().unwrap_or_else(made_up_node);
        let exchange = Exchange::new(clock.clone());
        let opened = open(&settings, &Beginning { node: &node, may_migrate }, &clock, &exchange)?;
        let first_start = bootstrap(&*opened.store, &settings, clock.now()).map_err(StartError::Store)?;
        let signins = Arc::new(signins(&settings, opened.durable.as_ref())?);
        let administration = Arc::new(Administration::new(
            opened.store.clone(),
            settings.clone(),
            configuration_defaults(&settings),
        ));
        let everybody = exchange.clone();
        administration.tell_others_by(Box::new(move || everybody.tell_everybody(&Item::Configured)));
        let (directory, revision) =
            administration.read().map_err(|error| StartError::Store(error.to_string()))?;
        // After the revision is known: a log-out that comes between is heard of by the watch.
        signins
            .remember(&*opened.store, clock.now())
            .map_err(|error| StartError::Store(error.to_string()))?;
        let back_office = Arc::new(Home::default());
        let desk = desk(
            &settings,
            &opened,
            &clock,
            directory,
            &Rim { back_office: &back_office, exchange: &exchange },
        );
        let bus = super::bus::join(&settings, &node, &exchange)?;
        let limits = &settings.limits;
        let quotas = bus.clone().filter(|_| limits.over_all_nodes).map(|bus| bus as Arc<dyn Quotas>);
        let lobby = Arc::new(Lobby {
            desk: desk.clone(),
            signins: signins.clone(),
            identities: Arc::new(Identities::new(identity_limits(&settings), quotas.clone())),
            node,
            limits: session_limits(&settings),
            meters: Arc::default(),
            heads: Heads::default(),
        });
        let gate = Arc::new(Gate {
            desk,
            lobby,
            signins,
            store: opened.store,
            administration,
            threshold: Arc::new(Threshold::new(limits.sockets_per_address, settings.server.max_sockets)),
            office: Office::new(&settings, Arc::new(blobs), forget(opened.durable.clone()), quotas),
            settings,
            readiness: Arc::new(Readiness::default()),
            metrics: Arc::new(Metrics {
                journal: opened.meters,
                place: opened.durable.as_ref().and_then(Durable::place),
                way: bus.as_ref().map(|bus| Way { exchange: exchange.clone(), meters: bus.meters() }),
            }),
        });
        Ok(Self { gate, first_start, durable: opened.durable, back_office, exchange, bus, revision })
    }
}

/// How this node looks at once who owns what.
fn look(durable: Option<Durable>) -> Box<dyn Fn() + Send + Sync> {
    Box::new(move || durable.iter().for_each(Durable::look_at_once))
}

/// How the store forgets old conversations; `None` where it does not.
fn forget(durable: Option<Durable>) -> Option<Forget> {
    let durable = durable?;
    Some(Box::new(move |closed_before| durable.prune(closed_before)))
}

/// The keys of the settings; where they name none, keys that the store keeps.
fn signins(settings: &Settings, durable: Option<&Durable>) -> Result<SignIns, StartError> {
    let kept = |name: &str| -> Result<String, StartError> {
        let fresh = chance::fresh_secret().map_err(StartError::Settings)?;
        let Some(store) = durable else { return Ok(fresh) };
        let secret = store.secret(name, fresh.as_bytes()).map_err(StartError::Store)?;
        String::from_utf8(secret)
            .map_err(|error| StartError::Store(format!("the kept secret {name}: {error}")))
    };
    let auth = &settings.auth;
    let visitor_secret = match &auth.visitor_secret {
        Some(secret) => secret.expose().to_owned(),
        None => kept(VISITOR_SECRET)?,
    };
    let token_secret = match &auth.token_secret {
        Some(secret) => secret.expose().to_owned(),
        None => kept(TOKEN_SECRET)?,
    };
    let public = auth.visitor_public_key.as_deref().map(PublicKey::from_pem).transpose();
    let public =
        public.map_err(|reason| StartError::Settings(format!("auth.visitor_public_key {reason}")))?;
    Ok(SignIns::new(VisitorTokens::new(&visitor_secret, public), AgentTokens::new(&token_secret)))
}

/// Under which name the store keeps the secret of visitors' tokens.
pub const VISITOR_SECRET: &str = "visitor_secret";
/// And that of agents' sign-ins.
pub const TOKEN_SECRET: &str = "token_secret";

fn made_up_node() -> NodeId {
    let id = fresh_uuid().simple().to_string();
    let tail = id.get(24..).unwrap_or("0");
    NodeId::new(&format!("node-{tail}")).unwrap_or_else(|_| unreachable!("hexadecimal is an identifier"))
}

/// What the settings give to documents of the configuration that leave something out.
pub fn configuration_defaults(settings: &Settings) -> Defaults {
    let conversation = &settings.conversation;
    Defaults {
        conversation: Policy {
            idle_end_ms: conversation.idle_end_in_force_s() * 1_000,
            reminder_before_ms: conversation.reminder_before_s * 1_000,
            recall_ms: conversation.recall_s * 1_000,
            reopen_ms: conversation.reopen_h * 3_600_000,
            wrap_up_ms: conversation.wrap_up_s * 1_000,
        },
        abandon_ms: conversation.abandon_s * 1_000,
    }
}

fn identity_limits(settings: &Settings) -> IdentityLimits {
    let limits = &settings.limits;
    IdentityLimits {
        sockets: limits.sockets_per_identity,
        frames_per_s: limits.identity_frames_per_s,
        frames_burst: limits.identity_frames_burst,
    }
}

fn session_limits(settings: &Settings) -> SessionLimits {
    let limits = &settings.limits;
    SessionLimits {
        wire: Limits {
            frame_bytes: limits.frame_bytes,
            text_bytes: limits.text_bytes,
            fetch_default: u32::try_from(limits.fetch_default).unwrap_or(u32::MAX),
            fetch_most: u32::try_from(limits.fetch_max).unwrap_or(u32::MAX),
        },
        told: ToldLimits {
            frame_bytes: limits.frame_bytes,
            text_bytes: limits.text_bytes,
            frames_per_s: limits.frames_per_s,
            frames_burst: limits.frames_burst,
            sends_in_flight: u32::try_from(limits.sends_in_flight).unwrap_or(u32::MAX),
        },
        outbox: Bounds { frames: limits.outbox_frames, bytes: limits.outbox_bytes },
        hello_s: limits.hello_s,
        heartbeat_s: limits.heartbeat_s,
        heartbeat_answer_s: limits.heartbeat_answer_s,
        resume_max_behind: limits.resume_max_behind,
    }
}

/// What all conversations share.
fn conversations(
    settings: &Settings,
    opened: &Opened,
    clock: &Arc<dyn Clock>,
    hub: &Arc<Hub>,
    ways: &Arc<Ways>,
    exchange: &Arc<Exchange>,
    defaults: Defaults,
) -> Arc<Surroundings> {
    Arc::new(Surroundings {
        journal: opened.journal.clone(),
        hub: hub.clone(),
        clock: clock.clone(),
        policy_of: ways::policy_of(ways.clone(), defaults),
        tell_routing: ways::tell_routing(ways.clone()),
        placement: opened.placement.clone(),
        elsewhere: ways::to_owner(exchange.clone()),
        is_under_way: ways::is_under_way(exchange.clone()),
        hint_elsewhere: ways::hint_to_owner(exchange.clone()),
        node_start: clock.now(),
        slow_reply_ms: settings.conversation.slow_reply_s.map(|level_s| level_s * 1_000),
        rating_invitation: settings.conversation.rating_invitation,
        respawns: settings.conversation.respawns,
        respawn_window_ms: settings.conversation.respawn_window_s * 1_000,
        parked_limit: settings.limits.conversation_mailbox,
    })
}

/// Where supervisor and agents live, and how other nodes are spoken to.
struct Rim<'a> {
    back_office: &'a Arc<Home>,
    exchange: &'a Arc<Exchange>,
}

fn desk(
    settings: &Settings,
    opened: &Opened,
    clock: &Arc<dyn Clock>,
    directory: Directory,
    rim: &Rim<'_>,
) -> Arc<Desk> {
    let exchange = rim.exchange;
    let hub = Arc::new(Hub::default());
    let ways = Arc::new(Ways::default());
    let offers: Arc<OpenOffers> = Arc::default();
    let node_start = clock.now();
    let conversations =
        Registry::new(conversations(settings, opened, clock, &hub, &ways, exchange, directory.defaults));
    let agents = AgentRegistry::new(
        Arc::new(Workplace {
            journal: opened.journal.clone(),
            conversations: conversations.clone(),
            clock: clock.clone(),
            tell_routing: ways::tell_availability(ways.clone()),
            is_connected: ways::is_connected(hub.clone()),
            grace_ms: settings.conversation.presence_grace_s * 1_000,
            mailbox_limit: settings.limits.agent_mailbox,
        }),
        rim.back_office.clone(),
        opened.placement.clone(),
        ways::to_agent(exchange.clone()),
    );
    let supervisor = supervisor(
        settings,
        opened,
        clock,
        ways::directory_in_force(ways.clone(), directory.clone()),
        rim,
        &Back {
            hub: hub.clone(),
            conversations: conversations.clone(),
            agents: agents.clone(),
            offers: offers.clone(),
            node_start,
        },
    );
    let desk = Arc::new(Desk {
        journal: opened.journal.clone(),
        hub,
        conversations,
        agents: agents.clone(),
        supervisor: supervisor.clone(),
        routing_untold: AtomicBool::new(false),
        directory: RwLock::new(Arc::new(directory)),
        offers,
        most_live: settings.limits.live_conversations,
        sticky: stickiness(settings),
        clock: clock.clone(),
        admission: Arc::new(admission(settings, opened, clock)),
        rush: Rush::new(&settings.ladder),
    });
    exchange.open(
        Rooms {
            conversations: desk.conversations.clone(),
            agents: agents.clone(),
            supervisor: supervisor.clone(),
            hub: desk.hub.clone(),
            journal: opened.journal.clone(),
        },
        look(opened.durable.clone()),
    );
    let laid = [
        ways.supervisor.set(supervisor).is_ok(),
        ways.agents.set(agents).is_ok(),
        ways.desk.set(desk.clone()).is_ok(),
    ];
    debug_assert_eq!(laid, [true; 3], "the ways are laid once");
    desk
}

fn admission(settings: &Settings, opened: &Opened, clock: &Arc<dyn Clock>) -> Admission {
    let overload = settings.overload;
    let limits = door::Limits {
        pace: Pace { target_ms: overload.target_ms, interval_ms: overload.interval_ms },
        queue_ops: settings.journal.queue_entries,
        resumes_per_s: overload.resumes_per_s,
    };
    Admission::new(limits, opened.meters.clone(), clock.now())
}

fn stickiness(settings: &Settings) -> Stickiness {
    Stickiness {
        hard_for_s: settings.routing.sticky_hard_for_s,
        hard_within_ms: settings.routing.sticky_hard_h * 3_600_000,
        soft_within_ms: settings.routing.sticky_soft_h * 3_600_000,
    }
}

/// What the supervisor shares with the rooms beside it.
struct Back {
    hub: Arc<Hub>,
    conversations: Arc<Registry>,
    agents: Arc<AgentRegistry>,
    offers: Arc<OpenOffers>,
    node_start: Timestamp,
}

fn supervisor(
    settings: &Settings,
    opened: &Opened,
    clock: &Arc<dyn Clock>,
    directory: impl Fn() -> Arc<Directory> + Send + Sync + Clone + 'static,
    rim: &Rim<'_>,
    back: &Back,
) -> Arc<SupervisorRegistry> {
    let routing = &settings.routing;
    let mut engine = crate::routing::Settings::new(routing.default_group.clone());
    engine.max_head_start_s = routing.max_head_start_s;
    engine.strict_allowed = routing.strict_allowed;
    engine.missed_offers = routing.missed_offers;
    engine.outcome_ms = routing.outcome_ms;
    engine.handle_s = routing.handle_s;
    let surroundings = Arc::new(SupervisorSurroundings {
        journal: opened.journal.clone(),
        conversations: back.conversations.clone(),
        agents: back.agents.clone(),
        hub: back.hub.clone(),
        clock: clock.clone(),
        offers: back.offers.clone(),
        sticky: stickiness(settings),
        rank_push_ms: routing.rank_push_ms,
        node_start: back.node_start,
        begun: ways::routing_began(back.agents.clone(), rim.exchange.clone()),
    });
    let (rules, in_force) = (engine.clone(), directory.clone());
    Arc::new(SupervisorRegistry::new(Parts {
        home: rim.back_office.clone(),
        limit: settings.limits.supervisor_mailbox,
        clock: clock.clone(),
        placement: opened.placement.clone(),
        elsewhere: ways::to_supervisor(rim.exchange.clone()),
        in_force: Box::new(in_force),
        settings: rules,
        make: Arc::new(Box::new(move |domain, own| {
            let engine = Engine::new(engine.clone());
            SupervisorActor::new(domain.clone(), engine, directory(), surroundings.clone(), own)
        })),
    }))
}

/// Reads the agents' rows. Asks until they are read: a node that knows no seats serves nobody.
pub(super) async fn know_agents(desk: &Desk) -> Vec<AgentSeats> {
    let rows = loop {
        match asked(desk, Query::Agents).await {
            Ok(Answer::Agents(rows)) => break rows,
            Ok(_) => tracing::error!("the agents' rows were answered by something else; they are read again"),
            Err(refusal) => {
                tracing::error!(%refusal, "the agents' rows could not be read at the start; they are read again");
            }
        }
        tokio::time::sleep(READ_AGAIN_AFTER).await;
    };
    rows.iter().for_each(|row| desk.agents.note(*row));
    rows
}

/// Writes capacities that differ, and wakes those who hold something.
pub(super) fn greet_agents(desk: &Desk, rows: &[AgentSeats]) {
    let directory = (*desk.directory()).clone();
    desk.adopt(directory);
    rows.iter().filter(|row| row.load > 0).for_each(|row| desk.agents.wake(row.agent));
}
