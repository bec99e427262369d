//! Agents' sign-ins: tokens that the desk signs for itself after a log-in.

use super::error::TokenError;
use super::jwt::{self, SecretKey};
use super::role::Role;
use crate::clock::Timestamp;
use crate::ident::AgentId;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Other than the visitors' audience, so that no visitor's token could ever pass here, even under one secret.
const AUDIENCE: &str = "rushdesk-agent";

/// What an agent's token says. It is believed only while the store agrees: the sign-in was not logged out, the
/// agent's version is still this one, the agent is not disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentClaims {
    pub agent: AgentId,
    /// This log-in; logging out revokes it alone.
    pub sign_in: Uuid,
    /// Rises when the agent is disabled, or password or role change; that revokes all earlier tokens.
    pub version: u64,
    pub role: Role,
    pub expires_at: Timestamp,
}

/// Signs and verifies agents' tokens over one secret.
pub struct AgentTokens {
    key: SecretKey,
}

#[derive(Serialize, Deserialize)]
struct Body {
    sub: String,
    jti: String,
    ver: u64,
    role: String,
}

impl AgentTokens {
    /// `secret`: `auth.token_secret`, or the one that the store keeps.
    pub fn new(secret: &str) -> Self {
        Self { key: SecretKey::new(secret) }
    }

    /// Signs a token; its end is cut to the whole second.
    ///
    /// # Errors
    /// `Unsigned` where signing fails.
    pub fn sign(&self, claims: &AgentClaims) -> Result<String, TokenError> {
        let body = Body {
            sub: claims.agent.to_string(),
            jti: claims.sign_in.to_string(),
            ver: claims.version,
            role: claims.role.to_string(),
        };
        jwt::sign(&body, &self.key.signing, AUDIENCE, claims.expires_at)
    }

    /// A keyed digest (HMAC with SHA-256) of a secret, for telling whether two are the same without keeping either.
    ///
    /// # Errors
    /// `Unsigned` where it cannot be computed.
    pub fn seal(&self, secret: &str) -> Result<String, TokenError> {
        jwt::seal(&self.key.signing, secret)
    }

    /// Reads a token that was signed here and holds at `now`.
    ///
    /// # Errors
    /// Why the token is not honoured.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<AgentClaims, TokenError> {
        let verified = jwt::verify::<Body>(token, &[(Algorithm::HS256, &self.key.verifying)], AUDIENCE, now)?;
        let body = verified.own;
        Ok(AgentClaims {
            agent: body.sub.parse().map_err(|error| TokenError::malformed(format!("{error}")))?,
            sign_in: Uuid::try_parse(&body.jti)
                .map_err(|error| TokenError::malformed(format!("its `jti`: {error}")))?,
            version: body.ver,
            role: body.role.parse().map_err(|error: String| TokenError::malformed(error))?,
            expires_at: verified.expires_at,
        })
    }
}
