//! A request as handlers see it: who asks, what for, and the way to the desk.

use super::serve::Reply;
use crate::clock::fresh_uuid;
use crate::desk::administration::{Administration, Editor};
use crate::desk::errand::{self, Asker};
use crate::desk::person::{Person, SignedInAgent};
use crate::desk::{Desk, Served};
use crate::gateway::Gate;
use crate::ident::AssignSeq;
use crate::journal::{Answer, Query};
use crate::refusal::Refusal;
use crate::session::signin::SignedIn;
use crate::wire::client::ClientFrame;
use crate::wire::limits::ID_CHARS;
use crate::wire::rest::{Page, read_body};
use actix_web::http::header::IF_MATCH;
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The header that makes a repeat harmless.
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Time the desk has for one answer; after it the outcome is unknown to the asker, who repeats.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// When an asker should try again whom the desk gave no answer.
const TRY_AGAIN_MS: u64 = 500;

/// One request.
pub(super) struct Call {
    pub(super) gate: web::Data<Gate>,
    pub(super) signed_in: Option<SignedIn>,
    pub(super) address: IpAddr,
    pub(super) request: HttpRequest,
    /// What `{id}` of the path stands for; empty where the path has none.
    pub(super) id: String,
    pub(super) body: Bytes,
    /// The body of a route that reads it piece by piece.
    pub(super) payload: Option<web::Payload>,
}

/// The library's own words begin with what it was doing.
fn without_preamble(error: &str) -> &str {
    error.split_once(": ").map_or(error, |(_, reason)| reason)
}

impl Call {
    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.gate.desk
    }

    /// The person who asks.
    ///
    /// # Errors
    /// `unauthenticated` on a route that is open to strangers.
    pub(super) fn person(&self) -> Result<&Person, Refusal> {
        match &self.signed_in {
            Some(signed_in) => Ok(&signed_in.person),
            None => Err(Refusal::unauthenticated("send `Authorization: Bearer TOKEN`")),
        }
    }

    /// The agent who asks.
    ///
    /// # Errors
    /// `forbidden` for visitors.
    pub(super) fn agent(&self) -> Result<&SignedInAgent, Refusal> {
        self.person()?.agent().ok_or_else(|| Refusal::forbidden("this is for the desk's agents"))
    }

    /// What `{id}` names.
    ///
    /// # Errors
    /// `bad_frame` where it has not the form of one.
    pub(super) fn id<T: FromStr<Err: Display>>(&self) -> Result<T, Refusal> {
        self.id.parse().map_err(|error: T::Err| Refusal::bad_frame(format!("the path: {error}")))
    }

    /// # Errors
    /// `bad_frame`, naming the field.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        read_body(&self.body)
    }

    /// As `read`, of a body that may be left out altogether.
    ///
    /// # Errors
    /// `bad_frame`, naming the field.
    pub(super) fn read_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.body.is_empty() { Ok(T::default()) } else { self.read() }
    }

    /// What stands behind `?`; a parameter without a value counts as left out.
    ///
    /// # Errors
    /// `bad_frame`, naming the parameter.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let given = self.request.query_string().split('&');
        let filled: Vec<&str> =
            given.filter(|pair| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty())).collect();
        match web::Query::<T>::from_query(&filled.join("&")) {
            Ok(query) => Ok(query.into_inner()),
            Err(error) => Err(Refusal::bad_frame(format!(
                "the query: {}; parameters and what they take are in /api/docs/",
                without_preamble(&error.to_string())
            ))),
        }
    }

    /// Items on a page: as wished, within the settings.
    pub(super) fn page_limit(&self, wished: Option<u32>) -> u32 {
        let limits = &self.gate.settings.limits;
        let (default, most) = (as_u32(limits.page_default), as_u32(limits.page_max));
        wished.unwrap_or(default).clamp(1, most.max(1))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    /// The `Idempotency-Key`.
    ///
    /// # Errors
    /// `bad_frame` for one that is empty, too long, or not plain text.
    pub(super) fn idempotency_key(&self) -> Result<Option<&str>, Refusal> {
        if !self.request.headers().contains_key(IDEMPOTENCY_KEY) {
            return Ok(None);
        }
        match self.header(IDEMPOTENCY_KEY) {
            Some(key) if (1..=ID_CHARS).contains(&key.chars().count()) => Ok(Some(key)),
            _ => Err(Refusal::bad_frame(format!("`{IDEMPOTENCY_KEY}`: 1 to {ID_CHARS} characters of text"))),
        }
    }

    /// The id of a message: as the body names it, else the `Idempotency-Key`, else a fresh one.
    ///
    /// # Errors
    /// `bad_frame` for one that is too long, or two that differ.
    pub(super) fn message_id(&self, in_body: Option<&str>) -> Result<Arc<str>, Refusal> {
        let key = self.idempotency_key()?;
        match (in_body, key) {
            (Some(id), _) if id.chars().count() > ID_CHARS => {
                Err(Refusal::bad_frame(format!("`id`: at most {ID_CHARS} characters are taken")))
            }
            (Some(id), Some(key)) if id != key => {
                Err(Refusal::bad_frame(format!("`id` and `{IDEMPOTENCY_KEY}` differ; name one of them")))
            }
            (Some(id), _) | (None, Some(id)) => Ok(id.into()),
            (None, None) => Ok(fresh_uuid().to_string().into()),
        }
    }

    /// The assignment that a command acts under: as the body names it, else `If-Match`.
    ///
    /// # Errors
    /// `bad_frame` for an `If-Match` that is no number.
    pub(super) fn assign_seq(&self, in_body: Option<AssignSeq>) -> Result<Option<AssignSeq>, Refusal> {
        match (in_body, self.header(IF_MATCH.as_str())) {
            (Some(given), _) => Ok(Some(given)),
            (None, None) => Ok(None),
            (None, Some(header)) => header.trim_matches('"').parse().map(Some).map_err(|error| {
                Refusal::bad_frame(format!("`If-Match`: write the conversation's assign_seq: {error}"))
            }),
        }
    }

    /// Runs an errand of the person who asks.
    ///
    /// # Errors
    /// The desk's refusal; `unavailable` where it gives no answer in time.
    pub(super) async fn run(&self, id: Arc<str>, frame: ClientFrame<'_>) -> Result<Served, Refusal> {
        let asker =
            Asker { person: self.person()?.clone(), id, origin: None, locale: None, is_told_held: false };
        let (tell, told) = oneshot::channel();
        errand::run(self.desk(), asker, frame, Box::new(move |outcome| give(tell, outcome)));
        awaited(told).await?
    }

    /// Puts a question to the journal.
    ///
    /// # Errors
    /// `unavailable`, `overloaded`.
    pub(super) async fn ask(&self, query: Query) -> Result<Answer, Refusal> {
        let (tell, told) = oneshot::channel();
        self.desk().ask(query, move |answer| give(tell, answer));
        awaited(told).await?
    }

    /// Does something slow on a blocking thread.
    ///
    /// # Errors
    /// What `work` refuses; `unavailable` where it could not be ended.
    pub(super) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Gate) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let gate = self.gate.clone();
        match web::block(move || work(&gate)).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a blocking thread did not end well");
                Err(Refusal::unavailable("this could not be done; repeat it", TRY_AGAIN_MS))
            }
        }
    }

    /// Changes the configuration in the name of the agent who asks; it is in force when this returns.
    ///
    /// # Errors
    /// What the change refuses.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Administration, Editor<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let author = self.agent()?.id.to_string();
        self.block(move |gate| {
            let editor = Editor { name: &author, at: gate.desk.clock.now() };
            gate.administration.apply(&gate.desk, |administration| change(administration, editor))
        })
        .await
    }
}

/// Hands an answer to the request that waits for it, if it still does.
pub(super) fn give<T>(tell: oneshot::Sender<T>, answer: T) {
    if tell.send(answer).is_err() {
        tracing::debug!("a request did not wait for its answer");
    }
}

/// # Errors
/// `unavailable` where no answer comes in time.
pub(super) async fn awaited<T>(told: oneshot::Receiver<T>) -> Result<T, Refusal> {
    match tokio::time::timeout(ANSWER_WITHIN, told).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(Refusal::unavailable(
            "the desk gave no answer in time; repeat it with the same id",
            TRY_AGAIN_MS,
        )),
    }
}

pub(super) fn as_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// One page out of `items`, which hold one more than `limit` where there is a next page.
pub(super) fn page<T: Serialize>(
    mut items: Vec<T>,
    limit: u32,
    cursor_of: impl Fn(&T) -> String,
) -> Result<Reply, Refusal> {
    let limit = limit as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor_of);
    Reply::ok(&Page { items, next })
}
