//! The way of every request: pace, sign-in, role, body, repeat of an earlier request, handler, answer.

use super::call::Call;
use super::cors;
use super::pace::Whose;
use super::repeats;
use super::route::{Access, Route};
use crate::gateway::{Gate, reply};
use crate::refusal::{Code, Refusal};
use crate::session::signin::SignedIn;
use crate::signin::Role;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Time for a whole body.
const RECEIVED_WITHIN: Duration = Duration::from_secs(30);

/// What a handler answers.
pub(super) enum Reply {
    /// With the route's status, or another one.
    Json {
        status: Option<u16>,
        body: String,
    },
    Nothing,
    /// An answer that is no JSON, or has headers of its own.
    Whole(HttpResponse),
}

impl Reply {
    /// `value`, with the route's status.
    ///
    /// # Errors
    /// `unavailable` where it cannot be written as JSON.
    pub(super) fn ok(value: &impl Serialize) -> Result<Self, Refusal> {
        Ok(Self::Json { status: None, body: json(value)? })
    }

    /// `value`, with another status than the route's.
    ///
    /// # Errors
    /// `unavailable` where it cannot be written as JSON.
    pub(super) fn with_status(status: u16, value: &impl Serialize) -> Result<Self, Refusal> {
        Ok(Self::Json { status: Some(status), body: json(value)? })
    }
}

fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Refusal::unavailable("the answer could not be written; repeat it", 500)
    })
}

/// Answers one request.
pub(super) async fn serve(
    route: &'static Route,
    request: HttpRequest,
    payload: web::Payload,
    gate: web::Data<Gate>,
) -> HttpResponse {
    let origin = cors::allowed(&request, &gate.settings.server.allowed_origins);
    let mut response = respond(route, answer(route, request, payload, gate).await);
    if let Some(origin) = origin {
        cors::let_read(&mut response, origin);
    }
    response
}

fn respond(route: &Route, answered: Result<Reply, Refusal>) -> HttpResponse {
    match answered {
        Ok(Reply::Json { status, body }) => {
            let status = StatusCode::from_u16(status.unwrap_or(route.status)).unwrap_or(StatusCode::OK);
            HttpResponse::build(status)
                .insert_header((CACHE_CONTROL, "no-store"))
                .content_type("application/json")
                .body(body)
        }
        Ok(Reply::Nothing) => HttpResponse::NoContent().finish(),
        Ok(Reply::Whole(response)) => response,
        Err(refusal) => {
            let mut response = reply::refused(&refusal);
            if refusal.code == Code::Unauthenticated {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

async fn answer(
    route: &'static Route,
    request: HttpRequest,
    payload: web::Payload,
    gate: web::Data<Gate>,
) -> Result<Reply, Refusal> {
    let address = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let (requests, now) = (&gate.office.requests, gate.desk.clock.now());
    requests.pass(&Whose::Address(address), "too many requests come from this address", now)?;
    let signed_in = sign_in(route.access, &request, &gate)?;
    if let Some(signed_in) = &signed_in {
        let whose = Whose::Person(signed_in.person.sender_key());
        requests.pass(&whose, "too many requests come from you", now)?;
    }
    let id = if route.names_one() {
        let named = web::Path::<String>::extract(&request).await;
        named.map_err(|error| Refusal::bad_frame(format!("the path: {error}")))?.into_inner()
    } else {
        String::new()
    };
    let (body, payload) = if route.streams {
        (Bytes::new(), Some(payload))
    } else {
        let received =
            tokio::time::timeout(RECEIVED_WITHIN, whole(payload, gate.settings.limits.body_bytes)).await;
        let late =
            |_| Refusal::bad_frame(format!("the body did not come within {} s", RECEIVED_WITHIN.as_secs()));
        (received.map_err(late)??, None)
    };
    repeats::answer(route, Call { gate, signed_in, address, request, id, body, payload }).await
}

/// Who asks, where the route wants to know, and whether they may.
fn sign_in(access: Access, request: &HttpRequest, gate: &Gate) -> Result<Option<SignedIn>, Refusal> {
    if access == Access::Open {
        return Ok(None);
    }
    let token = bearer(request)
        .ok_or_else(|| Refusal::unauthenticated("send `Authorization: Bearer TOKEN`; log in, or sign up"))?;
    let signed_in = gate.signins.anyone(token, &gate.desk.directory(), gate.desk.clock.now())?;
    if let Access::Desk(needed) = access {
        match signed_in.person.agent() {
            Some(agent) if agent.role.may(needed) => {}
            Some(_) => return Err(Refusal::forbidden(lacking(needed))),
            None => return Err(Refusal::forbidden("this is for the desk's agents, not for visitors")),
        }
    }
    Ok(Some(signed_in))
}

const fn lacking(needed: Role) -> &'static str {
    match needed {
        Role::Agent => "this is for agents",
        Role::Supervisor => "this is for supervisors and administrators",
        Role::Admin => "this is for administrators",
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The whole body.
async fn whole(mut payload: web::Payload, most_bytes: usize) -> Result<Bytes, Refusal> {
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| Refusal::bad_frame(format!("the body broke off: {error}")))?;
        if body.len() + piece.len() > most_bytes {
            return Err(Refusal::too_large(format!("a body of at most {most_bytes} bytes is taken")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
