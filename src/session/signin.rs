//! From a token to a person: what a signature says, and whether the desk still honours it.

use crate::clock::Timestamp;
use crate::desk::directory::Directory;
use crate::desk::person::{Person, SignedInAgent};
use crate::refusal::Refusal;
use crate::signin::agent::{AgentClaims, AgentTokens};
use crate::signin::visitor::VisitorTokens;
use dashmap::DashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Log-outs that are remembered; beyond it those that expire first are forgotten (their agents sign in again anyway).
const MOST_LOG_OUTS: usize = 100_000;

/// The keys of the desk, and who has logged out since the start.
pub struct SignIns {
    pub visitors: VisitorTokens,
    pub agents: AgentTokens,
    logged_out: DashMap<Uuid, Timestamp>,
}

impl SignIns {
    pub fn new(visitors: VisitorTokens, agents: AgentTokens) -> Self {
        Self { visitors, agents, logged_out: DashMap::new() }
    }

    /// The visitor behind `token`.
    ///
    /// # Errors
    /// `unauthenticated`, with the reason.
    pub fn visitor(&self, token: &str, now: Timestamp) -> Result<Person, Refusal> {
        let identity =
            self.visitors.verify(token, now).map_err(|error| Refusal::unauthenticated(error.to_string()))?;
        Ok(Person::Visitor(Arc::new(identity)))
    }

    /// The agent behind `token`, with the role that the desk has for them now.
    ///
    /// # Errors
    /// `unauthenticated`, with the reason.
    pub fn agent(
        &self,
        token: &str,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<(SignedInAgent, AgentClaims), Refusal> {
        let claims =
            self.agents.verify(token, now).map_err(|error| Refusal::unauthenticated(error.to_string()))?;
        if self.logged_out.contains_key(&claims.sign_in) {
            return Err(Refusal::unauthenticated("this sign-in was logged out; log in again"));
        }
        let profile = directory
            .agent(claims.agent)
            .filter(|profile| !profile.disabled && profile.token_version == claims.version)
            .ok_or_else(|| Refusal::unauthenticated("this sign-in was revoked; log in again"))?;
        let agent = SignedInAgent { id: profile.id, name: profile.name.clone(), role: profile.role };
        Ok((agent, claims))
    }

    /// Ends one sign-in.
    pub fn log_out(&self, claims: &AgentClaims, now: Timestamp) {
        if self.logged_out.len() >= MOST_LOG_OUTS {
            self.logged_out.retain(|_, expires_at| *expires_at > now);
        }
        if self.logged_out.len() < MOST_LOG_OUTS {
            self.logged_out.insert(claims.sign_in, claims.expires_at);
        }
    }
}
