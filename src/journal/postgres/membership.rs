//! A node's place among those that serve a database together: its row in `node`, and the slots that it owns.
//!
//! Any number of nodes serve one database, each under an id of its own. A node renews its row every 2 s; one that could
//! not for 5 s decides nothing until it can, so that nobody hears two answers when its slots are taken after 10 s. Under
//! one id one start serves: a restarted id waits until the former start has fallen silent, and takes its slots back.
//!
//! This is the face: what the journal and the composition see. `keeper` does the work, `register` knows the rows.
//! Refuses to drive a living namesake away.

use super::address::Address;
use super::clerk::Clerk;
use super::keeper::Keeper;
use super::link::Link;
use super::options::Options;
use super::register::{self, Other, Own};
use super::schema::OpenError;
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::cluster::meters::MembershipMeters;
use crate::cluster::placement::Placement;
use crate::cluster::reconcile::Heat;
use crate::cluster::slots::Slot;
use crate::ident::NodeId;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use uuid::Uuid;

/// How often a start looks whether its namesake has gone.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A node that wants to serve.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub id: NodeId,
    /// Differs from start to start.
    pub incarnation: Uuid,
    /// Where it listens; for people who look for it.
    pub address: String,
}

/// Tells which of the slots are empty.
pub type LayToRest = Box<dyn Fn(&[Slot]) -> Vec<Slot> + Send + Sync>;
/// Takes note of these.
pub type Tell<T> = Box<dyn Fn(&[T]) + Send + Sync>;

/// What the node does when slots come and go. Called on the membership's thread, which renews the node's place: none of
/// them may block.
pub struct Callbacks {
    /// Ends what lives in these slots, and tells of which of them nothing is left. Asked every 50 ms while slots are
    /// handed over; after 2 s they are released all the same.
    pub lay_to_rest: LayToRest,
    /// How much lives where. Asked when more slots are to go than may at once.
    pub heat: Box<dyn Fn() -> Heat + Send + Sync>,
    /// These slots were the node's and are somebody else's: what lives in them is out of date.
    pub lost: Tell<Slot>,
    /// The placement has changed: the others should look at once (`Postgres::look_at_once` there).
    pub changed: Box<dyn Fn() + Send + Sync>,
    /// Who lives now, this node among them; called when that changes. Who is missing has left or fallen silent.
    pub living: Tell<NodeId>,
    /// The database has begun another history, by a fail-over or a restore: what was told here may not stand in it. Called
    /// on the writer's thread.
    pub another_history: Box<dyn Fn() + Send + Sync>,
    /// Whether other nodes hear this one by the bus; told to them with the beats, at once where it changes and the node is
    /// looked at (`Postgres::look_at_once`).
    pub is_heard: Box<dyn Fn() -> bool + Send + Sync>,
    /// Of the others that live, these say that they are not heard; called when that changes.
    pub unheard: Tell<NodeId>,
    /// The database's clock stood so at a moment between these two.
    pub time: Box<dyn Fn(Timestamp, Instant, Instant) + Send + Sync>,
}

impl Callbacks {
    /// Of a node that keeps nothing in its slots.
    pub fn nothing_lives_here() -> Self {
        Self {
            lay_to_rest: Box::new(<[Slot]>::to_vec),
            heat: Box::new(Heat::new),
            lost: Box::new(|_| ()),
            changed: Box::new(|| ()),
            living: Box::new(|_| ()),
            another_history: Box::new(|| ()),
            is_heard: Box::new(|| true),
            unheard: Box::new(|_| ()),
            time: Box::new(|_, _, _| ()),
        }
    }
}

/// A node's place, taken.
pub(super) struct Membership {
    pub(super) own: Own,
    pub(super) placement: Arc<Placement>,
    pub(super) callbacks: Callbacks,
    pub(super) meters: Arc<MembershipMeters>,
    silence: Duration,
    /// When the last renewal that succeeded was begun: the database's moment is later.
    renewed: Mutex<Instant>,
    /// Another address than the one it entered with, still to be written.
    pub(super) moved_to: Mutex<Option<String>>,
    overtaken: OnceLock<String>,
    drain_asked: AtomicBool,
    leaves: AtomicBool,
    /// Nothing is left to be handed over.
    has_left: (Mutex<bool>, Condvar),
    pub(super) nudged: Notify,
}

impl Membership {
    /// Takes the node's place, or waits for it as long as it is worth, and does a first round: a lone node owns every slot
    /// then. Blocks.
    pub(super) fn join(
        address: &Address,
        options: &Options,
        clerk: &Clerk,
        candidate: Candidate,
        placement: Arc<Placement>,
        callbacks: Callbacks,
    ) -> Result<(Arc<Self>, Keeper), OpenError> {
        let explain = |trouble| OpenError::unreachable(address, &trouble);
        let own = Own { id: candidate.id.clone(), incarnation: candidate.incarnation };
        let (wish, limits) = (own.clone(), options.clone());
        let entered = clerk.run(async move |link| enter(link, &wish, &candidate.address, &limits).await);
        let renewed = entered.map_err(explain)?.map_err(|other| {
            let (address, node, at) = (address.to_string(), other.id, other.address);
            if other.is_namesake {
                OpenError::Namesake { address, node, at, ago_s: other.silent.as_secs_f64().round() }
            } else {
                OpenError::BeforeSlots { address, node, at }
            }
        })?;
        let membership = Arc::new(Self {
            own,
            placement,
            callbacks,
            meters: Arc::default(),
            silence: options.silence,
            renewed: Mutex::new(renewed),
            moved_to: Mutex::new(None),
            overtaken: OnceLock::new(),
            drain_asked: AtomicBool::new(false),
            leaves: AtomicBool::new(false),
            has_left: (Mutex::new(false), Condvar::new()),
            nudged: Notify::new(),
        });
        let mut keeper = Keeper::new(Arc::clone(&membership), address.clone(), options.clone());
        let keeper = clerk.run(async move |link| keeper.round(link).await.map(|()| keeper));
        Ok((membership, keeper.map_err(explain)?))
    }

    /// Why nothing may be decided now; `None` while the node's row is renewed.
    pub(super) fn lapsed(&self) -> Option<Trouble> {
        if let Some(sentence) = self.overtaken.get() {
            return Some(Trouble::Unfit(sentence.clone()));
        }
        (self.silent_for() > self.silence).then(|| {
            Trouble::Unfit(format!(
                "the node could not renew its place in the database for {} s; it goes on when it can",
                self.silence.as_secs_f64()
            ))
        })
    }

    pub(super) fn silent_for(&self) -> Duration {
        self.renewed.lock().elapsed()
    }

    /// What the node should end with; `None` while its row is its own.
    pub(super) fn overtaken(&self) -> Option<&str> {
        self.overtaken.get().map(String::as_str)
    }

    /// Whether somebody outside has asked the node to leave.
    pub(super) fn drain_asked(&self) -> bool {
        self.drain_asked.load(Ordering::Relaxed)
    }

    /// Hands all slots over, for so long at most.
    pub(super) fn leave(&self, within: Duration) {
        self.leaves.store(true, Ordering::Relaxed);
        self.nudged.notify_one();
        let (has_left, told) = &self.has_left;
        if told.wait_while_for(&mut has_left.lock(), |left| !*left, within).timed_out() {
            let slots = self.placement.here();
            tracing::warn!(slots, "slots could not be handed over in time; they are released as they are");
        }
    }

    pub(super) fn move_to(&self, address: String) {
        *self.moved_to.lock() = Some(address);
        self.nudged.notify_one();
    }

    pub(super) fn leaves(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }

    pub(super) fn note_renewed(&self, begun: Instant) {
        *self.renewed.lock() = begun;
    }

    pub(super) fn note_drain_asked(&self) {
        if !self.leaves() && !self.drain_asked.swap(true, Ordering::Relaxed) {
            tracing::info!(node = %self.own.id, "the node was asked to leave");
        }
    }

    pub(super) fn note_left(&self) {
        *self.has_left.0.lock() = true;
        self.has_left.1.notify_all();
    }

    pub(super) fn note_overtaken(&self, sentence: String) {
        tracing::error!("{sentence}");
        if self.overtaken.set(sentence).is_err() {
            tracing::debug!("that was known");
        }
    }
}

/// Enters the node's row as soon as nobody stands in the way; tells when that was begun, or who goes on.
async fn enter(
    link: &Link,
    own: &Own,
    address: &str,
    options: &Options,
) -> Result<Result<Instant, Other>, Trouble> {
    let began = Instant::now();
    // A lease, and a moment more for a namesake that beat just before.
    let patience = options.lease + options.beat / 2;
    let mut is_told = false;
    loop {
        let begun = Instant::now();
        let entered = link.transact(async |link| register::enter(link, own, address, options).await);
        let Some(other) = entered.await? else { return Ok(Ok(begun)) };
        if began.elapsed() > patience {
            return Ok(Err(other));
        }
        if !std::mem::replace(&mut is_told, true) {
            let (node, at) = (&other.id, &other.address);
            let why = if other.is_namesake { "a former start of this node" } else { "a node without slots" };
            tracing::info!(%node, at, "{why} served a moment ago; it is waited for");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
