//! Setting a desk up over its REST door, as an administrator would: groups and agents for the play.

use super::http::{Ask, Http, HttpError, text_at};
use super::plan::SignIn;
use super::stage::{Note, Record};
use super::target::Target;
use crate::clock::{Clock, SystemClock};
use crate::ident::AgentId;
use serde_json::{Value, json};

/// An administrator at the REST door.
#[derive(Debug)]
pub struct Administrator {
    http: Http,
    token: String,
}

/// Agents to hire, all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff<'a> {
    pub count: u64,
    /// In front of each one's number; makes the login.
    pub name: &'a str,
    pub groups: &'a [&'a str],
    /// In seats.
    pub capacity: u32,
}

impl Administrator {
    /// # Errors
    /// The desk cannot be reached or refuses the sign-in.
    pub async fn sign_in(target: Target, login: &str, password: &str) -> Result<Self, HttpError> {
        let mut http = Http::new(target);
        let body = json!({"login": login, "password": password});
        let made = http.post("/api/v1/auth/login", None, body).await?;
        let token = text_at(&made, "/token").ok_or(HttpError::Malformed("a log-in without a token"))?;
        Ok(Self { http, token })
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub const fn http(&mut self) -> &mut Http {
        &mut self.http
    }

    /// Makes a group; one that is there already stays as it is.
    ///
    /// # Errors
    /// Any refusal but `conflict`.
    pub async fn group(&mut self, body: Value) -> Result<(), HttpError> {
        self.make("/api/v1/groups", body).await.map(drop)
    }

    /// Hires agents and tells the judge of their seats. One whose login is taken already is taken over as they are.
    ///
    /// # Errors
    /// Any refusal but `conflict`.
    pub async fn hire(&mut self, staff: &Staff<'_>, record: &Record) -> Result<Vec<SignIn>, HttpError> {
        let mut hired = Vec::new();
        for number in 1..=staff.count {
            let login = format!("{}{number}", staff.name);
            // The desk is on this machine and the play's agents are nobody: their secret may be known.
            let sign_in = SignIn { password: format!("{login}-rehearses"), login };
            let body = json!({"login": sign_in.login, "name": sign_in.login, "password": sign_in.password,
                "role": "agent", "groups": staff.groups, "capacity": staff.capacity});
            let made = self.make("/api/v1/agents", body).await?;
            let agent = match made {
                Some(made) => Some(made),
                None => self.agent_of(&sign_in.login).await?,
            };
            if let Some((id, seats)) = agent.as_ref().and_then(seats_of) {
                note_seats(record, id, seats).await;
            }
            hired.push(sign_in);
        }
        Ok(hired)
    }

    /// The agent who has this login, from the list of all.
    async fn agent_of(&mut self, login: &str) -> Result<Option<Value>, HttpError> {
        let mut path = "/api/v1/agents?limit=500".to_owned();
        loop {
            let page = self.http.get(&path, Some(&self.token)).await?;
            let items = page.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let found = items.iter().find(|agent| text_at(agent, "/login").as_deref() == Some(login));
            if found.is_some() {
                return Ok(found.cloned());
            }
            let Some(next) = text_at(&page, "/next") else { return Ok(None) };
            path = format!("/api/v1/agents?limit=500&cursor={next}");
        }
    }

    async fn make(&mut self, path: &str, body: Value) -> Result<Option<Value>, HttpError> {
        let ask = Ask { method: "POST", path, token: Some(&self.token), body: Some(body), headers: &[] };
        let answer = self.http.ask(&ask).await?;
        match answer.status {
            200..300 => Ok(Some(answer.json())),
            409 => Ok(None),
            status => Err(HttpError::Refused { path: path.to_owned(), status, body: answer.text() }),
        }
    }
}

/// An agent's id and seats, as REST tells them.
fn seats_of(agent: &Value) -> Option<(AgentId, u32)> {
    let id = text_at(agent, "/id")?.parse().ok()?;
    let seats = agent.get("capacity")?.as_u64()?;
    Some((id, u32::try_from(seats).ok()?))
}

async fn note_seats(record: &Record, agent: AgentId, seats: u32) {
    let since_ms = SystemClock::default().now().millis();
    record.note(Note::Capacity { agent, since_ms, seats }).await;
}
