//! Agents: added, changed and removed; passwords hashed, older sign-ins revoked.
//!
//! Hashing takes tens of milliseconds on purpose, so it is a step of its own (`hash`), before a change takes its turn;
//! callers bound how many hash at once. Refuses to leave the desk without an administrator.

use super::document::{Editor, every, parsed, refused, unknown, write};
use super::groups::set;
use super::{Administration, kind};
use crate::clock::fresh_uuid;
use crate::desk::directory::record::AgentRecord;
use crate::ident::AgentId;
use crate::refusal::Refusal;
use crate::routing::{Agent, Input};
use crate::signin::password::{self, PasswordError};
use crate::store::{Edit, Expect};
use crate::wire::rest::{AgentBody, AgentPatch, GroupResource};
use crate::wire::server::Role;
use std::sync::Arc;

const NOUN: &str = "agent";

impl Administration {
    /// Adds an agent; `password_hash` is what `hash` made of `body.password`.
    ///
    /// # Errors
    /// `conflict` where the login is taken, what is wrong with the request, `unavailable`.
    pub fn add_agent(
        &self,
        body: AgentBody,
        password_hash: String,
        editor: Editor<'_>,
    ) -> Result<AgentRecord, Refusal> {
        let agents = self.agents()?;
        if agents.iter().any(|agent| *agent.login == *body.login) {
            return Err(Refusal::conflict(format!(
                "there is an agent with the login `{}` already; choose another login",
                &*body.login
            )));
        }
        let record = AgentRecord {
            id: AgentId::from_uuid(fresh_uuid()),
            login: body.login.into(),
            name: body.name.into(),
            role: body.role,
            groups: body.groups,
            skills: body.skills,
            languages: body.languages.into_iter().map(Into::into).collect(),
            capacity: body.capacity.unwrap_or(self.settings.routing.capacity),
            disabled: false,
            password_hash,
            token_version: 1,
        };
        self.check_agent(&record)?;
        self.write_agent(&record, Expect::Absent, editor)?;
        Ok(record)
    }

    /// Changes an agent; a new password or role, and being disabled, revoke all earlier sign-ins. `password_hash` is what
    /// `hash` made of `patch.password`; `patch.presence` is not configuration and left to the caller.
    ///
    /// # Errors
    /// `not_found`, `conflict` for the last administrator, what is wrong with the request, `unavailable`.
    pub fn change_agent(
        &self,
        id: AgentId,
        patch: AgentPatch,
        password_hash: Option<String>,
        editor: Editor<'_>,
    ) -> Result<AgentRecord, Refusal> {
        let (before, version) = self.find_agent(id)?;
        let mut record = before.clone();
        set(&mut record.name, patch.name.map(Into::into));
        set(&mut record.role, patch.role);
        set(&mut record.groups, patch.groups);
        set(&mut record.skills, patch.skills);
        set(&mut record.languages, patch.languages.map(|all| all.into_iter().map(Into::into).collect()));
        set(&mut record.capacity, patch.capacity);
        set(&mut record.disabled, patch.disabled);
        self.check_agent(&record)?;
        if record.disabled || record.role != Role::Admin {
            self.must_not_be_last_admin(&before)?;
        }
        set(&mut record.password_hash, password_hash);
        let revoked = record.password_hash != before.password_hash
            || record.role != before.role
            || (record.disabled && !before.disabled);
        if revoked {
            record.token_version += 1;
        }
        self.write_agent(&record, Expect::Version(version), editor)?;
        Ok(record)
    }

    /// Removes an agent; what they said stays.
    ///
    /// # Errors
    /// `not_found`, `conflict` for the last administrator, `unavailable`.
    pub fn remove_agent(&self, id: AgentId, editor: Editor<'_>) -> Result<(), Refusal> {
        let (record, version) = self.find_agent(id)?;
        self.must_not_be_last_admin(&record)?;
        let edit = Edit { author: editor.name, at: editor.at, expect: Expect::Version(version) };
        self.store.delete(kind::AGENT, &id.to_string(), edit).map_err(refused)
    }

    /// All agents by id.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn agents(&self) -> Result<Vec<AgentRecord>, Refusal> {
        every(&*self.store, kind::AGENT).map_err(refused)?.iter().map(parsed).collect()
    }

    /// Takes a group out of every agent's groups.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn leave_group(&self, group: &crate::ident::GroupId, editor: Editor<'_>) -> Result<(), Refusal> {
        for mut record in self.agents()?.into_iter().filter(|agent| agent.groups.contains(group)) {
            record.groups.retain(|own| own != group);
            self.write_agent(&record, Expect::Anything, editor)?;
        }
        Ok(())
    }

    fn find_agent(&self, id: AgentId) -> Result<(AgentRecord, u64), Refusal> {
        let name = id.to_string();
        let document = self.store.get(kind::AGENT, &name).map_err(refused)?;
        let document = document.ok_or_else(|| unknown(NOUN, &name))?;
        Ok((parsed(&document)?, document.version))
    }

    fn write_agent(&self, record: &AgentRecord, expect: Expect, editor: Editor<'_>) -> Result<(), Refusal> {
        let edit = Edit { author: editor.name, at: editor.at, expect };
        write(&*self.store, (kind::AGENT, NOUN), &record.id.to_string(), record, edit)
    }

    fn check_agent(&self, record: &AgentRecord) -> Result<(), Refusal> {
        let most = Agent::MAX_CAPACITY;
        if !(1..=most).contains(&record.capacity) {
            return Err(Refusal::bad_frame(format!(
                "`capacity`: 1 to {most} seats are taken, not {}; to give an agent no work, set them away or disable them",
                record.capacity
            )));
        }
        for group in &record.groups {
            self.must_know_group(group)?;
        }
        let groups = self.all::<GroupResource>()?;
        Self::must_be_of_one_domain(&record.groups, &groups)?;
        let agent = Agent {
            id: record.id,
            groups: record.groups.clone(),
            skills: record.skills.iter().map(|(skill, level)| (skill.clone(), (*level).into())).collect(),
            languages: record.languages.iter().map(|language| Arc::from(language.as_str())).collect(),
            capacity: record.capacity,
        };
        self.try_in_routing(&groups, Input::AgentUpserted(Box::new(agent)))
    }

    fn must_not_be_last_admin(&self, record: &AgentRecord) -> Result<(), Refusal> {
        if record.role != Role::Admin || record.disabled {
            return Ok(());
        }
        let another =
            |agent: &AgentRecord| agent.id != record.id && agent.role == Role::Admin && !agent.disabled;
        if self.agents()?.iter().any(another) {
            return Ok(());
        }
        Err(Refusal::conflict("this is the last administrator; make another one first"))
    }

    /// What is stored of a password.
    ///
    /// # Errors
    /// `bad_frame` for one that is empty or too long, `unavailable` where it cannot be hashed.
    pub fn hash(&self, password: &str) -> Result<String, Refusal> {
        if password::is_short(password) {
            tracing::warn!("a password of fewer than {} characters was set", password::GOOD_PASSWORD_CHARS);
        }
        let hashed = password::check(password)
            .and_then(|()| password::hash(password, self.settings.auth.password_cost()));
        hashed.map_err(|error| match error {
            PasswordError::Empty | PasswordError::TooLong => {
                Refusal::bad_frame(format!("`password`: {error}"))
            }
            _ => {
                tracing::error!(%error, "a password could not be hashed");
                Refusal::unavailable("the password could not be hashed; repeat it", 1_000)
            }
        })
    }
}
