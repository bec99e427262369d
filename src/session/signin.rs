//! From a token to a person: what a signature says, and whether the desk still honours it.

use crate::clock::Timestamp;
use crate::desk::administration::document::refused;
use crate::desk::directory::Directory;
use crate::desk::directory::record::kind::LOG_OUT;
use crate::desk::person::{Person, SignedInAgent};
use crate::refusal::Refusal;
use crate::signin::TokenError;
use crate::signin::agent::{AgentClaims, AgentTokens};
use crate::signin::visitor::VisitorTokens;
use crate::store::{Change, Edit, Expect, Store, StoreError};
use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Log-outs that are remembered, of tokens that have not expired; beyond it a log-out is refused, since one that is
/// forgotten would let its token in again.
const MOST_LOG_OUTS: usize = 100_000;

/// When a log-out that could not be remembered may be asked for again.
const FULL_AGAIN_MS: u64 = 60_000;

/// Log-outs read at once.
const PAGE: u32 = 500;

/// A log-out as the store keeps it, so that a restart does not undo it; its document's id is the sign-in's.
#[derive(Serialize, Deserialize)]
struct LogOut {
    /// Of the token; nobody needs the log-out after it.
    expires_at: Timestamp,
}

/// Who a token stands for, and what it said of an agent's sign-in.
pub struct SignedIn {
    pub person: Person,
    /// `None` for visitors.
    pub claims: Option<AgentClaims>,
}

/// The keys of the desk, and which sign-ins were logged out before their end.
pub struct SignIns {
    pub visitors: VisitorTokens,
    pub agents: AgentTokens,
    logged_out: DashMap<Uuid, Timestamp>,
    most_log_outs: usize,
}

impl SignIns {
    pub fn new(visitors: VisitorTokens, agents: AgentTokens) -> Self {
        Self { visitors, agents, logged_out: DashMap::new(), most_log_outs: MOST_LOG_OUTS }
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

    /// The visitor or agent behind `token`.
    ///
    /// # Errors
    /// `unauthenticated`, with the reason of the side that the token was meant for.
    pub fn anyone(&self, token: &str, directory: &Directory, now: Timestamp) -> Result<SignedIn, Refusal> {
        let as_agent = match self.agents.verify(token, now) {
            Ok(claims) => {
                let agent = self.honoured(&claims, directory)?;
                return Ok(SignedIn { person: Person::Agent(agent), claims: Some(claims) });
            }
            Err(error) => error,
        };
        match self.visitors.verify(token, now) {
            Ok(visitor) => Ok(SignedIn { person: Person::Visitor(Arc::new(visitor)), claims: None }),
            // Rightly signed by the shop, and meant for something else: the other side's complaint would mislead.
            Err(error @ TokenError::WrongAudience { .. }) if matches!(as_agent, TokenError::Forged) => {
                Err(Refusal::unauthenticated(error.to_string()))
            }
            Err(TokenError::Forged | TokenError::WrongAudience { .. }) => {
                Err(Refusal::unauthenticated(as_agent.to_string()))
            }
            Err(error) => Err(Refusal::unauthenticated(error.to_string())),
        }
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
        let agent = self.honoured(&claims, directory)?;
        Ok((agent, claims))
    }

    fn honoured(&self, claims: &AgentClaims, directory: &Directory) -> Result<SignedInAgent, Refusal> {
        if self.logged_out.contains_key(&claims.sign_in) {
            return Err(Refusal::unauthenticated("this sign-in was logged out; log in again"));
        }
        let profile = directory
            .agent(claims.agent)
            .filter(|profile| !profile.disabled && profile.token_version == claims.version)
            .ok_or_else(|| Refusal::unauthenticated("this sign-in was revoked; log in again"))?;
        Ok(SignedInAgent { id: profile.id, name: profile.name.clone(), role: profile.role })
    }

    /// Whether a sign-in that was honoured before still is: not expired, not logged out, not revoked.
    pub fn still_holds(&self, claims: &AgentClaims, directory: &Directory, now: Timestamp) -> bool {
        let honoured = directory
            .agent(claims.agent)
            .is_some_and(|profile| !profile.disabled && profile.token_version == claims.version);
        honoured && claims.expires_at > now && !self.logged_out.contains_key(&claims.sign_in)
    }

    /// Ends one sign-in, here and for later starts. Blocking.
    ///
    /// # Errors
    /// `overloaded`: too many log-outs are remembered, and the sign-in holds. `unavailable`: the store cannot be
    /// written, and the sign-in, ended here, holds again after a restart.
    pub fn log_out(&self, claims: &AgentClaims, store: &dyn Store, now: Timestamp) -> Result<(), Refusal> {
        if !self.note(claims.sign_in, claims.expires_at, now) {
            return Err(Refusal::overloaded(
                "no more log-outs can be remembered until others' tokens expire, and this sign-in still holds: \
                 log out later, or set a new password, which ends all of an agent's sign-ins",
                FULL_AGAIN_MS,
            ));
        }
        let body = serde_json::to_string(&LogOut { expires_at: claims.expires_at })
            .map_err(|error| refused(StoreError::Unavailable { reason: error.to_string() }))?;
        let author = claims.agent.to_string();
        let edit = Edit { author: &author, at: now, expect: Expect::Anything };
        store.put(LOG_OUT, &claims.sign_in.to_string(), &body, edit).map(drop).map_err(refused)
    }

    /// Reads the log-outs of earlier starts, and removes those whose tokens have expired. Blocking.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn remember(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let mut after: Option<String> = None;
        loop {
            let page = store.list(LOG_OUT, after.as_deref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
            for document in &page {
                let log_out = serde_json::from_str::<LogOut>(&document.body).ok();
                let live = log_out.filter(|log_out| log_out.expires_at > now);
                match (live, Uuid::try_parse(&document.id)) {
                    (Some(log_out), Ok(sign_in)) => self.take_over(sign_in, log_out.expires_at, now),
                    _ => {
                        let edit = Edit { author: "upkeep", at: now, expect: Expect::Anything };
                        store.delete(LOG_OUT, &document.id, edit)?;
                    }
                }
            }
        }
    }

    /// Takes over a log-out that another process has written; other changes are not looked at.
    pub fn hear_of(&self, change: &Change, now: Timestamp) {
        if change.kind != LOG_OUT {
            return;
        }
        // A log-out without a body was removed because its token has expired.
        let log_out = change.body.as_deref().and_then(|body| serde_json::from_str::<LogOut>(body).ok());
        if let (Some(log_out), Ok(sign_in)) = (log_out, Uuid::try_parse(&change.id)) {
            self.take_over(sign_in, log_out.expires_at, now);
        }
    }

    fn take_over(&self, sign_in: Uuid, expires_at: Timestamp, now: Timestamp) {
        if expires_at > now && !self.note(sign_in, expires_at, now) {
            tracing::error!(%sign_in, "too many log-outs: this one holds only where it was asked for");
        }
    }

    /// Whether it is remembered.
    fn note(&self, sign_in: Uuid, expires_at: Timestamp, now: Timestamp) -> bool {
        if self.logged_out.len() >= self.most_log_outs {
            self.logged_out.retain(|_, expires_at| *expires_at > now);
        }
        let fits = self.logged_out.len() < self.most_log_outs || self.logged_out.contains_key(&sign_in);
        if fits {
            self.logged_out.insert(sign_in, expires_at);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::AgentId;
    use crate::refusal::Code;
    use crate::signin::Role;
    use crate::store::memory::MemoryStore;

    fn signins() -> SignIns {
        let secret = "0123456789abcdef0123456789abcdef";
        SignIns::new(VisitorTokens::new(secret, None), AgentTokens::new("fedcba9876543210fedcba9876543210"))
    }

    fn claims(number: u128, expires_at: Timestamp) -> AgentClaims {
        AgentClaims {
            agent: AgentId::from_u128(1),
            sign_in: Uuid::from_u128(number),
            version: 1,
            role: Role::Agent,
            expires_at,
        }
    }

    #[test]
    fn a_log_out_that_cannot_be_remembered_is_refused_until_others_expire() {
        let (store, now) = (MemoryStore::new(), Timestamp::from_millis(1_000));
        let signins = SignIns { most_log_outs: 2, ..signins() };
        for number in 1..=2 {
            signins.log_out(&claims(number, now.plus_secs(10)), &store, now).unwrap();
        }
        let third = claims(3, now.plus_secs(100));
        let refused = signins.log_out(&third, &store, now).unwrap_err();
        assert_eq!(refused.code, Code::Overloaded, "{refused}");
        assert_eq!(store.list(LOG_OUT, None, 9).unwrap().len(), 2, "what is refused is not written");
        assert_eq!(signins.log_out(&claims(1, now.plus_secs(10)), &store, now), Ok(()), "it ended before");
        signins.log_out(&third, &store, now.plus_secs(11)).unwrap();
        assert!(signins.logged_out.contains_key(&third.sign_in));
    }

    #[test]
    fn a_log_out_at_another_process_is_heard_of_and_other_changes_are_not_looked_at() {
        let (store, now) = (MemoryStore::new(), Timestamp::from_millis(1_000));
        let (there, here) = (signins(), signins());
        there.log_out(&claims(1, now.plus_secs(10)), &store, now).unwrap();
        let edit = Edit { author: "li", at: now, expect: Expect::Anything };
        let body = serde_json::to_string(&LogOut { expires_at: now.plus_secs(10) }).unwrap();
        store.put("tag", &Uuid::from_u128(2).to_string(), &body, edit).unwrap();
        store.changes_since(0, 10).unwrap().iter().for_each(|change| here.hear_of(change, now));
        let known: Vec<_> = here.logged_out.iter().map(|entry| *entry.key()).collect();
        assert_eq!(known, [Uuid::from_u128(1)]);
    }

    #[test]
    fn a_log_out_survives_a_restart_until_the_token_expires() {
        let store = MemoryStore::new();
        let now = Timestamp::from_millis(1_000);
        let before = signins();
        before.log_out(&claims(1, now.plus_secs(10)), &store, now).unwrap();
        before.log_out(&claims(2, now.plus_secs(100)), &store, now).unwrap();
        let after = signins();
        after.remember(&store, now.plus_secs(50)).unwrap();
        assert!(!after.logged_out.contains_key(&Uuid::from_u128(1)), "its token has expired");
        assert!(after.logged_out.contains_key(&Uuid::from_u128(2)));
        assert_eq!(store.list(LOG_OUT, None, 10).unwrap().len(), 1);
    }
}
