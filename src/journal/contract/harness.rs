//! A journal under test, with short ways to say what a test wants to say.

use crate::clock::{Clock, ManualClock, Timestamp};
use crate::conversation::content::Content;
use crate::conversation::event::{Author, ClosedBy, Entry, Event, Opening};
use crate::conversation::state::State;
use crate::ident::{AgentId, ChannelId, ConversationId, Epoch, GroupId, OfferId, Seq, ShopId, VisitorId};
use crate::journal::memory::Memory;
use crate::journal::postgres::{Address, Options as PostgresOptions, Postgres};
use crate::journal::sqlite::{Options, Sqlite};
use crate::journal::{
    AgentChange, AgentSeats, Answer, ClientKey, Done, Guard, Journal, Op, Outcome, Page, Presence, Query,
    Write,
};
use crate::postgres_server::PostgresServer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

enum Store {
    Memory(Memory),
    Sqlite {
        journal: Option<Sqlite>,
        path: PathBuf,
        dir: Option<tempfile::TempDir>,
    },
    /// As many nodes as there are journals; they take turns.
    Postgres {
        journals: Vec<Postgres>,
        url: String,
        turn: AtomicUsize,
    },
}

pub(super) struct Harness {
    store: Store,
    reopens: bool,
    pub(super) clock: Arc<ManualClock>,
}

pub(super) const START_MS: u64 = 1_760_000_000_000;
pub(super) const EPOCH: Epoch = 7;

impl Harness {
    pub(super) fn memory() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
        Self {
            store: Store::Memory(Memory::new(Arc::clone(&clock) as Arc<dyn Clock>)),
            reopens: false,
            clock,
        }
    }

    pub(super) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut harness = Self::sqlite_at(&dir.path().join("desk.db"));
        if let Store::Sqlite { dir: kept, .. } = &mut harness.store {
            *kept = Some(dir);
        }
        harness
    }

    /// On a file that outlives the harness.
    pub(super) fn sqlite_at(path: &Path) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
        let store = Store::Sqlite { journal: None, path: path.to_path_buf(), dir: None };
        let mut harness = Self { store, reopens: false, clock };
        harness.open_again();
        harness
    }

    pub(super) fn sqlite_reopened() -> Self {
        Self { reopens: true, ..Self::sqlite() }
    }

    pub(super) fn postgres() -> Self {
        Self::postgres_at(&PostgresServer::shared().fresh_desk(), 1)
    }

    pub(super) fn postgres_reopened() -> Self {
        Self { reopens: true, ..Self::postgres() }
    }

    /// Two nodes on one database; each operation and question goes to the one that did not have the last.
    pub(super) fn postgres_by_turns() -> Self {
        Self::postgres_at(&PostgresServer::shared().fresh_desk(), 2)
    }

    /// On a database that outlives the harness.
    pub(super) fn postgres_at(url: &str, nodes: usize) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
        let open = || postgres_node(url, Arc::clone(&clock) as Arc<dyn Clock>);
        let journals = (0..nodes).map(|_| open()).collect();
        let store = Store::Postgres { journals, url: url.to_owned(), turn: AtomicUsize::new(0) };
        Self { store, reopens: false, clock }
    }

    /// Between two steps of a check: an adapter with a file or a database closes and opens it.
    pub(super) fn step(&mut self) {
        if self.reopens {
            self.open_again();
        }
    }

    fn open_again(&mut self) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        match &mut self.store {
            Store::Memory(_) => {}
            Store::Sqlite { journal, path, .. } => {
                *journal = None;
                *journal = Some(Sqlite::open(path, Options::default(), clock).unwrap());
            }
            Store::Postgres { journals, url, .. } => {
                journals.clear();
                journals.push(postgres_node(url, clock));
            }
        }
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        match &self.store {
            Store::Memory(memory) => memory,
            Store::Sqlite { journal, .. } => journal.as_ref().unwrap(),
            Store::Postgres { journals, .. } => &journals[0],
        }
    }

    /// The node whose turn it is.
    fn next_node(&self) -> &dyn Journal {
        match &self.store {
            Store::Postgres { journals, turn, .. } => {
                &journals[turn.fetch_add(1, Ordering::Relaxed) % journals.len()]
            }
            Store::Memory(_) | Store::Sqlite { .. } => self.journal(),
        }
    }

    pub(super) fn prune(&self, closed_before: Timestamp) -> u64 {
        match &self.store {
            Store::Memory(memory) => memory.prune(closed_before),
            Store::Sqlite { journal, .. } => journal.as_ref().unwrap().prune(closed_before).unwrap(),
            Store::Postgres { journals, .. } => journals[0].prune(closed_before).unwrap(),
        }
    }

    /// Carries out `op` and waits for its answer.
    pub(super) fn perform(&self, op: Op) -> Done {
        let (tell, told) = channel();
        self.next_node().submit(op, Box::new(move |done| tell.send(done).unwrap())).unwrap();
        told.recv().unwrap()
    }

    pub(super) fn ask(&self, query: Query) -> Answer {
        let (tell, told) = channel();
        self.next_node().ask(query, Box::new(move |answer| tell.send(answer).unwrap())).unwrap();
        told.recv().unwrap()
    }

    pub(super) fn write(&self, write: Write) -> Outcome {
        match self.perform(Op::Write(write)) {
            Done::Write(outcome) => outcome,
            other => panic!("a write was answered {other:?}"),
        }
    }

    /// Writes `events` of the system without a client key and expects them to be committed.
    pub(super) fn commit(&self, id: ConversationId, events: Vec<Event>) -> Vec<Entry> {
        let events = events.into_iter().map(|event| (Author::System, event)).collect();
        committed(self.write(Write { events, ..plain(id) }))
    }

    pub(super) fn say(&self, id: ConversationId, text: &str) -> Entry {
        let events = vec![(visitor_author(), Event::Message(Content::text(text)))];
        committed(self.write(Write { events, ..plain(id) })).remove(0)
    }

    /// Opened and with the bot: two entries.
    pub(super) fn open(&self, number: u128) -> ConversationId {
        self.open_for(number, &format!("visitor-{number}"))
    }

    pub(super) fn open_for(&self, number: u128, visitor: &str) -> ConversationId {
        let id = conversation(number);
        self.commit(id, vec![opened(visitor), Event::BotJoined]);
        id
    }

    /// Opened and queued: two entries.
    pub(super) fn queue(&self, number: u128) -> ConversationId {
        let id = conversation(number);
        self.commit(id, vec![opened(&format!("visitor-{number}")), queued()]);
        id
    }

    /// An agent who is online with so many seats.
    pub(super) fn agent(&self, number: u128, seats: u32) -> AgentId {
        let agent = AgentId::from_u128(number);
        self.change(agent, AgentChange::Capacity(seats));
        self.change(agent, AgentChange::Presence { presence: Presence::Online, reason: "shift".into() });
        agent
    }

    pub(super) fn change(&self, agent: AgentId, change: AgentChange) -> AgentSeats {
        match self.perform(Op::Agent { agent, change }) {
            Done::Agent(row) => row,
            other => panic!("a change was answered {other:?}"),
        }
    }

    pub(super) fn load_of(&self, agent: AgentId) -> u32 {
        match self.ask(Query::Agents) {
            Answer::Agents(rows) => rows.iter().find(|row| row.agent == agent).map_or(0, |row| row.load),
            other => panic!("agents were answered {other:?}"),
        }
    }

    pub(super) fn state(&self, id: ConversationId) -> State {
        match self.ask(Query::State(id)) {
            Answer::State(Some(state)) => *state,
            other => panic!("a state was answered {other:?}"),
        }
    }

    pub(super) fn states(&self, query: Query) -> Vec<ConversationId> {
        match self.ask(query) {
            Answer::States(states) => states.into_iter().map(|state| state.id).collect(),
            other => panic!("a listing was answered {other:?}"),
        }
    }

    pub(super) fn page(&self, conversation: ConversationId, after: Seq, limit: u32) -> Page {
        match self.ask(Query::History { conversation, after, limit }) {
            Answer::History(Some(page)) => page,
            other => panic!("a history was answered {other:?}"),
        }
    }
}

pub(super) fn postgres_node(url: &str, clock: Arc<dyn Clock>) -> Postgres {
    Postgres::open(&Address::parse(url).unwrap(), PostgresOptions::default(), clock).unwrap()
}

pub(super) fn conversation(number: u128) -> ConversationId {
    ConversationId::from_u128(number)
}

/// A write without events that any head and the usual epoch admit.
pub(super) fn plain(conversation: ConversationId) -> Write {
    Write {
        conversation,
        epoch: EPOCH,
        client: None,
        guard: Guard::AnyHead,
        events: Vec::new(),
        wake_at: None,
    }
}

pub(super) fn said(conversation: ConversationId, text: &str, client: ClientKey) -> Write {
    let events = vec![(visitor_author(), Event::Message(Content::text(text)))];
    Write { client: Some(client), events, ..plain(conversation) }
}

pub(super) const fn key(key: u128, digest: u64) -> ClientKey {
    ClientKey { key, digest }
}

pub(super) fn committed(outcome: Outcome) -> Vec<Entry> {
    match outcome {
        Outcome::Committed { entries } => entries,
        other => panic!("not committed: {other:?}"),
    }
}

pub(super) fn visitor_author() -> Author {
    Author::Visitor { id: VisitorId::new("visitor-1").unwrap(), name: None }
}

pub(super) fn group() -> GroupId {
    GroupId::new("presale").unwrap()
}

pub(super) fn opened(visitor: &str) -> Event {
    Event::Opened(Box::new(Opening {
        shop: ShopId::default_shop(),
        channel: ChannelId::web(),
        visitor: VisitorId::new(visitor).unwrap(),
        visitor_name: None,
        locale: None,
        subject: Some("where is my parcel".into()),
        intent: None,
        tier: None,
        attributes: Vec::new(),
    }))
}

pub(super) fn queued() -> Event {
    Event::Queued { group: group() }
}

pub(super) fn assigned(agent: AgentId, assign_seq: u64, seats: u32) -> Event {
    Event::Assigned {
        agent,
        agent_name: "Li".into(),
        group: group(),
        assign_seq,
        reason: "test".into(),
        waited_ms: 0,
        seats,
        head_start_s: 0,
    }
}

pub(super) fn offered(agent: AgentId, seats: u32) -> Event {
    let expires_at = Timestamp::from_millis(START_MS + 20_000);
    Event::Offered { offer: OfferId::from_u128(1), agent, expires_at, seats, head_start_s: 0 }
}

pub(super) fn closed() -> Event {
    Event::Closed { by: ClosedBy::Agent, reason: None, disposition: None, tags: Vec::new() }
}

pub(super) fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(_))
}
