//! JSON Web Tokens (RFC 7519), read strictly: the key decides the algorithm, never the token (RFC 8725 section 3.1).
//!
//! Signature, audience and times are checked here; what the other claims mean is the caller's. Time is an argument.

use super::error::TokenError;
use crate::clock::Timestamp;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto, decode, decode_header, encode,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 8_192;
/// How far the clock of who signs may run ahead of ours before `nbf` counts.
const CLOCK_SKEW_MS: u64 = 60_000;

/// The claims of every token, beside those of its kind. Kept as JSON so that a wrong type gets a sentence of ours.
#[derive(Deserialize)]
pub(super) struct Claims<T> {
    aud: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    #[serde(flatten)]
    pub(super) own: T,
}

/// What a token says once it is believed.
pub(super) struct Verified<T> {
    pub(super) own: T,
    pub(super) expires_at: Timestamp,
}

/// Believes `token` if one of `keys` signed it with its own algorithm, for `audience`, and it holds at `now`.
pub(super) fn verify<T: DeserializeOwned>(
    token: &str,
    keys: &[(Algorithm, &DecodingKey)],
    audience: &'static str,
    now: Timestamp,
) -> Result<Verified<T>, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::malformed(format!("it is longer than {MAX_TOKEN_BYTES} bytes")));
    }
    let algorithm = decode_header(token).map_err(|error| header_fault(&error))?.alg;
    let (algorithm, key) =
        keys.iter().find(|(pinned, _)| *pinned == algorithm).ok_or(TokenError::WrongAlgorithm)?;
    let claims = decode::<Claims<T>>(token, key, &signature_only(*algorithm))
        .map_err(|error| body_fault(&error))?
        .claims;
    if !claims.aud.is_some_and(|aud| names(&aud, audience)) {
        return Err(TokenError::WrongAudience { expected: audience });
    }
    let expires_at = match claims.exp {
        Some(exp) => moment("exp", &exp)?,
        None => return Err(TokenError::malformed("it has no `exp`; a token must say when it ends")),
    };
    if now >= expires_at {
        return Err(TokenError::Expired { at: expires_at });
    }
    match claims.nbf.map(|nbf| moment("nbf", &nbf)).transpose()? {
        Some(at) if now.plus_millis(CLOCK_SKEW_MS) < at => Err(TokenError::NotYetValid { at }),
        Some(_) | None => Ok(Verified { own: claims.own, expires_at }),
    }
}

/// A secret as the two sides of HS256.
pub(super) struct SecretKey {
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
}

impl SecretKey {
    pub(super) fn new(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        Self { signing: EncodingKey::from_secret(bytes), verifying: DecodingKey::from_secret(bytes) }
    }
}

/// HMAC with SHA-256 of `secret`, in base64url; the name in front keeps it apart from every token.
pub(super) fn seal(key: &EncodingKey, secret: &str) -> Result<String, TokenError> {
    crypto::sign(format!("seal\0{secret}").as_bytes(), key, Algorithm::HS256)
        .map_err(|error| TokenError::Unsigned { reason: error.to_string() })
}

/// Signs `own` claims with HS256 for `audience`, to hold until `expires_at` (cut to the whole second).
pub(super) fn sign<T: Serialize>(
    own: &T,
    key: &EncodingKey,
    audience: &'static str,
    expires_at: Timestamp,
) -> Result<String, TokenError> {
    #[derive(Serialize)]
    struct Signed<'a, T> {
        aud: &'static str,
        exp: u64,
        #[serde(flatten)]
        own: &'a T,
    }
    let claims = Signed { aud: audience, exp: expires_at.millis() / 1_000, own };
    encode(&Header::new(Algorithm::HS256), &claims, key)
        .map_err(|error| TokenError::Unsigned { reason: error.to_string() })
}

/// The library checks the signature only: its time checks read the wall clock.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// A header that is JSON but cannot be typed names an algorithm that there is not (`none` among them).
fn header_fault(error: &Error) -> TokenError {
    match error.kind() {
        ErrorKind::Json(json) if json.is_data() => TokenError::WrongAlgorithm,
        _ => TokenError::malformed("it is no JSON Web Token"),
    }
}

fn body_fault(error: &Error) -> TokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Forged,
        ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
        ErrorKind::Json(json) => TokenError::malformed(format!("its claims are wrong: {json}")),
        _ => TokenError::malformed("it is no JSON Web Token"),
    }
}

fn names(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(many) => many.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}

/// Reads a NumericDate (seconds since 1970, fractions allowed; RFC 7519 section 2).
fn moment(claim: &str, value: &Value) -> Result<Timestamp, TokenError> {
    if let Some(seconds) = value.as_u64() {
        return Ok(Timestamp::from_millis(seconds.saturating_mul(1_000)));
    }
    match value.as_f64() {
        // Float casts saturate; what is negative was long ago.
        Some(seconds) => Ok(Timestamp::from_millis((seconds * 1_000.0) as u64)),
        None => Err(TokenError::malformed(format!("its `{claim}` must be a number of seconds since 1970"))),
    }
}
