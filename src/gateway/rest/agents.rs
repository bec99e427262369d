//! Agents over HTTP: their profiles from the configuration in force, presence and load from the journal.

use super::call::{Call, awaited, give, page};
use super::route::Route;
use super::serve::Reply;
use crate::agent::actor::SetPresence;
use crate::desk::directory::AgentProfile;
use crate::ident::AgentId;
use crate::journal::{AgentSeats, Answer, Presence, Query};
use crate::refusal::Refusal;
use crate::signin::Role;
use crate::wire::client::PresenceStatus;
use crate::wire::rest::{AgentBody, AgentPatch, AgentResource, PageQuery, SkillLevel};
use std::collections::HashMap;
use std::ops::Bound::{Excluded, Unbounded};
use tokio::sync::oneshot;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/agents", |call| Box::pin(list(call)))
            .about("Agents with their presence and load.")
            .desk(Role::Agent)
            .query::<PageQuery>()
            .answers_page::<AgentResource>(),
        Route::post("/v1/agents", |call| Box::pin(add(call)))
            .about("Adds an agent; a taken login is `conflict`.")
            .desk(Role::Admin)
            .created()
            .takes::<AgentBody>()
            .answers::<AgentResource>(),
        Route::get("/v1/agents/{id}", |call| Box::pin(get(call)))
            .about("One agent.")
            .desk(Role::Agent)
            .answers::<AgentResource>(),
        Route::patch("/v1/agents/{id}", |call| Box::pin(change(call)))
            .about("Changes an agent. A new password or role, and being disabled, end all earlier sign-ins.")
            .desk(Role::Admin)
            .takes::<AgentPatch>()
            .answers::<AgentResource>(),
        Route::delete("/v1/agents/{id}", |call| Box::pin(remove(call)))
            .about("Removes an agent: signed out, and what they hold goes back to its queues.")
            .desk(Role::Admin),
    ]
}

/// Presence and load of all agents, as the journal has them.
///
/// # Errors
/// `unavailable`, `overloaded`.
pub(super) async fn load_rows(call: &Call) -> Result<HashMap<AgentId, AgentSeats>, Refusal> {
    match call.ask(Query::Agents).await? {
        Answer::Agents(rows) => Ok(rows.into_iter().map(|row| (row.agent, row)).collect()),
        _ => Err(Refusal::unavailable("the agents cannot be read now; repeat it", 500)),
    }
}

/// An agent as HTTP shows them; without a row in the journal they are offline and hold nothing.
pub(super) fn resource(profile: &AgentProfile, seats: Option<&AgentSeats>) -> AgentResource {
    let skills = profile.routing.skills.iter();
    AgentResource {
        id: profile.id,
        login: profile.login.to_string(),
        name: profile.name.to_string(),
        role: profile.role.into(),
        groups: profile.routing.groups.clone(),
        skills: skills
            .filter_map(|(skill, level)| Some((skill.clone(), SkillLevel::try_from(*level).ok()?)))
            .collect(),
        languages: profile.routing.languages.iter().map(ToString::to_string).collect(),
        capacity: profile.capacity,
        load: seats.map_or(0, |seats| seats.load),
        presence: seats.map_or(Presence::Offline, |seats| seats.presence).into(),
        disabled: profile.disabled,
    }
}

async fn list(call: Call) -> Result<Reply, Refusal> {
    let query: PageQuery = call.query()?;
    let limit = call.page_limit(query.limit);
    let after: Option<AgentId> = query.cursor.map(|cursor| cursor.parse()).transpose().map_err(
        |error: crate::ident::IdentError| {
            Refusal::bad_frame(format!("`cursor`: {error}; take it from `next` of the page before"))
        },
    )?;
    let rows = load_rows(&call).await?;
    let directory = call.desk().directory();
    let from = after.map_or(Unbounded, Excluded);
    let agents = directory.agents.range((from, Unbounded)).take(limit as usize + 1);
    let items = agents.map(|(id, profile)| resource(profile, rows.get(id))).collect();
    page(items, limit, |agent: &AgentResource| agent.id.to_string())
}

async fn shown(call: &Call, id: AgentId) -> Result<Reply, Refusal> {
    let directory = call.desk().directory();
    let profile = directory.agent(id).ok_or_else(|| Refusal::not_found(format!("there is no agent {id}")))?;
    let rows = load_rows(call).await?;
    Reply::ok(&resource(profile, rows.get(&id)))
}

async fn get(call: Call) -> Result<Reply, Refusal> {
    shown(&call, call.id()?).await
}

async fn add(call: Call) -> Result<Reply, Refusal> {
    let body: AgentBody = call.read()?;
    let password_hash = hashed(&call, body.password.clone()).await?;
    let added = call.change(move |desk, editor| desk.add_agent(body, password_hash, editor)).await?;
    shown(&call, added.id).await
}

async fn hashed(call: &Call, password: String) -> Result<String, Refusal> {
    let _place = call.gate.office.hashing.place().await?;
    call.block(move |gate| gate.administration.hash(&password)).await
}

async fn change(call: Call) -> Result<Reply, Refusal> {
    let id: AgentId = call.id()?;
    let mut patch: AgentPatch = call.read()?;
    let presence = patch.presence.take();
    let password_hash = match patch.password.clone() {
        Some(password) => Some(hashed(&call, password).await?),
        None => None,
    };
    if patch != AgentPatch::default() {
        call.change(move |desk, editor| desk.change_agent(id, patch, password_hash, editor)).await?;
    }
    if let Some(presence) = presence {
        set_presence(&call, id, presence).await?;
    }
    shown(&call, id).await
}

async fn set_presence(call: &Call, id: AgentId, presence: PresenceStatus) -> Result<(), Refusal> {
    let directory = call.desk().directory();
    let profile = directory.agent(id).ok_or_else(|| Refusal::not_found(format!("there is no agent {id}")))?;
    if profile.disabled && presence != PresenceStatus::Offline {
        return Err(Refusal::conflict("a disabled agent is offline; enable them first"));
    }
    let (tell, told) = oneshot::channel();
    let wish = SetPresence {
        presence: match presence {
            PresenceStatus::Online => Presence::Online,
            PresenceStatus::Away => Presence::Away,
            PresenceStatus::Offline => Presence::Offline,
        },
        reason: "administrator".into(),
        after_current: false,
        answer: Box::new(move |outcome| give(tell, outcome)),
    };
    if call.desk().agents.tell(id, wish).is_err() {
        return Err(Refusal::overloaded("too much is under way for this agent; repeat it", 300));
    }
    awaited(told).await?.map(drop)
}

async fn remove(call: Call) -> Result<Reply, Refusal> {
    let id: AgentId = call.id()?;
    call.change(move |desk, editor| desk.remove_agent(id, editor)).await?;
    Ok(Reply::Nothing)
}
