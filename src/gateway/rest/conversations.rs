//! Reading conversations: the list, one of them, its entries as the asker may see them.

use super::call::{Call, as_u32};
use super::route::Route;
use super::serve::Reply;
use crate::clock::Timestamp;
use crate::conversation::event::View;
use crate::conversation::state::{Phase, State};
use crate::desk::person::Person;
use crate::desk::reading::view_of;
use crate::ident::{ConversationId, GroupId, Seq};
use crate::journal::{Answer, Filter, Page as LogPage, Query};
use crate::refusal::Refusal;
use crate::wire::encode_entry;
use crate::wire::rest::{ConversationQuery, ConversationResource, ConversationVisitor, EntriesQuery, Page};
use crate::wire::server::EntryFrame;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Pages of the store that one page of an answer may cost; a shorter page with a `next` is answered then.
const MOST_ROUNDS: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/conversations", |call| Box::pin(list(call)))
            .about("Conversations, the newest first: a visitor's own, those an agent may read, all for supervisors.")
            .query::<ConversationQuery>()
            .answers_page::<ConversationResource>(),
        Route::get("/v1/conversations/{id}", |call| Box::pin(get(call)))
            .about("One conversation as it stands.")
            .answers::<ConversationResource>(),
        Route::get("/v1/conversations/{id}/entries", |call| Box::pin(entries(call)))
            .about("Entries of its log after a position, those that the asker may see.")
            .query::<EntriesQuery>()
            .answers_page::<EntryFrame<'static>>(),
    ]
}

impl Call {
    /// The conversation, and the view through which the asker may read it.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub(super) async fn readable(&self, conversation: ConversationId) -> Result<(State, View), Refusal> {
        let Answer::State(Some(state)) = self.ask(Query::State(conversation)).await? else {
            return Err(Refusal::not_found("there is no such conversation").about(conversation));
        };
        let view = view_of(self.person()?, &state, &self.own_groups())?;
        Ok((*state, view))
    }

    fn own_groups(&self) -> Vec<GroupId> {
        let agent = self.signed_in.as_ref().and_then(|signed_in| signed_in.person.agent());
        let directory = self.desk().directory();
        let profile = agent.and_then(|agent| directory.agent(agent.id));
        profile.map(|profile| profile.routing.groups.clone()).unwrap_or_default()
    }
}

/// A conversation as `view` may see it: the shop's own facts and who answers under which assignment stay with the desk.
pub(super) fn resource(state: &State, view: View, now: Timestamp) -> ConversationResource {
    let desk = view == View::Desk;
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    ConversationResource {
        id: state.id,
        shop: state.shop.clone(),
        channel: state.channel.clone(),
        state: state.phase.name().to_owned(),
        visitor: state.visitor.clone().map(|id| ConversationVisitor {
            id,
            name: text(&state.visitor_name),
            tier: text(&state.tier).filter(|_| desk),
        }),
        group: state.group.clone(),
        agent: state.assignee.filter(|_| desk && state.phase.is_assigned()),
        assign_seq: if desk { state.assign_seq } else { 0 },
        head: state.head_for(view),
        subject: text(&state.subject),
        intent: text(&state.intent),
        locale: text(&state.locale),
        waited_ms: state.waited_ms(now),
        opened_at: state.opened_at,
        closed_at: state.closed_at,
    }
}

async fn list(call: Call) -> Result<Reply, Refusal> {
    let query: ConversationQuery = call.query()?;
    let limit = call.page_limit(query.limit) as usize;
    let mut before: Option<ConversationId> =
        query.cursor.as_deref().map(str::parse).transpose().map_err(|error: crate::ident::IdentError| {
            Refusal::bad_frame(format!("`cursor`: {error}; take it from `next` of the page before"))
        })?;
    let person = call.person()?;
    let (filter, groups) = (filter(query, person)?, call.own_groups());
    let now = call.desk().clock.now();
    let mut items: Vec<ConversationResource> = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let asked = Query::Conversations {
            filter: Box::new(filter.clone()),
            before,
            limit: as_u32(limit.saturating_add(1)),
        };
        let Answer::States(states) = call.ask(asked).await? else {
            return Err(Refusal::unavailable("conversations cannot be read now; repeat it", 500));
        };
        let last_round = states.len() <= limit;
        for state in &states {
            if items.len() >= limit {
                return Reply::ok(&Page { items, next: before.map(|last| last.to_string()) });
            }
            before = Some(state.id);
            if let Ok(view) = view_of(person, state, &groups) {
                items.push(resource(state, view, now));
            }
        }
        if last_round {
            return Reply::ok(&Page { items, next: None });
        }
    }
    Reply::ok(&Page { items, next: before.map(|last| last.to_string()) })
}

/// What was asked for, narrowed to what a visitor may see at all.
fn filter(query: ConversationQuery, person: &Person) -> Result<Filter, Refusal> {
    let mut filter = Filter {
        phases: phases(query.state.as_deref())?,
        group: query.group,
        agent: query.agent,
        visitor: query.visitor,
        channel: query.channel,
        shop: None,
        opened_from: query.from,
        // The query's end is exclusive, the filter's is not.
        opened_to: query.to.map(|to| Timestamp::from_millis(to.millis().saturating_sub(1))),
        text: query.q,
    };
    if let Some((shop, visitor)) = person.visitor() {
        if filter.visitor.as_ref().is_some_and(|asked| asked != visitor) {
            return Err(Refusal::forbidden("these are another visitor's conversations"));
        }
        filter.visitor = Some(visitor.clone());
        filter.shop = Some(shop.clone());
    }
    Ok(filter)
}

/// States by name, with commas between them.
fn phases(names: Option<&str>) -> Result<Vec<Phase>, Refusal> {
    let named = names.into_iter().flat_map(|names| names.split(','));
    named
        .map(|name| {
            Phase::from_name(name).filter(|phase| *phase != Phase::New).ok_or_else(|| {
                let known: Vec<&str> = Phase::ALL.into_iter().skip(1).map(Phase::name).collect();
                Refusal::bad_frame(format!("`state`: there is no state `{name}`; write {}", known.join(", ")))
            })
        })
        .collect()
}

async fn get(call: Call) -> Result<Reply, Refusal> {
    let (state, view) = call.readable(call.id()?).await?;
    Reply::ok(&resource(&state, view, call.desk().clock.now()))
}

async fn entries(call: Call) -> Result<Reply, Refusal> {
    let query: EntriesQuery = call.query()?;
    let limits = &call.gate.lobby.limits.wire;
    let limit = query.limit.unwrap_or(limits.fetch_default).clamp(1, limits.fetch_most.max(1)) as usize;
    let cursor = query.cursor.map(|cursor| cursor.parse::<Seq>()).transpose();
    let cursor = cursor.map_err(|error| Refusal::bad_frame(format!("`cursor`: a position: {error}")))?;
    let (state, view) = call.readable(call.id()?).await?;
    let mut scanned = cursor.or(query.after).unwrap_or(0);
    let mut items: Vec<Box<RawValue>> = Vec::new();
    loop {
        let page = log_page(&call, state.id, scanned, as_u32(limit)).await?;
        let at_end = page.entries.last().is_none_or(|last| last.seq >= page.head);
        for entry in &page.entries {
            if items.len() >= limit {
                return Reply::ok(&Page { items, next: Some(scanned.to_string()) });
            }
            scanned = entry.seq;
            items.extend(encode_entry(entry, state.id, view).map(|frame| raw(&frame)).transpose()?);
        }
        if at_end {
            return Reply::ok(&Page { items, next: None });
        }
    }
}

/// Entries of the log after a position.
///
/// # Errors
/// `unavailable`.
pub(super) async fn log_page(
    call: &Call,
    conversation: ConversationId,
    after: Seq,
    limit: u32,
) -> Result<LogPage, Refusal> {
    match call.ask(Query::History { conversation, after, limit }).await? {
        Answer::History(Some(page)) => Ok(page),
        _ => Err(Refusal::unavailable("history cannot be read now; repeat it", 500).about(conversation)),
    }
}

fn raw(frame: &Bytes) -> Result<Box<RawValue>, Refusal> {
    serde_json::from_slice(frame).map_err(|error| {
        tracing::error!(%error, "an entry could not be written");
        Refusal::unavailable("an entry could not be written; repeat it", 500)
    })
}
