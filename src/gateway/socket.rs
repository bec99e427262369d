//! The WebSocket upgrade: who may connect at all, before a byte of a frame is read.

use super::Gate;
use super::reply;
use crate::clock::fresh_uuid;
use crate::ident::SessionId;
use crate::refusal::Refusal;
use crate::session::actor::SessionActor;
use crate::session::guard::{Backlog, Guarded};
use crate::session::lobby::Endpoint;
use actix_web::http::header::ORIGIN;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The protocol that clients name in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "rushdesk.v1";
/// How often a busy node should be tried again.
const TRY_AGAIN_MS: u64 = 2_000;

/// `GET /ws/visitor`
pub async fn visitor(request: HttpRequest, payload: web::Payload, gate: web::Data<Gate>) -> HttpResponse {
    upgrade(&request, payload, &gate, Endpoint::Visitor)
}

/// `GET /ws/agent`
pub async fn agent(request: HttpRequest, payload: web::Payload, gate: web::Data<Gate>) -> HttpResponse {
    upgrade(&request, payload, &gate, Endpoint::Agent)
}

fn upgrade(
    request: &HttpRequest,
    payload: web::Payload,
    gate: &web::Data<Gate>,
    endpoint: Endpoint,
) -> HttpResponse {
    if let Err(refusal) = origin_allowed(request, &gate.settings.server.allowed_origins) {
        return reply::refused(&refusal);
    }
    if gate.readiness.is_draining() {
        return reply::refused(&Refusal::unavailable(
            "this node is going away; connect to another",
            TRY_AGAIN_MS,
        ));
    }
    let address = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let Some(seat) = gate.threshold.enter(address) else {
        return reply::refused(&Refusal::rate_limited(
            "too many sockets are open from this address",
            TRY_AGAIN_MS,
        ));
    };
    let session = SessionId::from_uuid(fresh_uuid());
    let backlog = Arc::new(Backlog::default());
    let actor = SessionActor::new(session, endpoint, gate.lobby.clone(), backlog.clone(), Box::new(seat));
    let frame_bytes = gate.settings.limits.frame_bytes;
    let guarded = Guarded::new(payload, frame_bytes, backlog, gate.lobby.meters.clone());
    // The codec's own limit lies above the guard's, so that the guard alone decides.
    let response = ws::WsResponseBuilder::new(actor, request, guarded)
        .codec(actix_http::ws::Codec::new().max_size(frame_bytes.saturating_add(1)))
        .protocols(&[SUBPROTOCOL])
        .start();
    response.unwrap_or_else(|error| {
        tracing::debug!(%error, "an upgrade failed");
        let sentence = format!("this is a WebSocket endpoint: {error}");
        reply::refused(&Refusal::bad_frame(sentence))
    })
}

/// Browsers name their page's origin; other clients name none and are let in (protocol 11).
fn origin_allowed(request: &HttpRequest, allowed: &[String]) -> Result<(), Refusal> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let own = request.connection_info().host().to_owned();
    let same_host = origin.split_once("://").is_some_and(|(_, host)| host == own);
    if same_host || allowed.iter().any(|entry| entry == "*" || entry == origin) {
        return Ok(());
    }
    Err(Refusal::forbidden(format!("pages of {origin} may not connect; add it to server.allowed_origins")))
}
