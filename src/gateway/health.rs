//! What operators and load balancers ask: is the process alive, does it take work, what does it count.

use super::Gate;
use crate::journal::{Answer, Query};
use crate::supervisor::actor::AskCounters;
use crate::wire::server::Durability;
use actix_web::{HttpResponse, web};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the store may take to answer a readiness probe.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// How long routing may take to tell its counts; a scrape without them is better than none.
const ROUTING_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// `GET /livez`: the process answers; the store is never touched.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// `GET /readyz`: the store is reachable, everything has been read, and the node is not going away; which part fails
/// stands in the body.
pub async fn ready(gate: web::Data<Gate>) -> HttpResponse {
    let store = store_answers(&gate).await && gate.desk.journal.takes_writes();
    // A node alone owns every slot as soon as it has read what is in them; one among others is handed its share.
    let started = gate.readiness.is_started() && gate.desk.conversations.placement().here() > 0;
    // Without the bus nodes read the log from the store: slower, and no reason to send shoppers elsewhere.
    let bus = gate.metrics.way.as_ref().map(|way| way.exchange.carries());
    let draining = gate.readiness.is_draining();
    // A full disk leaves the desk readable and refuses every write: no place to send shoppers to.
    let read_only =
        gate.metrics.journal.as_ref().is_some_and(|journal| journal.read_only.load(Ordering::Relaxed));
    // No reason to send shoppers elsewhere: nobody has what is lost. But it must be seen wherever one looks.
    let lost = gate.metrics.journal.as_ref().map_or(0, |journal| journal.lost.load(Ordering::Relaxed));
    let routing = gate.desk.supervisor.is_there();
    let ready = store && !read_only && routing && started && !draining;
    let part = |fine: bool, otherwise: &'static str| if fine { "ok" } else { otherwise };
    let mut body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "node": gate.lobby.node.to_string(),
        "durability": Durability::from(gate.desk.journal.durability()),
        "parts": {
            "store": if read_only { "read_only" } else { part(store, "unreachable") },
            "routing": part(routing, "restarting"),
            "slots": part(started, "not_owned"),
            "drain": part(!draining, "draining"),
        },
    });
    if let Some(parts) = body.get_mut("parts").and_then(|parts| parts.as_object_mut()) {
        if let Some(carries) = bus {
            parts.insert("bus".to_owned(), json!(part(carries, "silent")));
        }
        if lost > 0 {
            parts.insert("history".to_owned(), json!(format!("lost {lost} entries")));
        }
    }
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn store_answers(gate: &web::Data<Gate>) -> bool {
    let (tell, told) = tokio::sync::oneshot::channel();
    gate.desk.ask(Query::Totals, move |answer| {
        let fine = matches!(answer, Ok(Answer::Totals(_)));
        if tell.send(fine).is_err() {
            tracing::debug!("a readiness probe did not wait for the store");
        }
    });
    matches!(tokio::time::timeout(STORE_ANSWERS_WITHIN, told).await, Ok(Ok(true)))
}

/// `GET /metrics`: Prometheus text.
pub async fn metrics(gate: web::Data<Gate>) -> HttpResponse {
    let supervisors = &gate.desk.supervisor;
    let mut asked = Vec::new();
    for domain in supervisors.own_domains() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let answer = Box::new(move |counts| {
            if tell.send(counts).is_err() {
                tracing::debug!("a scrape did not wait for routing");
            }
        });
        if supervisors.tell_here(&domain, AskCounters { answer }).is_ok() {
            asked.push((domain, told));
        }
    }
    let deadline = tokio::time::Instant::now() + ROUTING_ANSWERS_WITHIN;
    let mut routing = Vec::new();
    for (domain, told) in asked {
        if let Ok(Ok(counts)) = tokio::time::timeout_at(deadline, told).await {
            routing.push((domain, counts));
        }
    }
    match gate.metrics.render(&gate, &routing) {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
