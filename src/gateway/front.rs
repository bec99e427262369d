//! The front page, until there is a console: what runs here, where the documents are, and live counts.

use super::Gate;
use crate::supervisor::actor::QueueView;
use actix_web::{HttpResponse, web};
use serde_json::json;

const PAGE: &str = include_str!("front.html");

/// `GET /`
pub async fn page() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(PAGE)
}

/// `GET /api/v1/live`: the counts of the front page; no names, nothing that a stranger may not know.
pub async fn live(gate: web::Data<Gate>) -> HttpResponse {
    let (visitors, agents) = gate.desk.hub.counts();
    let (tell, told) = tokio::sync::oneshot::channel();
    let asked = crate::supervisor::actor::AskQueues {
        items_per_group: 0,
        answer: Box::new(move |queues| {
            if tell.send(queues).is_err() {
                tracing::debug!("the front page did not wait for its counts");
            }
        }),
    };
    let queues = match gate.desk.supervisor.tell(asked) {
        Ok(()) => told.await.unwrap_or_default(),
        Err(_busy) => Vec::new(),
    };
    let groups: Vec<_> = queues
        .iter()
        .map(|QueueView { load, last, .. }| {
            let eta = last.as_ref().and_then(|row| row.standing.eta);
            json!({
                "expected_wait_s": eta.map(|eta| {
                    json!({"p50": eta.p50_ms.div_ceil(1_000), "p90": eta.p90_ms.div_ceil(1_000)})
                }),
                "group": load.group.to_string(),
                "waiting": load.waiting + load.suspended,
                "oldest_waited_ms": load.oldest_waited_ms,
                "agents_online": load.agents_online,
                "free_seats": load.free_seats,
                "seats": load.seats,
            })
        })
        .collect();
    HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": gate.lobby.node.to_string(),
        "visitor_sockets": visitors,
        "agent_sockets": agents,
        "live_conversations_in_memory": gate.desk.conversations.len(),
        "groups": groups,
    }))
}
