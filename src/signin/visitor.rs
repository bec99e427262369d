//! Visitors' tokens: signed by the desk for anonymous visitors, or by the shop for its customers.
//!
//! Two keys may be known, each pinned to its algorithm: the secret (HS256) and the shop's public key (RS256 for RSA,
//! EdDSA for Ed25519). A token that names an algorithm is checked with the key of that algorithm or not at all.

use super::error::TokenError;
use super::jwt::{self, SecretKey};
use super::scope;
use crate::clock::Timestamp;
use crate::ident::{ShopId, VisitorId};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What every visitor's token must name as `aud`.
pub const AUDIENCE: &str = "rushdesk";
/// Bounds of what a token may say about a visitor.
const MAX_NAME_CHARS: usize = 200;
const MAX_TIER_CHARS: usize = 64;
const MAX_ATTRIBUTES: usize = 32;
/// As `open` takes them, so that what a visitor may claim there may stand in a token.
const MAX_ATTRIBUTE_NAME_CHARS: usize = 128;
const MAX_ATTRIBUTE_CHARS: usize = 512;
/// Names and values of a token's claims in UTF-8: with it a token stays below what a connection takes.
pub const MAX_CLAIMS_BYTES: usize = 2_048;
/// DER of a 2048-bit RSA key is at least as long as its modulus.
const MIN_RSA_DER_BYTES: usize = 256;

/// A visitor as the bearer of a verified token. All of it but the claims is trusted: the shop, or the desk, signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorIdentity {
    pub id: VisitorId,
    pub shop: ShopId,
    pub name: Option<String>,
    pub tier: Option<String>,
    /// Numbers and truth values in their JSON spelling.
    pub attributes: BTreeMap<String, String>,
    /// What the visitor said of themselves at the sign-up: signed so that it is carried, never so that it is believed.
    pub claims: BTreeMap<String, String>,
    /// The desk signed them in itself, without knowing anything of them.
    pub is_anonymous: bool,
    pub expires_at: Timestamp,
}

/// What a token shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorGrant {
    /// The visitor's id within its scope (see `scope`).
    pub subject: String,
    pub name: Option<String>,
    pub tier: Option<String>,
    pub attributes: BTreeMap<String, String>,
    /// Carried without being vouched for; at most `MAX_CLAIMS_BYTES`.
    pub claims: BTreeMap<String, String>,
    pub shop: Option<ShopId>,
    pub issuer: Option<String>,
    /// Nobody vouches for them.
    pub is_anonymous: bool,
    pub expires_at: Timestamp,
}

/// A shop's public key, with the one algorithm that it is for.
#[derive(Debug, Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl PublicKey {
    /// Reads a public key in PEM: RSA of at least 2048 bits, or Ed25519.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let needed = "an RSA or Ed25519 public key in PEM is needed (-----BEGIN PUBLIC KEY-----)";
        if pem.contains("PRIVATE KEY") {
            return Err(format!("is a private key, which must stay with the shop; {needed}"));
        }
        if !pem.contains("BEGIN PUBLIC KEY") && !pem.contains("BEGIN RSA PUBLIC KEY") {
            return Err(format!("is no public key; {needed}"));
        }
        if let Ok(key) = DecodingKey::from_rsa_pem(pem.as_bytes()) {
            let der_bytes = key.try_get_as_bytes().map_or(0, <[u8]>::len);
            if der_bytes < MIN_RSA_DER_BYTES {
                return Err("is an RSA key of less than 2048 bits; make a longer one".to_owned());
            }
            return Ok(Self { algorithm: Algorithm::RS256, key });
        }
        match DecodingKey::from_ed_pem(pem.as_bytes()) {
            Ok(key) => Ok(Self { algorithm: Algorithm::EdDSA, key }),
            Err(_) => Err(format!("cannot be read as a key; {needed}")),
        }
    }
}

/// Signs and verifies visitors' tokens.
pub struct VisitorTokens {
    key: SecretKey,
    public: Option<PublicKey>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    claims: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anonymous: bool,
}

impl VisitorTokens {
    /// `secret`: `auth.visitor_secret`, or the one that the store keeps; `public`: `auth.visitor_public_key`.
    pub fn new(secret: &str, public: Option<PublicKey>) -> Self {
        Self { key: SecretKey::new(secret), public }
    }

    /// Signs a token with the secret (HS256); its end is cut to the whole second.
    ///
    /// # Errors
    /// The grant says something that `verify` would refuse, or signing fails.
    pub fn sign(&self, grant: &VisitorGrant) -> Result<String, TokenError> {
        let json = |said: &BTreeMap<String, String>| {
            said.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
        };
        let body = Body {
            sub: Some(grant.subject.clone()),
            name: grant.name.clone(),
            tier: grant.tier.clone(),
            attributes: json(&grant.attributes),
            claims: json(&grant.claims),
            shop: grant.shop.as_ref().map(ToString::to_string),
            iss: grant.issuer.clone(),
            anonymous: grant.is_anonymous,
        };
        let token = jwt::sign(&body, &self.key.signing, AUDIENCE, grant.expires_at)?;
        identity(body, grant.expires_at)?;
        Ok(token)
    }

    /// Reads a token that one of the known keys signed and that holds at `now`.
    ///
    /// # Errors
    /// Why the token is not honoured.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<VisitorIdentity, TokenError> {
        let mut keys = vec![(Algorithm::HS256, &self.key.verifying)];
        keys.extend(self.public.as_ref().map(|public| (public.algorithm, &public.key)));
        let verified = jwt::verify::<Body>(token, &keys, AUDIENCE, now)?;
        identity(verified.own, verified.expires_at)
    }
}

fn identity(body: Body, expires_at: Timestamp) -> Result<VisitorIdentity, TokenError> {
    let unfit = |error: &dyn std::fmt::Display| TokenError::malformed(error.to_string());
    let Some(subject) = body.sub.filter(|subject| !subject.is_empty()) else {
        return Err(TokenError::malformed("it has no `sub`; a token must say whose it is"));
    };
    let shop = match body.shop {
        Some(shop) => ShopId::new(&shop).map_err(|error| unfit(&error))?,
        None => ShopId::default_shop(),
    };
    if body.iss.as_ref().is_some_and(String::is_empty) {
        return Err(TokenError::malformed("its `iss` is empty; leave it out or name who signs"));
    }
    let id = scope::visitor_id(&subject, body.iss.as_deref(), &shop).map_err(|error| unfit(&error))?;
    Ok(VisitorIdentity {
        id,
        shop,
        name: bounded("name", body.name, MAX_NAME_CHARS)?,
        tier: bounded("tier", body.tier, MAX_TIER_CHARS)?,
        attributes: attributes(body.attributes)?,
        claims: claims(body.claims)?,
        is_anonymous: body.anonymous,
        expires_at,
    })
}

fn bounded(claim: &str, text: Option<String>, max_chars: usize) -> Result<Option<String>, TokenError> {
    match text {
        Some(text) if text.chars().count() > max_chars => {
            Err(TokenError::malformed(format!("its `{claim}` is longer than {max_chars} characters")))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(TokenError::malformed(format!("its `{claim}` holds control characters")))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

fn attributes(claimed: Map<String, Value>) -> Result<BTreeMap<String, String>, TokenError> {
    if claimed.len() > MAX_ATTRIBUTES {
        return Err(TokenError::malformed(format!("it has more than {MAX_ATTRIBUTES} attributes")));
    }
    claimed
        .into_iter()
        .map(|(name, value)| Ok((attribute_name(&name)?, attribute_text(&name, value)?)))
        .collect()
}

fn claims(claimed: Map<String, Value>) -> Result<BTreeMap<String, String>, TokenError> {
    let claims = attributes(claimed)?;
    let bytes = claims_bytes(&claims);
    if bytes > MAX_CLAIMS_BYTES {
        return Err(TokenError::malformed(format!(
            "its `claims` hold {bytes} bytes of names and values; at most {MAX_CLAIMS_BYTES} are carried"
        )));
    }
    Ok(claims)
}

/// What counts against `MAX_CLAIMS_BYTES`.
pub fn claims_bytes(claims: &BTreeMap<String, String>) -> usize {
    claims.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn attribute_name(name: &str) -> Result<String, TokenError> {
    if name.is_empty() || name.chars().count() > MAX_ATTRIBUTE_NAME_CHARS {
        return Err(TokenError::malformed(format!(
            "the name of an attribute must have 1 to {MAX_ATTRIBUTE_NAME_CHARS} characters"
        )));
    }
    Ok(name.to_owned())
}

fn attribute_text(name: &str, value: Value) -> Result<String, TokenError> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(TokenError::malformed(format!(
                "its attribute `{name}` must be a text, a number, true or false"
            )));
        }
    };
    if text.chars().count() > MAX_ATTRIBUTE_CHARS {
        return Err(TokenError::malformed(format!(
            "its attribute `{name}` is longer than {MAX_ATTRIBUTE_CHARS} characters"
        )));
    }
    Ok(text)
}
