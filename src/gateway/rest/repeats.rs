//! Requests that come again under the same `Idempotency-Key`: they get the answer of the first one.
//!
//! An answer is kept once the request was carried out; a refused request changed nothing, so its repeat is carried out
//! anew. Messages need none of this: their key is their id in the journal for ever (JR-1).

use super::call::{Call, IDEMPOTENCY_KEY};
use super::route::{Repeat, Route};
use super::serve::Reply;
use crate::desk::administration::document::refused;
use crate::refusal::Refusal;
use crate::store::Remembered;
use actix_web::http::header::IF_MATCH;
use dashmap::DashMap;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// When a repeat should come back whose first request is still under way.
const TRY_AGAIN_MS: u64 = 300;
/// Stands in the store for an answer without a body.
const NO_CONTENT: u16 = 204;

/// Keyed requests that are being carried out, by scope and key.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<DashMap<(String, String), ()>>);

/// A request's place among those under way; free again when it is dropped.
struct Place {
    under_way: UnderWay,
    own: (String, String),
}

impl UnderWay {
    fn enter(&self, scope: &str, key: &str) -> Option<Place> {
        let own = (scope.to_owned(), key.to_owned());
        let fresh = self.0.insert(own.clone(), ()).is_none();
        fresh.then(|| Place { under_way: self.clone(), own })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.0.remove(&self.own);
    }
}

/// Carries the request out, or answers as it was answered before.
///
/// # Errors
/// The handler's refusal; `conflict` where the key stands for another request.
pub(super) async fn answer(route: &'static Route, call: Call) -> Result<Reply, Refusal> {
    let key = call.idempotency_key()?.filter(|_| route.repeat == Repeat::Remembered).map(str::to_owned);
    match key {
        None => (route.handler)(call).await,
        // Goes on when the asker has hung up, so that the repeat finds the answer and not half a change.
        Some(key) => actix_web::rt::spawn(once(route, call, key)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request did not end well");
            Err(Refusal::unavailable("the request did not end well; repeat it", TRY_AGAIN_MS))
        }),
    }
}

async fn once(route: &'static Route, call: Call, key: String) -> Result<Reply, Refusal> {
    let scope = format!("{} {} {}", call.person()?.sender_key(), route.method, call.request.path());
    let digest = digest(&call)?;
    let Some(_place) = call.gate.office.repeats.enter(&scope, &key) else {
        return Err(Refusal::unavailable(
            "the first request with this key is still under way; repeat it",
            TRY_AGAIN_MS,
        ));
    };
    let (own_key, own_scope) = (key.clone(), scope.clone());
    let kept = call
        .block(move |gate| gate.store.recall(&own_key, &own_scope, gate.desk.clock.now()).map_err(refused))
        .await?;
    if let Some(kept) = kept {
        return again(&kept, digest);
    }
    let gate = call.gate.clone();
    let reply = (route.handler)(call).await?;
    let (status, body) = match &reply {
        Reply::Json { status, body } => (status.unwrap_or(route.status), body.as_str()),
        Reply::Nothing => (NO_CONTENT, "null"),
        Reply::Whole(_) => return Ok(reply),
    };
    let answer = Remembered { key, scope, digest, status, body: body.into(), at: gate.desk.clock.now() };
    let store = gate.store.clone();
    match actix_web::web::block(move || store.remember(&answer)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "an answer could not be kept for repeats of its request"),
        Err(error) => tracing::warn!(%error, "an answer could not be kept for repeats of its request"),
    }
    Ok(reply)
}

fn again(kept: &Remembered, digest: u64) -> Result<Reply, Refusal> {
    if kept.digest != digest {
        return Err(Refusal::conflict(format!(
            "this `{IDEMPOTENCY_KEY}` was used for a request with another body; use a new one"
        )));
    }
    if kept.status == NO_CONTENT {
        return Ok(Reply::Nothing);
    }
    Ok(Reply::Json { status: Some(kept.status), body: kept.body.to_string() })
}

/// Secrets in bodies. They go into digests under the desk's own key: a bare digest is quick to compute, so one that is
/// kept would let its reader guess a password at a speed that argon2 is there to prevent.
const SECRETS: [&str; 2] = ["password", "secret"];

fn sealed(call: &Call, secret: &Value) -> Result<String, Refusal> {
    call.gate.lobby.signins.agents.seal(&secret.to_string()).map_err(|error| {
        tracing::error!(%error, "a secret could not be sealed");
        Refusal::unavailable("the request could not be remembered; repeat it", TRY_AGAIN_MS)
    })
}

/// Of what makes two requests the same: body and `If-Match`. Method and path are in the scope.
///
/// # Errors
/// `unavailable` where a secret cannot be sealed.
fn digest(call: &Call) -> Result<u64, Refusal> {
    let mut hash = Sha256::new();
    match serde_json::from_slice::<Value>(&call.body) {
        Ok(Value::Object(mut fields)) => {
            for (name, value) in &mut fields {
                if SECRETS.contains(&name.as_str()) {
                    *value = Value::String(sealed(call, value)?);
                }
            }
            hash.update(Value::Object(fields).to_string());
        }
        Ok(_) | Err(_) => hash.update(&call.body),
    }
    hash.update([0]);
    let condition = call.request.headers().get(IF_MATCH);
    hash.update(condition.map_or(&b""[..], |condition| condition.as_bytes()));
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    Ok(u64::from_be_bytes(first))
}
