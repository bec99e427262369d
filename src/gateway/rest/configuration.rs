//! Groups, skills, rules, canned answers, tags, webhooks and channels: each kind with the same five routes.

use super::call::{Call, page};
use super::route::{Answers, Route, Shape};
use super::serve::Reply;
use crate::conversation::state::Phase;
use crate::desk::administration::{Kept, Webhook};
use crate::ident::GroupId;
use crate::journal::{Answer, Filter, Query};
use crate::refusal::Refusal;
use crate::signin::Role;
use crate::wire::rest::{
    CannedBody, CannedPatch, CannedResource, ChannelBody, ChannelPatch, ChannelResource, GroupBody,
    GroupPatch, GroupResource, PageQuery, RuleBody, RulePatch, RuleResource, SkillBody, SkillResource,
    TagBody, TagResource, WebhookBody, WebhookPatch, WebhookResource,
};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) fn routes() -> Vec<Route> {
    let mut routes = groups();
    routes.extend(plain::<SkillResource, SkillBody, TagBody>("/v1/skills", "/v1/skills/{id}", Role::Agent));
    routes.extend(rules());
    routes.extend(plain::<CannedResource, CannedBody, CannedPatch>(
        "/v1/canned",
        "/v1/canned/{id}",
        Role::Agent,
    ));
    routes.extend(plain::<TagResource, TagBody, TagBody>("/v1/tags", "/v1/tags/{id}", Role::Agent));
    routes.extend(webhooks());
    routes.extend(plain::<ChannelResource, ChannelBody, ChannelPatch>(
        "/v1/channels",
        "/v1/channels/{id}",
        Role::Agent,
    ));
    routes
}

/// A kind that is shown as it is stored.
fn plain<K, B, P>(all: &'static str, one: &'static str, reader: Role) -> Vec<Route>
where
    K: Kept<Body = B, Patch = P> + ToSchema,
    B: ToSchema,
    P: ToSchema,
{
    described::<K, B, P>([
        Route::get(all, |call| Box::pin(list::<K>(call))).desk(reader),
        Route::post(all, |call| Box::pin(add::<K>(call))),
        Route::get(one, |call| Box::pin(get::<K>(call))).desk(reader),
        Route::patch(one, |call| Box::pin(change::<K>(call))),
        Route::delete(one, |call| Box::pin(remove::<K>(call))),
    ])
}

/// The five routes of a kind with what goes in and comes out; writing is the administrators'.
fn described<R: ToSchema, B: ToSchema, P: ToSchema>(routes: [Route; 5]) -> Vec<Route> {
    let [list, add, get, change, remove] = routes;
    vec![
        list.about("All of them, by pages.").query::<PageQuery>().answers_page::<R>(),
        add.about("Adds one; a taken id is `conflict`.")
            .desk(Role::Admin)
            .created()
            .takes::<B>()
            .answers::<R>(),
        get.about("One of them.").answers::<R>(),
        change
            .about("Changes one: what is left out stays as it is.")
            .desk(Role::Admin)
            .takes::<P>()
            .answers::<R>(),
        remove.about("Removes one.").desk(Role::Admin),
    ]
}

fn groups() -> Vec<Route> {
    let (all, one) = ("/v1/groups", "/v1/groups/{id}");
    described::<GroupResource, GroupBody, GroupPatch>([
        Route::get(all, |call| Box::pin(list::<GroupResource>(call))).desk(Role::Agent),
        Route::post(all, |call| Box::pin(add::<GroupResource>(call))),
        Route::get(one, |call| Box::pin(get::<GroupResource>(call))).desk(Role::Agent),
        Route::patch(one, |call| Box::pin(change::<GroupResource>(call))),
        Route::delete(one, |call| Box::pin(remove_group(call))),
    ])
}

fn rules() -> Vec<Route> {
    let (all, one) = ("/v1/routing/rules", "/v1/routing/rules/{id}");
    described::<RuleResource, RuleBody, RulePatch>([
        Route::get(all, |call| Box::pin(list_rules(call))).desk(Role::Supervisor),
        Route::post(all, |call| Box::pin(add_rule(call))),
        Route::get(one, |call| Box::pin(get::<RuleResource>(call))).desk(Role::Supervisor),
        Route::patch(one, |call| Box::pin(change_rule(call))),
        Route::delete(one, |call| Box::pin(remove::<RuleResource>(call))),
    ])
}

fn webhooks() -> Vec<Route> {
    let (all, one) = ("/v1/webhooks", "/v1/webhooks/{id}");
    let mut routes = described::<WebhookResource, WebhookBody, WebhookPatch>([
        Route::get(all, |call| Box::pin(list_webhooks(call))).desk(Role::Admin),
        Route::post(all, |call| Box::pin(add_webhook(call))),
        Route::get(one, |call| Box::pin(get_webhook(call))).desk(Role::Admin),
        Route::patch(one, |call| Box::pin(change_webhook(call))),
        Route::delete(one, |call| Box::pin(remove::<Webhook>(call))),
    ]);
    if let Some(add) = routes.get_mut(1) {
        add.summary = "Adds one. The answer alone shows the secret that signs what is sent.";
        add.answers = Answers::One(Shape::of::<AddedWebhook>());
    }
    routes
}

/// A page of documents, one more than asked for where there is a next page.
async fn some<K: Kept>(call: &Call) -> Result<(Vec<K>, u32), Refusal> {
    let query: PageQuery = call.query()?;
    let limit = call.page_limit(query.limit);
    let found = call
        .block(move |gate| gate.administration.page::<K>(query.cursor.as_deref(), limit.saturating_add(1)))
        .await?;
    Ok((found, limit))
}

async fn one<K: Kept>(call: &Call) -> Result<K, Refusal> {
    let id = call.id.clone();
    let found = call
        .block(move |gate| {
            let found = gate.administration.find::<K>(&id)?;
            found.ok_or_else(|| Refusal::not_found(format!("there is no {} `{id}`", K::NOUN)))
        })
        .await?;
    Ok(found.0)
}

async fn list<K: Kept>(call: Call) -> Result<Reply, Refusal> {
    let (found, limit) = some::<K>(&call).await?;
    page(found, limit, K::id)
}

async fn get<K: Kept>(call: Call) -> Result<Reply, Refusal> {
    Reply::ok(&one::<K>(&call).await?)
}

async fn add<K: Kept>(call: Call) -> Result<Reply, Refusal> {
    let body: K::Body = call.read()?;
    Reply::ok(&call.change(move |desk, editor| desk.add::<K>(body, editor)).await?)
}

async fn change<K: Kept>(call: Call) -> Result<Reply, Refusal> {
    let (id, patch): (_, K::Patch) = (call.id.clone(), call.read()?);
    Reply::ok(&call.change(move |desk, editor| desk.change::<K>(&id, patch, editor)).await?)
}

async fn remove<K: Kept>(call: Call) -> Result<Reply, Refusal> {
    let id = call.id.clone();
    call.change(move |desk, editor| desk.remove::<K>(&id, editor)).await?;
    Ok(Reply::Nothing)
}

/// A group goes when nobody waits in it; its agents lose it.
async fn remove_group(call: Call) -> Result<Reply, Refusal> {
    let group: GroupId = call.id()?;
    let filter = Filter {
        phases: vec![Phase::Queued, Phase::Offered, Phase::MessageLeft],
        group: Some(group.clone()),
        ..Filter::default()
    };
    let asked = Query::Conversations { filter: Box::new(filter), before: None, limit: 1 };
    match call.ask(asked).await? {
        Answer::States(waiting) if waiting.is_empty() => {}
        _ => {
            return Err(Refusal::conflict(format!(
                "conversations wait in group `{group}`; transfer or close them first"
            )));
        }
    }
    call.change(move |desk, editor| {
        desk.remove::<GroupResource>(group.as_str(), editor)?;
        desk.leave_group(&group, editor)
    })
    .await?;
    Ok(Reply::Nothing)
}

/// In the order in which they are asked; the cursor is the rule before.
async fn list_rules(call: Call) -> Result<Reply, Refusal> {
    let query: PageQuery = call.query()?;
    let limit = call.page_limit(query.limit);
    let rules = call.block(|gate| gate.administration.rules()).await?;
    let from = match &query.cursor {
        None => 0,
        Some(cursor) => {
            let last = rules.iter().position(|rule| rule.id.as_str() == cursor);
            last.map(|at| at + 1).ok_or_else(|| Refusal::bad_frame("`cursor`: take it from `next`"))?
        }
    };
    let some = rules.into_iter().skip(from).take(limit as usize + 1).collect();
    page(some, limit, RuleResource::id)
}

async fn add_rule(call: Call) -> Result<Reply, Refusal> {
    let body: RuleBody = call.read()?;
    Reply::ok(&call.change(move |desk, editor| desk.add_rule(body, editor)).await?)
}

async fn change_rule(call: Call) -> Result<Reply, Refusal> {
    let (id, patch): (_, RulePatch) = (call.id.clone(), call.read()?);
    Reply::ok(&call.change(move |desk, editor| desk.change_rule(&id, patch, editor)).await?)
}

/// A webhook with its secret, shown once.
#[derive(Serialize, ToSchema)]
struct AddedWebhook {
    #[serde(flatten)]
    webhook: WebhookResource,
    secret: String,
}

async fn list_webhooks(call: Call) -> Result<Reply, Refusal> {
    let (found, limit) = some::<Webhook>(&call).await?;
    page(found.iter().map(Webhook::shown).collect(), limit, |webhook: &WebhookResource| webhook.id.clone())
}

async fn get_webhook(call: Call) -> Result<Reply, Refusal> {
    Reply::ok(&one::<Webhook>(&call).await?.shown())
}

async fn add_webhook(call: Call) -> Result<Reply, Refusal> {
    let body: WebhookBody = call.read()?;
    let added = call.change(move |desk, editor| desk.add::<Webhook>(body, editor)).await?;
    Reply::ok(&AddedWebhook { webhook: added.shown(), secret: added.secret })
}

async fn change_webhook(call: Call) -> Result<Reply, Refusal> {
    let (id, patch): (_, WebhookPatch) = (call.id.clone(), call.read()?);
    let changed = call.change(move |desk, editor| desk.change::<Webhook>(&id, patch, editor)).await?;
    Reply::ok(&changed.shown())
}
