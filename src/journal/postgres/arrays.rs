//! Rows as arrays, one per column, in the order in which the statements of `writing` unnest them.
//!
//! Encodes and nothing else: what is written is the docket's, how it is written the statements'.

use super::super::record::{RecordError, author, event, state};
use super::columns::{presence_number, signed};
use super::docket::{Docket, Row};
use super::link::Param;
use crate::clock::Timestamp;
use std::borrow::Cow;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Conversations' rows as columns.
#[derive(Default)]
pub(super) struct Conversations<'a> {
    ids: Vec<Uuid>,
    phases: Vec<&'static str>,
    groups: Vec<Option<&'a str>>,
    live: Vec<bool>,
    waiting: Vec<bool>,
    holders: Vec<Option<Uuid>>,
    assignees: Vec<Option<Uuid>>,
    closed: Vec<Option<i64>>,
    wakes: Vec<Option<i64>>,
    fences: Vec<i64>,
    heads: Vec<i64>,
    visitor_heads: Vec<i64>,
    states: Vec<String>,
    shops: Vec<&'a str>,
    channels: Vec<&'a str>,
    visitors: Vec<&'a str>,
    opened: Vec<i64>,
}

impl<'a> Conversations<'a> {
    pub(super) fn of(rows: &[&'a Row]) -> Result<Self, RecordError> {
        let mut columns = Self::default();
        for row in rows {
            let state = &*row.now.state;
            columns.ids.push(state.id.uuid());
            columns.phases.push(state.phase.name());
            columns.groups.push(state.group.as_ref().map(|group| group.as_str()));
            columns.live.push(state.phase.is_live());
            columns.waiting.push(state.phase.is_waiting());
            columns.holders.push(state.seat_hold().map(|hold| hold.agent.uuid()));
            columns.assignees.push(state.assignee.map(|agent| agent.uuid()));
            columns.closed.push(millis(state.closed_at));
            columns.wakes.push(millis(row.now.wake_at));
            columns.fences.push(signed(row.now.fence));
            columns.heads.push(signed(state.head));
            columns.visitor_heads.push(signed(state.visitor_head));
            columns.states.push(state::encode(state)?);
            columns.shops.push(state.shop.as_str());
            columns.channels.push(state.channel.as_str());
            columns.visitors.push(state.visitor.as_ref().map_or("", |visitor| visitor.as_str()));
            columns.opened.push(signed(state.opened_at.millis()));
        }
        Ok(columns)
    }

    pub(super) fn changing(&self) -> Vec<Param<'_>> {
        vec![
            (&self.ids, Type::UUID_ARRAY),
            (&self.phases, Type::TEXT_ARRAY),
            (&self.groups, Type::TEXT_ARRAY),
            (&self.live, Type::BOOL_ARRAY),
            (&self.waiting, Type::BOOL_ARRAY),
            (&self.holders, Type::UUID_ARRAY),
            (&self.assignees, Type::UUID_ARRAY),
            (&self.closed, Type::INT8_ARRAY),
            (&self.wakes, Type::INT8_ARRAY),
            (&self.fences, Type::INT8_ARRAY),
            (&self.heads, Type::INT8_ARRAY),
            (&self.visitor_heads, Type::INT8_ARRAY),
            (&self.states, Type::TEXT_ARRAY),
        ]
    }

    pub(super) fn all(&self) -> Vec<Param<'_>> {
        let mut params = self.changing();
        params.extend([
            (&self.shops as _, Type::TEXT_ARRAY),
            (&self.channels as _, Type::TEXT_ARRAY),
            (&self.visitors as _, Type::TEXT_ARRAY),
            (&self.opened as _, Type::INT8_ARRAY),
        ]);
        params
    }
}

/// Entries as columns.
#[derive(Default)]
pub(super) struct Entries<'a> {
    conversations: Vec<Uuid>,
    seqs: Vec<i64>,
    visitor_prevs: Vec<i64>,
    moments: Vec<i64>,
    authors: Vec<i16>,
    author_ids: Vec<Option<Cow<'a, [u8]>>>,
    author_names: Vec<Option<Cow<'a, [u8]>>>,
    kinds: Vec<i16>,
    bodies: Vec<Cow<'a, [u8]>>,
    clients: Vec<Option<Uuid>>,
    digests: Vec<Option<i64>>,
}

impl<'a> Entries<'a> {
    pub(super) fn of(docket: &'a Docket) -> Result<Self, RecordError> {
        let mut columns = Self::default();
        for new in &docket.entries {
            let Some(row) = docket.rows.get(&new.conversation) else {
                return Err(RecordError(format!("an entry of {} without its row", new.conversation)));
            };
            let author = author::encode(&row.now.state, &new.entry.author);
            let (kind, body) = event::encode(&new.entry.event)?;
            columns.conversations.push(new.conversation.uuid());
            columns.seqs.push(signed(new.entry.seq));
            columns.visitor_prevs.push(signed(new.entry.visitor_prev));
            columns.moments.push(signed(new.entry.at.millis()));
            columns.authors.push(small(author.kind)?);
            columns.author_ids.push(author.id);
            columns.author_names.push(author.name.map(bytes));
            columns.kinds.push(small(kind)?);
            columns.bodies.push(bytes(body));
            columns.clients.push(new.client.map(|client| Uuid::from_u128(client.key)));
            columns.digests.push(new.client.map(|client| client.digest.cast_signed()));
        }
        Ok(columns)
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        vec![
            (&self.conversations, Type::UUID_ARRAY),
            (&self.seqs, Type::INT8_ARRAY),
            (&self.visitor_prevs, Type::INT8_ARRAY),
            (&self.moments, Type::INT8_ARRAY),
            (&self.authors, Type::INT2_ARRAY),
            (&self.author_ids, Type::BYTEA_ARRAY),
            (&self.author_names, Type::BYTEA_ARRAY),
            (&self.kinds, Type::INT2_ARRAY),
            (&self.bodies, Type::BYTEA_ARRAY),
            (&self.clients, Type::UUID_ARRAY),
            (&self.digests, Type::INT8_ARRAY),
        ]
    }
}

/// What a claim or a reschedule changes of a row.
#[derive(Default)]
pub(super) struct Marks {
    ids: Vec<Uuid>,
    wakes: Vec<Option<i64>>,
    fences: Vec<i64>,
}

impl Marks {
    pub(super) fn of(rows: &[&Row]) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.ids.push(row.now.state.id.uuid());
            columns.wakes.push(millis(row.now.wake_at));
            columns.fences.push(signed(row.now.fence));
        }
        columns
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        vec![(&self.ids, Type::UUID_ARRAY), (&self.wakes, Type::INT8_ARRAY), (&self.fences, Type::INT8_ARRAY)]
    }
}

/// What stands where contents were taken back.
#[derive(Default)]
pub(super) struct Redactions<'a> {
    conversations: Vec<Uuid>,
    seqs: Vec<i64>,
    kinds: Vec<i16>,
    bodies: Vec<Cow<'a, [u8]>>,
}

impl<'a> Redactions<'a> {
    pub(super) fn of(docket: &'a Docket) -> Result<Self, RecordError> {
        let mut columns = Self::default();
        for (id, seq, redacted) in &docket.redactions {
            let (kind, body) = event::encode(redacted)?;
            columns.conversations.push(id.uuid());
            columns.seqs.push(signed(*seq));
            columns.kinds.push(small(kind)?);
            columns.bodies.push(bytes(body));
        }
        Ok(columns)
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        vec![
            (&self.conversations, Type::UUID_ARRAY),
            (&self.seqs, Type::INT8_ARRAY),
            (&self.kinds, Type::INT2_ARRAY),
            (&self.bodies, Type::BYTEA_ARRAY),
        ]
    }
}

/// Agents' rows as columns.
#[derive(Default)]
pub(super) struct Agents {
    ids: Vec<Uuid>,
    presences: Vec<i16>,
    capacities: Vec<i64>,
    loads: Vec<i64>,
    versions: Vec<i64>,
}

impl Agents {
    pub(super) fn of(docket: &Docket) -> Self {
        let mut columns = Self::default();
        for row in docket.touched_agents.values() {
            columns.ids.push(row.agent.uuid());
            columns.presences.push(presence_number(row.presence));
            columns.capacities.push(row.capacity.into());
            columns.loads.push(row.load.into());
            columns.versions.push(signed(row.version));
        }
        columns
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        vec![
            (&self.ids, Type::UUID_ARRAY),
            (&self.presences, Type::INT2_ARRAY),
            (&self.capacities, Type::INT8_ARRAY),
            (&self.loads, Type::INT8_ARRAY),
            (&self.versions, Type::INT8_ARRAY),
        ]
    }
}

/// Journaled changes of agents as columns.
#[derive(Default)]
pub(super) struct Changes<'a> {
    agents: Vec<Uuid>,
    versions: Vec<i64>,
    moments: Vec<i64>,
    presences: Vec<i16>,
    capacities: Vec<i64>,
    reasons: Vec<Option<&'a [u8]>>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(docket: &'a Docket) -> Self {
        let mut columns = Self::default();
        for change in &docket.changes {
            columns.agents.push(change.row.agent.uuid());
            columns.versions.push(signed(change.row.version));
            columns.moments.push(signed(docket.at.millis()));
            columns.presences.push(presence_number(change.row.presence));
            columns.capacities.push(change.row.capacity.into());
            columns.reasons.push(change.reason.as_deref().map(str::as_bytes));
        }
        columns
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        vec![
            (&self.agents, Type::UUID_ARRAY),
            (&self.versions, Type::INT8_ARRAY),
            (&self.moments, Type::INT8_ARRAY),
            (&self.presences, Type::INT2_ARRAY),
            (&self.capacities, Type::INT8_ARRAY),
            (&self.reasons, Type::BYTEA_ARRAY),
        ]
    }
}

fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| signed(at.millis()))
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn small(kind: i64) -> Result<i16, RecordError> {
    i16::try_from(kind).map_err(|error| RecordError(format!("kind {kind} is too large: {error}")))
}
