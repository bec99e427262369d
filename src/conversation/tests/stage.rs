//! A room of conversations for tests: a registry over the journal in memory, which fails on demand, with a visitor and an
//! agent who listen.

use crate::clock::{Clock, ManualClock, Timestamp};
use crate::cluster::placement::Placement;
use crate::cluster::slots::SlotSet;
use crate::conversation::command::{Ask, Command, Grant, Landing, Policy, Who};
use crate::conversation::content::Content;
use crate::conversation::delivery::{AnswerTo, Deliver, Reply, Surroundings};
use crate::conversation::event::Opening;
use crate::conversation::registry::{Registry, Start};
use crate::fanout::hub::Hub;
use crate::fanout::outbox::{Bounds, Item, Outbox};
use crate::ident::{AgentId, ChannelId, ConversationId, GroupId, Seq, SessionId, ShopId, VisitorId};
use crate::journal::memory::Memory;
use crate::journal::{AgentChange, Answer, ClientKey, Journal, Op, Presence, Query};
use crate::refusal::Code;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

pub(crate) const CONVERSATION: ConversationId = ConversationId::from_u128(1);
pub(crate) const AGENT: AgentId = AgentId::from_u128(2);
/// Longer than the longest pause of anything that is repeated here.
const PATIENCE: Duration = Duration::from_secs(20);

/// The room, and who listens.
pub(crate) struct Stage {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) journal: Arc<Memory>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) visitor: Arc<Outbox>,
    pub(crate) agent: Arc<Outbox>,
    /// How often routing was told of a change.
    pub(crate) routed: Arc<Mutex<usize>>,
}

pub(crate) fn the_visitor() -> VisitorId {
    VisitorId::new("v").unwrap()
}

pub(crate) fn listener(session: u128) -> Arc<Outbox> {
    let bounds = Bounds { frames: 1_000, bytes: 1_000_000 };
    Arc::new(Outbox::new(SessionId::from_u128(session), None, bounds, Box::new(|| {})))
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
        let journal = Arc::new(Memory::new(clock.clone()));
        for change in [
            AgentChange::Capacity(3),
            AgentChange::Presence { presence: Presence::Online, reason: "agent".into() },
        ] {
            journal.submit(Op::Agent { agent: AGENT, change }, Box::new(|_done| {})).unwrap();
        }
        let (hub, visitor, agent) = (Arc::new(Hub::default()), listener(1), listener(2));
        hub.join_visitor(&the_visitor(), &visitor);
        hub.join_agent(AGENT, &agent);
        let routed = Arc::new(Mutex::new(0));
        let count = routed.clone();
        let hour_ms = 3_600_000;
        let policy = Policy {
            idle_end_ms: hour_ms,
            reminder_before_ms: hour_ms,
            recall_ms: hour_ms,
            reopen_ms: hour_ms,
            wrap_up_ms: 0,
        };
        let registry = Registry::new(Arc::new(Surroundings {
            journal: journal.clone(),
            hub: hub.clone(),
            clock: clock.clone(),
            policy_of: Box::new(move |_group| policy),
            tell_routing: Box::new(move |_agent, _state, _entries| *count.lock() += 1),
            placement: Arc::new(Placement::alone(1)),
            elsewhere: Box::new(|_parcel| {}),
            is_under_way: Box::new(|_conversation| false),
            hint_elsewhere: Box::new(|_node, _conversation, _hint| {}),
            node_start: Timestamp::from_millis(1_000),
            slow_reply_ms: [hour_ms; 3],
            rating_invitation: false,
            respawns: 3,
            respawn_window_ms: hour_ms,
            parked_limit: 64,
        }));
        registry.live_here_too();
        Self { clock, journal, registry, hub, visitor, agent, routed }
    }

    /// Puts a command into the mailbox; what it comes to is awaited by the caller.
    pub(crate) fn posts(&self, who: Who, client: Option<u128>, command: Command) -> oneshot::Receiver<Reply> {
        let (tell, told) = oneshot::channel();
        let answer = AnswerTo::new(move |reply| drop(tell.send(reply)));
        let client = client.map(|key| ClientKey { key, digest: 0 });
        let start = if matches!(command, Command::Open { .. }) { Start::Fresh } else { Start::Stored };
        let deliver = Deliver { ask: Ask { who, under: None, command }, client, origin: None, answer };
        self.registry.deliver(CONVERSATION, start, deliver);
        told
    }

    pub(crate) async fn asks(&self, who: Who, client: Option<u128>, command: Command) -> Reply {
        self.posts(who, client, command).await.unwrap()
    }

    /// The code of the refusal, or the position of the entry that answers.
    pub(crate) async fn says(&self, key: u128, words: &str) -> Result<Option<Seq>, Code> {
        outcome(self.asks(by_visitor(), Some(key), Command::Say(Content::text(words))).await)
    }

    /// An open conversation in its queue; everybody has been told of its two entries.
    pub(crate) async fn opened() -> Self {
        let stage = Self::new();
        let opened = stage.asks(by_visitor(), None, open()).await;
        assert!(matches!(opened, Reply::Done(_)), "{opened:?}");
        assert_eq!(stage.heard(2).await, ["1 opened", "2 queued"]);
        stage
    }

    /// Hands the journal an operation behind the actor's back.
    pub(crate) fn performs(&self, op: Op) {
        self.journal.submit(op, Box::new(|_done| {})).unwrap();
    }

    /// The agent has as many seats from now on.
    pub(crate) fn seats(&self, seats: u32) {
        self.performs(Op::Agent { agent: AGENT, change: AgentChange::Capacity(seats) });
    }

    /// The actor runs on this thread: it has handed all that was posted to the journal once it has had its turn.
    pub(crate) async fn turn(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Whether the sweep would wake the conversation after this time.
    pub(crate) async fn is_due_after(&self, pause_ms: u64) -> bool {
        let (tell, told) = oneshot::channel();
        let query =
            Query::Due { now: self.clock.now().plus_millis(pause_ms), limit: 9, slots: SlotSet::all() };
        self.journal.ask(query, Box::new(|answer| drop(tell.send(answer)))).unwrap();
        told.await.unwrap() == Answer::Due(vec![CONVERSATION])
    }

    /// What the visitor's socket was sent of the log, until `count` entries have come.
    pub(crate) async fn heard(&self, count: usize) -> Vec<String> {
        entries_of(&self.visitor, count).await
    }
}

/// Waits for `count` entries and takes all that are there.
pub(crate) async fn entries_of(outbox: &Outbox, count: usize) -> Vec<String> {
    let mut entries = Vec::new();
    let listen = async {
        while entries.len() < count {
            entries.extend(outbox.take().into_iter().filter_map(shown));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, listen).await;
    assert!(in_time.is_ok(), "{count} entries were to come, heard {entries:?}");
    entries
}

pub(crate) fn shown(item: Item) -> Option<String> {
    let Item::Entry { seq, frame, .. } = item else { return None };
    let frame: serde_json::Value = serde_json::from_slice(&frame).unwrap();
    let content = &frame["content"];
    let said = content["text"].as_str().or(content["event"].as_str()).unwrap_or("?");
    Some(format!("{seq} {said}"))
}

pub(crate) fn outcome(reply: Reply) -> Result<Option<Seq>, Code> {
    match reply {
        Reply::Done(receipt) => Ok(receipt.seq),
        Reply::Exists(_) => Ok(None),
        Reply::Refused(refusal) => Err(refusal.code),
    }
}

pub(crate) fn by_visitor() -> Who {
    Who::Visitor { id: the_visitor(), name: None }
}

pub(crate) fn by_agent() -> Who {
    Who::Agent { id: AGENT, name: "Li".into(), supervisor: false }
}

pub(crate) fn general() -> GroupId {
    GroupId::new("general").unwrap()
}

pub(crate) fn open() -> Command {
    let opening = Opening {
        shop: ShopId::default_shop(),
        channel: ChannelId::web(),
        visitor: the_visitor(),
        visitor_name: None,
        locale: None,
        subject: None,
        intent: None,
        tier: None,
        attributes: Vec::new(),
    };
    Command::Open {
        opening: Box::new(opening),
        landing: Landing::Queue(general()),
        content: None,
        contact: None,
        notice: None,
    }
}

pub(crate) fn assign() -> Command {
    Command::Assign(Grant {
        agent: AGENT,
        agent_name: "Li".into(),
        seats: 1,
        head_start_s: 0,
        reason: "picked".into(),
    })
}

pub(crate) fn on_stage(act: impl Future<Output = ()>) {
    actix::System::new().block_on(act);
}
