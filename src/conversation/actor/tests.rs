//! What a conversation's actor does when the store fails under it: nothing is told twice, nothing is never told.

use crate::clock::{ManualClock, Timestamp};
use crate::conversation::command::{Ask, Command, Grant, Landing, Policy, Who};
use crate::conversation::content::Content;
use crate::conversation::delivery::{AnswerTo, Deliver, Reply, Surroundings};
use crate::conversation::event::Opening;
use crate::conversation::registry::{Registry, Start};
use crate::fanout::hub::Hub;
use crate::fanout::outbox::{Bounds, Item, Outbox};
use crate::ident::{AgentId, ChannelId, ConversationId, GroupId, Seq, SessionId, ShopId, VisitorId};
use crate::journal::memory::{Fault, Memory};
use crate::journal::{AgentChange, ClientKey, Journal, Op, Presence};
use crate::refusal::Code;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;

const CONVERSATION: ConversationId = ConversationId::from_u128(1);
const AGENT: AgentId = AgentId::from_u128(2);
/// Long enough for the longest pause between two readings, and then some.
const PATIENCE: Duration = Duration::from_secs(20);

/// A conversation's actor over a journal that fails on demand, with a visitor and an agent who listen.
struct Stage {
    journal: Arc<Memory>,
    registry: Arc<Registry>,
    visitor: Arc<Outbox>,
    agent: Arc<Outbox>,
    /// How often routing was told of a change.
    routed: Arc<Mutex<usize>>,
}

fn the_visitor() -> VisitorId {
    VisitorId::new("v").unwrap()
}

fn listener(session: u128) -> Arc<Outbox> {
    let bounds = Bounds { frames: 1_000, bytes: 1_000_000 };
    Arc::new(Outbox::new(SessionId::from_u128(session), None, bounds, Box::new(|| {})))
}

impl Stage {
    fn new() -> Self {
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
            hub,
            clock,
            policy_of: Box::new(move |_group| policy),
            tell_routing: Box::new(move |_agent, _state, _entries| *count.lock() += 1),
            epoch: 1,
            node_start: Timestamp::from_millis(1_000),
            slow_reply_ms: [hour_ms; 3],
            rating_invitation: false,
            respawns: 3,
            respawn_window_ms: hour_ms,
            parked_limit: 64,
        }));
        registry.live_here_too();
        Self { journal, registry, visitor, agent, routed }
    }

    /// Puts a command into the mailbox; what it comes to is awaited by the caller.
    fn posts(&self, who: Who, client: Option<u128>, command: Command) -> oneshot::Receiver<Reply> {
        let (tell, told) = oneshot::channel();
        let answer = AnswerTo::new(move |reply| drop(tell.send(reply)));
        let client = client.map(|key| ClientKey { key, digest: 0 });
        let start = if matches!(command, Command::Open { .. }) { Start::Fresh } else { Start::Stored };
        let deliver = Deliver { ask: Ask { who, under: None, command }, client, origin: None, answer };
        self.registry.deliver(CONVERSATION, start, deliver);
        told
    }

    async fn asks(&self, who: Who, client: Option<u128>, command: Command) -> Reply {
        self.posts(who, client, command).await.unwrap()
    }

    /// The code of the refusal, or the position of the entry that answers.
    async fn says(&self, key: u128, words: &str) -> Result<Option<Seq>, Code> {
        outcome(self.asks(by_visitor(), Some(key), Command::Say(Content::text(words))).await)
    }

    /// An open conversation in its queue; everybody has been told of its two entries.
    async fn opened() -> Self {
        let stage = Self::new();
        let opened = stage.asks(by_visitor(), None, open()).await;
        assert!(matches!(opened, Reply::Done(_)), "{opened:?}");
        assert_eq!(stage.heard(2).await, ["1 opened", "2 queued"]);
        stage
    }

    /// What the visitor's socket was sent of the log, until `count` entries have come.
    async fn heard(&self, count: usize) -> Vec<String> {
        entries_of(&self.visitor, count).await
    }
}

/// Waits for `count` entries and takes all that are there.
async fn entries_of(outbox: &Outbox, count: usize) -> Vec<String> {
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

fn shown(item: Item) -> Option<String> {
    let Item::Entry { seq, frame, .. } = item else { return None };
    let frame: serde_json::Value = serde_json::from_slice(&frame).unwrap();
    let content = &frame["content"];
    let said = content["text"].as_str().or(content["event"].as_str()).unwrap_or("?");
    Some(format!("{seq} {said}"))
}

fn outcome(reply: Reply) -> Result<Option<Seq>, Code> {
    match reply {
        Reply::Done(receipt) => Ok(receipt.seq),
        Reply::Exists(_) => Ok(None),
        Reply::Refused(refusal) => Err(refusal.code),
    }
}

fn by_visitor() -> Who {
    Who::Visitor { id: the_visitor(), name: None }
}

fn general() -> GroupId {
    GroupId::new("general").unwrap()
}

fn open() -> Command {
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
    Command::Open { opening: Box::new(opening), landing: Landing::Queue(general()), content: None }
}

fn assign() -> Command {
    Command::Assign(Grant {
        agent: AGENT,
        agent_name: "Li".into(),
        seats: 1,
        head_start_s: 0,
        reason: "picked".into(),
    })
}

fn on_stage(act: impl Future<Output = ()>) {
    actix::System::new().block_on(act);
}

#[test]
fn what_was_committed_without_an_answer_is_told_once_and_without_being_asked_for() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.heard(1).await, ["3 hello"]);
        assert_eq!(stage.says(7, "hello").await, Ok(Some(3)));
        assert_eq!(stage.says(8, "again").await, Ok(Some(4)));
        assert_eq!(stage.heard(1).await, ["4 again"]);
        let meters = &stage.registry.meters;
        let counted = [&meters.read_again, &meters.found_untold].map(|meter| meter.load(Ordering::Relaxed));
        assert_eq!(counted, [1, 1]);
    });
}

#[test]
fn what_was_not_committed_is_never_told() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.says(8, "again").await, Ok(Some(3)));
        assert_eq!(stage.heard(1).await, ["3 again"]);
    });
}

#[test]
fn writes_behind_a_lost_one_are_told_with_it_in_their_order() {
    on_stage(async {
        let stage = Stage::opened().await;
        let words = |text| Command::Say(Content::text(text));
        stage.journal.hold();
        let told = [(7, "one"), (8, "two"), (9, "three")]
            .map(|(key, text)| stage.posts(by_visitor(), Some(key), words(text)));
        // The actor runs on this thread: it has handed all three to the journal once it has had its turn.
        tokio::time::sleep(Duration::from_millis(20)).await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        stage.journal.resume();
        for reply in told {
            assert_eq!(outcome(reply.await.unwrap()), Err(Code::Unavailable));
        }
        assert_eq!(stage.heard(3).await, ["3 one", "4 two", "5 three"]);
        assert_eq!(stage.says(9, "three").await, Ok(Some(5)));
        assert_eq!(stage.says(10, "four").await, Ok(Some(6)));
        assert_eq!(stage.heard(1).await, ["6 four"]);
    });
}

#[test]
fn a_store_that_stays_away_is_asked_again_until_it_answers() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        stage.journal.inject(Fault::FailBeforeCommit);
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.heard(1).await, ["3 hello"]);
    });
}

#[test]
fn a_command_ends_the_pause_and_waits_for_one_reading_only() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.says(7, "hello").await, Ok(Some(3)));
        assert_eq!(stage.heard(1).await, ["3 hello"]);
    });
}

#[test]
fn an_assignment_with_a_lost_answer_reaches_the_agent_and_routing() {
    on_stage(async {
        let stage = Stage::opened().await;
        let routed = *stage.routed.lock();
        stage.journal.inject(Fault::UnknownAfterCommit);
        let reply = stage.asks(Who::System, None, assign()).await;
        assert_eq!(outcome(reply), Err(Code::Unavailable));
        assert_eq!(entries_of(&stage.agent, 1).await, ["3 assigned"]);
        assert_eq!(stage.heard(1).await, ["3 assigned"]);
        assert_eq!(*stage.routed.lock(), routed + 1);
    });
}

#[test]
fn an_opening_with_a_lost_answer_is_told_from_its_first_entry() {
    on_stage(async {
        let stage = Stage::new();
        stage.journal.inject(Fault::UnknownAfterCommit);
        assert_eq!(outcome(stage.asks(by_visitor(), None, open()).await), Err(Code::Unavailable));
        assert_eq!(stage.heard(2).await, ["1 opened", "2 queued"]);
    });
}
