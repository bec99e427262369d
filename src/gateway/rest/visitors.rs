//! Anonymous visitors: a fresh identity and the desk's own token for it.
//!
//! What a stranger says about themselves becomes claims of the token, never its attributes: those are trusted by routing
//! (`docs/PROTOCOL.md`, 11), claims only where a rule takes a visitor's own word.

use super::call::Call;
use super::pace::Whose;
use super::route::{Repeat, Route};
use super::serve::Reply;
use crate::clock::{Timestamp, fresh_uuid};
use crate::ident::ChannelId;
use crate::refusal::Refusal;
use crate::signin::visitor::{MAX_CLAIMS_BYTES, VisitorGrant, claims_bytes};
use crate::wire::rest::{VisitorAnswer, VisitorBody, VisitorResource};
use std::collections::BTreeMap;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/visitors", |call| Box::pin(sign_up(call)))
            .about("Makes an anonymous visitor with a token. A known shopper brings a token of the shop instead.")
            .open()
            .repeat(Repeat::Ignored)
            .created()
            .takes::<VisitorBody>()
            .answers::<VisitorAnswer>(),
    ]
}

async fn sign_up(call: Call) -> Result<Reply, Refusal> {
    let body: VisitorBody = call.read_or_default()?;
    let whose = Whose::Address(call.address);
    let now = call.desk().clock.now();
    call.gate.office.sign_ups.pass(&whose, "too many visitors sign up from this address", now)?;
    let claims = body.attributes.map(|attributes| attributes.0).unwrap_or_default();
    let bytes = claims_bytes(&claims);
    if bytes > MAX_CLAIMS_BYTES {
        return Err(Refusal::too_large(format!(
            "`attributes` hold {bytes} bytes of names and values; a token carries at most {MAX_CLAIMS_BYTES}: name the \
             rest when a conversation is opened"
        )));
    }
    let until = call.desk().clock.now().plus_secs(call.gate.settings.auth.visitor_token_s);
    let grant = VisitorGrant {
        subject: fresh_uuid().to_string(),
        name: body.name.map(Into::into),
        tier: None,
        attributes: BTreeMap::new(),
        claims,
        shop: None,
        issuer: None,
        is_anonymous: true,
        expires_at: Timestamp::from_millis(until.millis() / 1_000 * 1_000),
    };
    let tokens = &call.gate.signins.visitors;
    let token = tokens.sign(&grant).map_err(|error| Refusal::bad_frame(format!("the visitor: {error}")))?;
    let identity = tokens
        .verify(&token, call.desk().clock.now())
        .map_err(|error| Refusal::unavailable(format!("the token does not hold: {error}"), 1_000))?;
    Reply::ok(&VisitorAnswer {
        visitor: VisitorResource {
            id: identity.id,
            name: identity.name,
            shop: identity.shop,
            channel: body.channel.unwrap_or_else(ChannelId::web),
            attributes: identity.claims,
        },
        token,
        expires_at: identity.expires_at,
    })
}
