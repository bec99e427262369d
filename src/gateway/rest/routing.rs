//! Live queues, and why a conversation waits or whom it got; and the counts of the front page.

use super::call::{Call, awaited, give};
use super::conversations::log_page;
use super::route::Route;
use super::serve::Reply;
use crate::conversation::event::Event;
use crate::conversation::state::State;
use crate::gateway::front;
use crate::ident::{ConversationId, Seq};
use crate::refusal::Refusal;
use crate::signin::Role;
use crate::supervisor::actor::{AskExplanation, AskQueues, QueueView};
use crate::wire::rest::{Explanation, HeadStartPart, Page, PageQuery, QueueResource};
use tokio::sync::oneshot;

/// Entries that are looked through at once for an assignment.
const LOG_STEP: u32 = 500;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/live", |call| Box::pin(live(call)))
            .about("Counts of the front page; no names.")
            .open()
            .answers_other("counts of sockets and queues"),
        Route::get("/v1/routing/queues", |call| Box::pin(queues(call)))
            .about("Live queues from their heads: an agent's own groups, all for supervisors. `limit` is the items of each.")
            .desk(Role::Agent)
            .query::<PageQuery>()
            .answers_page::<QueueResource>(),
        Route::get("/v1/routing/explain/{id}", |call| Box::pin(explain(call)))
            .about("Why this agent, or why it still waits.")
            .desk(Role::Agent)
            .answers::<Explanation>(),
    ]
}

async fn live(call: Call) -> Result<Reply, Refusal> {
    Ok(Reply::Whole(front::live(call.gate).await))
}

async fn queues(call: Call) -> Result<Reply, Refusal> {
    let query: PageQuery = call.query()?;
    let agent = call.agent()?;
    let directory = call.desk().directory();
    let own = directory.agent(agent.id).map(|profile| profile.routing.groups.clone()).unwrap_or_default();
    let (tell, told) = oneshot::channel();
    let asked = AskQueues {
        items_per_group: call.page_limit(query.limit) as usize,
        answer: Box::new(move |queues| give(tell, queues)),
    };
    call.desk().supervisor.tell(asked).map_err(|_busy| busy())?;
    let queues = awaited(told).await?;
    let mine =
        queues.into_iter().filter(|view| agent.role >= Role::Supervisor || own.contains(&view.load.group));
    let items = mine.map(|QueueView { load, items, .. }| QueueResource {
        id: load.group,
        waiting: (load.waiting + load.suspended) as u64,
        oldest_waited_ms: load.oldest_waited_ms,
        agents_online: load.agents_online,
        free_seats: load.free_seats,
        items: items.into_iter().map(Into::into).collect(),
    });
    Reply::ok(&Page { items: items.collect(), next: None })
}

fn busy() -> Refusal {
    Refusal::overloaded("routing has too much to do; repeat it", 500)
}

async fn explain(call: Call) -> Result<Reply, Refusal> {
    let (state, _) = call.readable(call.id()?).await?;
    let (tell, told) = oneshot::channel();
    let asked = AskExplanation {
        conversation: state.id,
        domain: call.desk().directory().domain_of_group(state.group.as_ref()).clone(),
        answer: Box::new(move |explanation| give(tell, explanation)),
    };
    call.desk().supervisor.tell(asked).map_err(|_busy| busy())?;
    match awaited(told).await? {
        Some(explanation) => Reply::ok(&Explanation { state: state.phase.name().to_owned(), ..explanation }),
        None => Reply::ok(&settled(&call, &state).await?),
    }
}

/// A conversation that does not wait: who got it and why stands in the log's last assignment.
async fn settled(call: &Call, state: &State) -> Result<Explanation, Refusal> {
    let assigned = last_assigned(call, state.id, state.head).await?;
    let (why, agent) = match assigned {
        Some(Event::Assigned { reason, agent, .. }) => (reason, Some(agent)),
        _ => ("not_waiting".into(), None),
    };
    let parts = why.head_start_parts.into_iter();
    Ok(Explanation {
        id: state.id,
        state: state.phase.name().to_owned(),
        group: state.group.clone(),
        head_start_s: u64::from(state.head_start_s),
        head_start_parts: parts
            .map(|part| HeadStartPart { rule: part.rule, head_start_s: part.head_start_s })
            .collect(),
        step: None,
        rank: None,
        waited_ms: state.waited_ms(call.desk().clock.now()),
        eta_s: None,
        reason: why.words.to_string(),
        agent,
        candidates: Vec::new(),
    })
}

/// The last `assigned` of the log, looked for from its end.
async fn last_assigned(
    call: &Call,
    conversation: ConversationId,
    head: Seq,
) -> Result<Option<Event>, Refusal> {
    let mut upto = head;
    while upto > 0 {
        let after = upto.saturating_sub(Seq::from(LOG_STEP));
        let page = log_page(call, conversation, after, LOG_STEP).await?;
        let found =
            page.entries.into_iter().rev().find(|entry| matches!(entry.event, Event::Assigned { .. }));
        if let Some(entry) = found {
            return Ok(Some(entry.event));
        }
        upto = after;
    }
    Ok(None)
}
