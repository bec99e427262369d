//! The listings of the port: rows found by an index, judged by the port's filter where SQL cannot say it.

use super::super::{Filter, Head};
use super::columns::{self, signed};
use super::link::{Link, Param};
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::cluster::slots::{Slot, SlotSet};
use crate::conversation::state::State;
use crate::ident::{AgentId, ConversationId, ShopId, VisitorId};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// Rows read at once for a listing that must judge each itself.
const STEP_ROWS: i64 = 500;
/// How a moment becomes a slice, as `wake_slice` in the schema.
const SLICE_SHIFT: u32 = 14;

const WAITING: &str = "SELECT id, state FROM conversation WHERE waiting AND id > $1 ORDER BY id LIMIT $2";
/// Where a page starts that follows nothing: the nil id is no conversation's.
const FROM_THE_FIRST: Uuid = Uuid::nil();
const HELD_BY: &str = "SELECT id, state FROM conversation WHERE holder = $1 ORDER BY opened_at, id";
const LIVE_OF: &str =
    "SELECT id, state FROM conversation WHERE live AND shop = $1 AND visitor = $2 ORDER BY channel";
const HEADS: &str = "SELECT id, state FROM conversation WHERE id = ANY($1)";
/// Which slot a row falls to SQL cannot say, so rows of all slots are read, page by page.
const DUE: &str = "SELECT id, wake_at FROM conversation
    WHERE wake_slice BETWEEN $1 AND $2 AND wake_at <= $3 AND (wake_at, id) > ($4, $5) ORDER BY wake_at, id LIMIT $6";
/// Rows of one such page, and how many pages a question is worth: a sweep that finds hundreds of thousands due is not to
/// read all of them each second.
const DUE_PAGE: i64 = 2_000;
const DUE_PAGES: usize = 25;

pub(super) async fn waiting(
    link: &Link,
    after: Option<ConversationId>,
    limit: u32,
) -> Result<Vec<State>, Trouble> {
    let (after, limit) = (after.map_or(FROM_THE_FIRST, ConversationId::uuid), i64::from(limit));
    states(link, WAITING, &[(&after, Type::UUID), (&limit, Type::INT8)]).await
}

pub(super) async fn held_by(link: &Link, agent: AgentId) -> Result<Vec<State>, Trouble> {
    states(link, HELD_BY, &[(&agent.uuid(), Type::UUID)]).await
}

pub(super) async fn live_of(link: &Link, shop: &ShopId, visitor: &VisitorId) -> Result<Vec<State>, Trouble> {
    states(link, LIVE_OF, &[(&shop.as_str(), Type::TEXT), (&visitor.as_str(), Type::TEXT)]).await
}

pub(super) async fn heads(link: &Link, ids: &[ConversationId]) -> Result<Vec<Head>, Trouble> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let states = states(link, HEADS, &[(&ids, Type::UUID_ARRAY)]).await?;
    Ok(states.iter().map(Head::of).collect())
}

pub(super) async fn due(
    link: &Link,
    now: Timestamp,
    limit: u32,
    slots: &SlotSet,
) -> Result<Vec<ConversationId>, Trouble> {
    let mut found = Vec::new();
    let mut after = (0, FROM_THE_FIRST);
    for _ in 0..DUE_PAGES {
        let page = due_page(link, now, after).await?;
        let Some(last) = page.last().copied() else { break };
        after = last;
        let ids = page.iter().map(|(_, id)| ConversationId::from_uuid(*id));
        let room = (limit as usize).saturating_sub(found.len());
        found.extend(ids.filter(|id| slots.has(Slot::of_conversation(*id))).take(room));
        if found.len() >= limit as usize || (page.len() as i64) < DUE_PAGE {
            break;
        }
    }
    Ok(found)
}

/// What is due, by moment and id, after `after`.
async fn due_page(link: &Link, now: Timestamp, after: (i64, Uuid)) -> Result<Vec<(i64, Uuid)>, Trouble> {
    let now_ms = signed(now.millis());
    let (first, last) = (after.0 >> SLICE_SHIFT, now_ms >> SLICE_SHIFT);
    let params: [Param<'_>; 6] = [
        (&first, Type::INT8),
        (&last, Type::INT8),
        (&now_ms, Type::INT8),
        (&after.0, Type::INT8),
        (&after.1, Type::UUID),
        (&DUE_PAGE, Type::INT8),
    ];
    link.read(DUE, &params).await?.iter().map(|row| Ok((row.try_get(1)?, row.try_get(0)?))).collect()
}

async fn states(link: &Link, sql: &str, params: &[Param<'_>]) -> Result<Vec<State>, Trouble> {
    link.read(sql, params).await?.iter().map(|row| columns::state(row, 0)).collect()
}

/// Newest first. Pages of rows are read until enough of them are wanted.
pub(super) async fn conversations(
    link: &Link,
    filter: &Filter,
    before: Option<ConversationId>,
    limit: u32,
) -> Result<Vec<State>, Trouble> {
    let mut found = Vec::new();
    let mut before = before.map(ConversationId::uuid);
    let step = if filter.text.is_some() { STEP_ROWS } else { i64::from(limit).min(STEP_ROWS) };
    while found.len() < limit as usize {
        let narrowed = Narrowed::by(filter, before, step);
        let rows = states(link, &narrowed.sql, &narrowed.params()).await?;
        let is_last = (rows.len() as i64) < step;
        before = rows.last().map(|state| state.id.uuid());
        found.extend(
            rows.into_iter().filter(|state| filter.matches(state)).take(limit as usize - found.len()),
        );
        if is_last {
            break;
        }
    }
    Ok(found)
}

/// What SQL can say about a filter; `Filter::matches` says the rest.
#[derive(Default)]
struct Narrowed {
    sql: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Narrowed {
    fn by(filter: &Filter, before: Option<Uuid>, step: i64) -> Self {
        let mut narrowed = Self::default();
        let mut parts = vec!["true".to_owned()];
        let mut add = |part: &str, value: Option<(Box<dyn ToSql + Sync + Send>, Type)>| {
            if let Some(value) = value {
                narrowed.values.push(value);
                parts.push(part.replace('?', &format!("${}", narrowed.values.len())));
            }
        };
        add("id < ?", before.map(uuid));
        add("visitor = ?", filter.visitor.as_ref().map(|visitor| text(visitor.as_str())));
        add("(assignee = ? OR holder = ?)", filter.agent.map(|agent| uuid(agent.uuid())));
        add("shop = ?", filter.shop.as_ref().map(|shop| text(shop.as_str())));
        add("channel = ?", filter.channel.as_ref().map(|channel| text(channel.as_str())));
        add("group_id = ?", filter.group.as_ref().map(|group| text(group.as_str())));
        add("opened_at >= ?", filter.opened_from.map(moment));
        add("opened_at <= ?", filter.opened_to.map(moment));
        let phases: Vec<String> = filter.phases.iter().map(|phase| phase.name().to_owned()).collect();
        add("phase = ANY (?)", (!phases.is_empty()).then(|| (Box::new(phases) as _, Type::TEXT_ARRAY)));
        let only_live = !filter.phases.is_empty() && filter.phases.iter().all(|phase| phase.is_live());
        if only_live {
            parts.push("live".to_owned());
        }
        let rest = parts.join(" AND ");
        narrowed.sql =
            format!("SELECT id, state FROM conversation WHERE {rest} ORDER BY id DESC LIMIT {step}");
        narrowed
    }

    fn params(&self) -> Vec<Param<'_>> {
        self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }
}

fn uuid(id: Uuid) -> (Box<dyn ToSql + Sync + Send>, Type) {
    (Box::new(id), Type::UUID)
}

fn text(text: &str) -> (Box<dyn ToSql + Sync + Send>, Type) {
    (Box::new(text.to_owned()), Type::TEXT)
}

fn moment(at: Timestamp) -> (Box<dyn ToSql + Sync + Send>, Type) {
    (Box::new(signed(at.millis())), Type::INT8)
}
