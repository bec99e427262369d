//! What a transaction locks and reads before the ledger judges, in one round trip.
//!
//! Locks come first: agents by id, then conversations by id, so that two nodes never wait for each other in a ring.
//! The locked row itself comes as its last holder left it; whatever else the lock protects is read by later statements:
//! only they see what that holder committed. A locked row also makes the COMMIT a real one, which waits for disk and
//! standby: so a `Duplicate` is never told because a read alone found the entry (CV-3).

use super::super::Op;
use super::super::ledger::Known;
use super::super::record::RecordError;
use super::cache::Cache;
use super::columns::{self, count, moment, signed};
use super::docket::{Docket, LOCKED_AWAY, Place, Standing, may_move_seats, named_agent};
use super::link::{Link, Param};
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::conversation::event::Event;
use crate::conversation::state::State;
use crate::ident::{AgentId, ChannelId, ConversationId, Seq, ShopId, VisitorId};
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// The history of the database that a primary writes; a promoted standby begins another.
const TIMELINE: &str = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)";
const LOCK_AGENTS: &str = "SELECT id, presence, capacity, load, version FROM agent
    WHERE id = ANY ($1 || ARRAY(SELECT holder FROM conversation WHERE id = ANY ($2) AND holder IS NOT NULL))
    ORDER BY id FOR UPDATE";
/// With the state where it is not the remembered one. PostgreSQL computes the columns of a row that it had to wait for
/// anew from the version it then locked (READ COMMITTED).
const LOCK_CONVERSATIONS: &str =
    "SELECT c.id, CASE WHEN c.head <> k.head THEN c.state END, c.head, c.fence, c.wake_at
    FROM unnest($1::uuid[], $2::bigint[]) AS k (id, head) JOIN conversation AS c ON c.id = k.id
    ORDER BY c.id FOR UPDATE OF c";
const SKIP_LOCKED: &str = " SKIP LOCKED";
/// All that `LOCK_CONVERSATIONS` and `LOCK_AGENTS` would have locked; what they did not is locked away.
const PRESENT: &str =
    "SELECT id, false FROM conversation WHERE id = ANY ($2) UNION ALL SELECT id, true FROM agent
    WHERE id = ANY ($1 || ARRAY(SELECT holder FROM conversation WHERE id = ANY ($2) AND holder IS NOT NULL))";
const KNOWN: &str = "SELECT e.conversation, e.client, e.seq, e.at, e.digest
    FROM unnest($1::uuid[], $2::uuid[]) AS k (conversation, client)
    JOIN entry AS e ON e.conversation = k.conversation AND e.client = k.client AND e.client IS NOT NULL";
const TWINS: &str = "SELECT c.id, c.shop, c.visitor, c.channel
    FROM unnest($1::text[], $2::text[], $3::text[]) AS k (shop, visitor, channel)
    JOIN conversation AS c ON c.live AND c.shop = k.shop AND c.visitor = k.visitor AND c.channel = k.channel
    UNION ALL
    SELECT t.id, t.shop, t.visitor, t.channel FROM conversation AS c
    JOIN conversation AS t ON t.live AND t.shop = c.shop AND t.visitor = c.visitor AND t.channel = c.channel
    WHERE c.id = ANY ($4)";
const MESSAGES: &str = "SELECT e.conversation, e.seq, e.kind, e.body
    FROM unnest($1::uuid[], $2::bigint[]) AS k (conversation, seq)
    JOIN entry AS e ON e.conversation = k.conversation AND e.seq = k.seq";

/// What is done about rows that another node has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// They are waited for.
    Wait,
    /// They are passed over, so that the rest of the batch does not wait with them; operations on them fail.
    PassOver,
}

/// What a batch wants to see.
#[derive(Default)]
struct Wanted<'a> {
    conversations: BTreeSet<ConversationId>,
    /// Of these, those whose seats may move.
    moving: BTreeSet<ConversationId>,
    agents: BTreeSet<AgentId>,
    keys: (Vec<Uuid>, Vec<Uuid>),
    places: (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>),
    reopened: Vec<Uuid>,
    recalled: (Vec<Uuid>, Vec<i64>),
}

impl<'a> Wanted<'a> {
    fn of(ops: &'a [Op]) -> Self {
        let mut wanted = Self::default();
        for op in ops {
            match op {
                Op::Agent { agent, .. } => {
                    wanted.agents.insert(*agent);
                }
                Op::Claim { conversation, .. } | Op::Reschedule { conversation, .. } => {
                    wanted.conversations.insert(*conversation);
                }
                Op::Write(write) => {
                    let id = write.conversation;
                    wanted.conversations.insert(id);
                    if let Some(client) = &write.client {
                        wanted.keys.0.push(id.uuid());
                        wanted.keys.1.push(Uuid::from_u128(client.key));
                    }
                    for (_, event) in &write.events {
                        wanted.add_event(id, event);
                    }
                }
            }
        }
        wanted
    }

    fn add_event(&mut self, id: ConversationId, event: &'a Event) {
        if may_move_seats(event) {
            self.moving.insert(id);
        }
        self.agents.extend(named_agent(event));
        match event {
            Event::Opened(opening) => {
                self.places.0.push(opening.shop.as_str());
                self.places.1.push(opening.visitor.as_str());
                self.places.2.push(opening.channel.as_str());
            }
            Event::Reopened => self.reopened.push(id.uuid()),
            Event::Recalled { seq } => {
                self.recalled.0.push(id.uuid());
                self.recalled.1.push(signed(*seq));
            }
            _ => {}
        }
    }
}

/// Begins a transaction, locks and reads. Also tells the timeline that the rows belong to.
pub(super) async fn load(
    link: &Link,
    ops: &[Op],
    cache: &mut Cache,
    at: Timestamp,
    patience: Patience,
) -> Result<(Docket, String), Trouble> {
    let wanted = Wanted::of(ops);
    let cached: HashMap<ConversationId, Arc<State>> =
        wanted.conversations.iter().filter_map(|id| Some((*id, cache.get(*id)?))).collect();
    let read = link.within(Box::pin(read(link, &wanted, &cached, patience))).await?;
    let mut docket = Docket::new(at);
    for row in &read.agents {
        docket.add_agent(columns::agent(row)?);
    }
    add_conversations(&mut docket, &read, cached)?;
    add_locked_away(&mut docket, &read)?;
    for row in &read.known {
        let key: Uuid = row.try_get(1)?;
        let digest: i64 = row.try_get(4)?;
        let at = Timestamp::from_millis(count(row, 3)?);
        let known = Known { seq: count(row, 2)?, at, digest: digest.cast_unsigned() };
        docket.add_known(columns::conversation_id(row, 0)?, key.as_u128(), known);
    }
    for row in &read.twins {
        docket.add_twin(place(row)?, columns::conversation_id(row, 0)?);
    }
    for row in &read.messages {
        match columns::event(row, 2) {
            Ok(event) => docket.add_message(columns::conversation_id(row, 0)?, count(row, 1)?, event),
            Err(Trouble::Record(error)) => {
                docket.add_damaged(columns::conversation_id(row, 0)?, &error);
            }
            Err(other) => return Err(other),
        }
    }
    all_holders_are_locked(&docket, &wanted)?;
    let timeline = read.timeline.first().map_or(Ok(String::new()), |row| row.try_get(0))?;
    Ok((docket, timeline))
}

struct Read {
    timeline: Vec<Row>,
    agents: Vec<Row>,
    conversations: Vec<Row>,
    /// Asked for only where rows may have been passed over.
    present: Vec<Row>,
    known: Vec<Row>,
    twins: Vec<Row>,
    messages: Vec<Row>,
}

async fn read(
    link: &Link,
    wanted: &Wanted<'_>,
    cached: &HashMap<ConversationId, Arc<State>>,
    patience: Patience,
) -> Result<Read, Error> {
    let passes_over = patience == Patience::PassOver;
    let locking = |sql: &str| format!("{sql}{}", if passes_over { SKIP_LOCKED } else { "" });
    let (lock_agents, lock_conversations) = (locking(LOCK_AGENTS), locking(LOCK_CONVERSATIONS));
    let ids: Vec<Uuid> = wanted.conversations.iter().map(|id| id.uuid()).collect();
    let moving: Vec<Uuid> = wanted.moving.iter().map(|id| id.uuid()).collect();
    let named: Vec<Uuid> = wanted.agents.iter().map(|id| id.uuid()).collect();
    let known_head = |id| cached.get(id).map_or(-1, |state: &Arc<State>| signed(state.head));
    let heads: Vec<i64> = wanted.conversations.iter().map(known_head).collect();
    let (shops, visitors, channels) = &wanted.places;
    let any_agent = !named.is_empty() || !moving.is_empty();
    let any_twin = !shops.is_empty() || !wanted.reopened.is_empty();
    let agents: [Param<'_>; 2] = [(&named, Type::UUID_ARRAY), (&moving, Type::UUID_ARRAY)];
    let present: [Param<'_>; 2] = [(&named, Type::UUID_ARRAY), (&ids, Type::UUID_ARRAY)];
    let conversations: [Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&heads, Type::INT8_ARRAY)];
    let keys: [Param<'_>; 2] = [(&wanted.keys.0, Type::UUID_ARRAY), (&wanted.keys.1, Type::UUID_ARRAY)];
    let places: [Param<'_>; 4] = [
        (shops, Type::TEXT_ARRAY),
        (visitors, Type::TEXT_ARRAY),
        (channels, Type::TEXT_ARRAY),
        (&wanted.reopened, Type::UUID_ARRAY),
    ];
    let recalled: [Param<'_>; 2] =
        [(&wanted.recalled.0, Type::UUID_ARRAY), (&wanted.recalled.1, Type::INT8_ARRAY)];
    let answers = tokio::join!(
        biased;
        link.begin(),
        link.query(TIMELINE, &[]),
        ask(link, any_agent, &lock_agents, &agents),
        ask(link, !ids.is_empty(), &lock_conversations, &conversations),
        ask(link, passes_over, PRESENT, &present),
        ask(link, !wanted.keys.0.is_empty(), KNOWN, &keys),
        ask(link, any_twin, TWINS, &places),
        ask(link, !wanted.recalled.0.is_empty(), MESSAGES, &recalled),
    );
    answers.0?;
    Ok(Read {
        timeline: answers.1?,
        agents: answers.2?,
        conversations: answers.3?,
        present: answers.4?,
        known: answers.5?,
        twins: answers.6?,
        messages: answers.7?,
    })
}

async fn ask(link: &Link, is_wanted: bool, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
    if is_wanted { link.query(sql, params).await } else { Ok(Vec::new()) }
}

/// A locked row's state is the remembered one where the heads are equal, and else the one that came with it.
fn add_conversations(
    docket: &mut Docket,
    read: &Read,
    mut cached: HashMap<ConversationId, Arc<State>>,
) -> Result<(), Trouble> {
    for row in &read.conversations {
        let (id, head) = (columns::conversation_id(row, 0)?, count(row, 2)?);
        let remembered = cached.remove(&id).filter(|state| state.head == head);
        let read = remembered.map_or_else(|| columns::state(row, 0).map(Arc::new), Ok);
        match read.and_then(|state| stands_at(head, state)) {
            Ok(state) => {
                docket.add_conversation(Standing { fence: count(row, 3)?, wake_at: moment(row, 4)?, state });
            }
            Err(Trouble::Record(reason)) => {
                tracing::error!(%id, reason, "a conversation's row cannot be read");
                docket.add_damaged(id, &reason);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Rows that are there and were not locked.
fn add_locked_away(docket: &mut Docket, read: &Read) -> Result<(), Trouble> {
    for row in &read.present {
        let (id, is_agent): (Uuid, bool) = (row.try_get(0)?, row.try_get(1)?);
        let (conversation, agent) = (ConversationId::from_uuid(id), AgentId::from_uuid(id));
        if is_agent && !docket.has_agent(agent) {
            docket.add_locked_away(agent);
        } else if !is_agent && !docket.rows.contains_key(&conversation) {
            docket.add_damaged(conversation, LOCKED_AWAY);
        }
    }
    Ok(())
}

fn stands_at(head: Seq, state: Arc<State>) -> Result<Arc<State>, Trouble> {
    if state.head == head {
        return Ok(state);
    }
    Err(Trouble::Record(format!("the row stands at entry {head}, its state at {}", state.head)))
}

fn place(row: &Row) -> Result<Place, Trouble> {
    let read = || {
        let (shop, visitor, channel) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        Ok::<_, Trouble>((shop, visitor, channel))
    };
    let (shop, visitor, channel): (&str, &str, &str) = read()?;
    let named =
        || Ok::<_, RecordError>((ShopId::new(shop)?, VisitorId::new(visitor)?, ChannelId::new(channel)?));
    Ok(named()?)
}

/// Agents are locked by what conversations held before those were locked. Where one changed hands between, the batch is
/// tried again, and reads its new holder.
fn all_holders_are_locked(docket: &Docket, wanted: &Wanted<'_>) -> Result<(), Trouble> {
    let mut holders = wanted.moving.iter().filter_map(|id| docket.holder(*id));
    if holders.any(|agent| !docket.has_agent(agent)) { Err(Trouble::Overtaken) } else { Ok(()) }
}
