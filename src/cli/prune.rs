//! `rushdesk prune`: deletes what is old. A running desk on a file does it itself, asked by HTTP: only it knows what it
//! holds. A database is pruned beside the desk that serves it.

use super::office::Office;
use super::place::{Place, failed};
use super::{Context, Failure, answer, answer_json, healthcheck, span};
use crate::app::TOKEN_SECRET;
use crate::clock::{Clock, SystemClock, Timestamp, fresh_uuid};
use crate::journal::postgres;
use crate::journal::sqlite::{OpenError, Options, Sqlite};
use crate::signin::Role;
use crate::signin::agent::{AgentClaims, AgentTokens};
use clap::Args;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A large store takes its time; the desk goes on meanwhile.
const DESK_ANSWERS_WITHIN: Duration = Duration::from_secs(1_800);
/// How long the sign-in holds under which the desk is asked.
const ASKED_FOR_S: u64 = 60;

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Age from the close on, as 90d, in seconds once read
    #[arg(long = "older-than", value_name = "SPAN", value_parser = span::seconds)]
    pub older_than_s: u64,
}

/// Deletes what is old, here, or through the desk that serves the store.
///
/// # Errors
/// The settings are wrong, the store refuses, or the desk that serves it cannot be asked.
pub fn run(args: &PruneArgs, context: &Context) -> Result<(), Failure> {
    let office = Office::open(context)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let now = clock.now();
    let age_ms = args.older_than_s.saturating_mul(1_000);
    let closed_before = Timestamp::from_millis(now.millis().saturating_sub(age_ms));
    let removed = match &office.place {
        Place::Database(address) => postgres::prune(address, closed_before).map_err(failed)?,
        Place::File(path) => match Sqlite::open(path, Options::default(), clock) {
            Ok(journal) => {
                let removed = journal.prune(closed_before).map_err(Failure::Failed)?;
                journal.stop();
                removed
            }
            Err(OpenError::InUse { .. }) => through_the_desk(args.older_than_s, &office, now)?,
            Err(error) => return Err(failed(error)),
        },
    };
    if context.json() {
        answer_json(&json!({ "conversations": removed }))
    } else {
        answer(&format!("deleted {removed} conversations"))
    }
}

fn through_the_desk(older_than_s: u64, office: &Office, now: Timestamp) -> Result<u64, Failure> {
    let address = healthcheck::asked(office.administration.settings.server.listen)?;
    let (token, body) = (token(office, now)?, json!({ "older_than_s": older_than_s }).to_string());
    let length = body.len();
    let request = format!(
        "POST /api/v1/admin/prune HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let told = healthcheck::ask(address, &request, DESK_ANSWERS_WITHIN).map_err(|error| {
        Failure::Failed(format!(
            "a desk serves this store and does not answer at http://{address} ({error}): give its address with --listen, \
             or stop it"
        ))
    })?;
    let answer = healthcheck::parts(&told)
        .and_then(|(status, body)| Some((status, serde_json::from_str::<Value>(body).ok()?)));
    let count = |answer: &Value| answer.get("conversations").and_then(Value::as_u64);
    match &answer {
        Some((200, told)) if count(told).is_some() => Ok(count(told).unwrap_or_default()),
        Some((_, told)) => {
            let detail = told.get("detail").and_then(Value::as_str).unwrap_or("it gives no reason");
            Err(Failure::Failed(format!("the desk at http://{address} refuses: {detail}")))
        }
        None => Err(Failure::Failed(format!(
            "http://{address} is not the desk that serves this store: give its address with --listen"
        ))),
    }
}

/// Who may write the store's file holds its keys, and so may ask as its administrator.
fn token(office: &Office, now: Timestamp) -> Result<String, Failure> {
    let cannot_ask = |reason: String| Failure::Failed(format!("the desk cannot be asked: {reason}"));
    let secret = match &office.administration.settings.auth.token_secret {
        Some(secret) => secret.expose().to_owned(),
        None => office.place.kept_secret(TOKEN_SECRET)?.ok_or_else(|| {
            cannot_ask("the store keeps no key for sign-ins; set auth.token_secret".to_owned())
        })?,
    };
    let agents = office.administration.agents()?;
    let admin = agents.iter().find(|agent| Role::from(agent.role) == Role::Admin && !agent.disabled);
    let admin = admin.ok_or_else(|| cannot_ask("there is no administrator".to_owned()))?;
    let claims = AgentClaims {
        agent: admin.id,
        sign_in: Uuid::from_u128(fresh_uuid().as_u128()),
        version: admin.token_version,
        role: Role::Admin,
        expires_at: now.plus_secs(ASKED_FOR_S),
    };
    AgentTokens::new(&secret).sign(&claims).map_err(|error| cannot_ask(error.to_string()))
}
