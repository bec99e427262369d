//! What is found outside `/api`: the front page (until there is a console), health, metrics and the sockets; and what
//! a wrong path or method is told there, as a page for people and as problem details for programs.

use super::{Gate, health, reply, socket};
use crate::refusal::Refusal;
use crate::supervisor::actor::QueueView;
use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};
use serde_json::json;

const PAGE: &str = include_str!("front.html");
/// Names no path: what a stranger types does not come back as HTML.
const NOWHERE_PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Rushdesk: not found</title>\
<p>There is nothing here. This is a Rushdesk: see the <a href=\"/\">front page</a> or the \
<a href=\"/api/docs/\">documents</a>.\n";

/// Adds the paths outside `/api`, and the answers to what is none.
pub fn routes(config: &mut ServiceConfig) {
    for (path, get) in [
        ("/", web::get().to(page)),
        ("/livez", probe().to(health::live)),
        ("/readyz", probe().to(health::ready)),
        ("/metrics", web::get().to(health::metrics)),
        ("/ws/visitor", web::get().to(socket::visitor)),
        ("/ws/agent", web::get().to(socket::agent)),
    ] {
        config.service(web::resource(path).route(get).default_service(web::to(get_only)));
    }
    config.default_service(web::to(nowhere));
}

/// Balancers ask with HEAD too.
fn probe() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn get_only(request: HttpRequest) -> HttpResponse {
    reply::wrong_method(request.method(), &["GET"])
}

async fn nowhere(request: HttpRequest) -> HttpResponse {
    let accepted = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepted.is_some_and(|accept| accept.contains("text/html")) {
        return HttpResponse::NotFound()
            .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'"))
            .content_type("text/html; charset=utf-8")
            .body(NOWHERE_PAGE);
    }
    let path = request.path();
    reply::refused(&Refusal::not_found(format!("there is nothing at {path}; see /api/docs/")))
}

/// `GET /`
async fn page() -> HttpResponse {
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
