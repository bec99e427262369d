//! The readers: several connections on one thread, each answering one question at a time.
//!
//! They read committed rows of the server that is written to, so answers see everything that was replied before. Every
//! question is a transaction of its own. A connection that ends is made anew once for the same question; after that the
//! question is answered `Failed`. While the server is out of reach one reader at a time tries to connect, and all other
//! questions are answered `Failed` at once: in a queue each would wait for the time-outs of all before it.

use super::super::{Answer, AnswerTo, Page, Query, Totals};
use super::address::Address;
use super::columns::{self, count, signed};
use super::link::Link;
use super::options::Options;
use super::trouble::Trouble;
use super::{Shared, listing, tailing};
use crate::ident::{ConversationId, Seq};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_postgres::types::Type;

/// Entries in one page at most, whatever was asked for.
const PAGE_MAX_ENTRIES: u32 = 10_000;

/// How soon a server that was out of reach is tried again.
const AGAIN: Duration = Duration::from_millis(500);

const STATE: &str = "SELECT id, state FROM conversation WHERE id = $1";
const ENTRIES: &str = "SELECT seq, visitor_prev, at, author, author_id, author_name, kind, body FROM entry
    WHERE conversation = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const AGENTS: &str = "SELECT id, presence, capacity, load, version FROM agent ORDER BY id";
const TOTALS: &str = "SELECT coalesce(sum(conversations), 0)::bigint, coalesce(sum(live), 0)::bigint,
    coalesce(sum(entries), 0)::bigint FROM tally";

/// Works until every sender is gone.
pub(super) async fn run(
    address: Address,
    options: Options,
    shared: Arc<Shared>,
    questions: Receiver<(Query, AnswerTo)>,
) {
    let questions = Arc::new(Mutex::new(questions));
    let door = Arc::new(Door::default());
    let mut readers = JoinSet::new();
    for _ in 0..options.readers {
        let reader = Reader {
            address: address.clone(),
            options: options.clone(),
            shared: Arc::clone(&shared),
            door: Arc::clone(&door),
            link: None,
        };
        readers.spawn(reader.work(Arc::clone(&questions)));
    }
    while let Some(ended) = readers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a reader of the journal had panicked");
        }
    }
}

struct Reader {
    address: Address,
    options: Options,
    shared: Arc<Shared>,
    door: Arc<Door>,
    link: Option<Link>,
}

/// Whether the server can be reached, as all readers saw it last.
#[derive(Default)]
struct Door {
    /// When the next reader may try; `None` while nothing is known against it.
    try_at: parking_lot::Mutex<Option<Instant>>,
}

impl Door {
    /// Whoever may try after a failure is alone with it for so long.
    fn may_try(&self, alone_for: Duration) -> bool {
        let (mut try_at, now) = (self.try_at.lock(), Instant::now());
        match *try_at {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                *try_at = Some(now + alone_for);
                true
            }
        }
    }

    fn note(&self, is_reached: bool) {
        *self.try_at.lock() = (!is_reached).then(|| Instant::now() + AGAIN);
    }
}

impl Reader {
    async fn work(mut self, questions: Arc<Mutex<Receiver<(Query, AnswerTo)>>>) {
        loop {
            let next = questions.lock().await.recv().await;
            let Some((query, answer_to)) = next else {
                return;
            };
            self.shared.meters.questions_depth.fetch_sub(1, Ordering::Relaxed);
            let answered = self.answer(&query).await;
            answer_to(answered.unwrap_or_else(|trouble| {
                match trouble {
                    // Said once by whoever tried.
                    Trouble::Unfit(_) => tracing::debug!(%trouble, ?query, "a question could not be put"),
                    _ => tracing::error!(%trouble, ?query, "a question could not be answered"),
                }
                Answer::Failed { reason: trouble.to_string().into() }
            }));
        }
    }

    async fn answer(&mut self, query: &Query) -> Result<Answer, Trouble> {
        if let Some(link) = self.link.take().filter(|link| !link.is_closed()) {
            match answer(&link, query).await {
                // Who asked has waited for long enough.
                Err(trouble @ Trouble::Silent(_)) => {
                    self.door.note(false);
                    return Err(trouble);
                }
                Err(trouble) if !trouble.spares_the_link() => {
                    tracing::warn!(%trouble, "a reader's connection ended; the question is put again");
                }
                answered => {
                    self.link = Some(link);
                    return answered;
                }
            }
        }
        let link = self.connected().await?;
        let answered = answer(&link, query).await;
        if answered.as_ref().err().is_none_or(Trouble::spares_the_link) {
            self.link = Some(link);
        }
        answered
    }

    async fn connected(&self) -> Result<Link, Trouble> {
        if !self.door.may_try(self.options.connect_within) {
            return Err(Trouble::Unfit(format!(
                "{} is out of reach; it is tried again by itself",
                self.address
            )));
        }
        let connected = Link::connect(&self.address, &self.options).await;
        self.door.note(connected.is_ok());
        connected
    }
}

async fn answer(link: &Link, query: &Query) -> Result<Answer, Trouble> {
    Ok(match query {
        Query::State(id) => {
            let rows = link.read(STATE, &[(&id.uuid(), Type::UUID)]).await?;
            let state = rows.first().map(|row| columns::state(row, 0)).transpose()?;
            Answer::State(state.map(Box::new))
        }
        Query::History { conversation, after, limit } => {
            Answer::History(history(link, *conversation, *after, *limit).await?)
        }
        Query::Conversations { filter, before, limit } => {
            Answer::States(listing::conversations(link, filter, *before, *limit).await?)
        }
        Query::Waiting { after, limit } => Answer::States(listing::waiting(link, *after, *limit).await?),
        Query::HeldBy(agent) => Answer::States(listing::held_by(link, *agent).await?),
        Query::LiveOf { shop, visitor } => Answer::States(listing::live_of(link, shop, visitor).await?),
        Query::Heads(ids) => Answer::Heads(listing::heads(link, ids).await?),
        Query::Due { now, limit, slots } => Answer::Due(listing::due(link, *now, *limit, slots).await?),
        Query::Agents => {
            let rows = link.read(AGENTS, &[]).await?;
            Answer::Agents(rows.iter().map(columns::agent).collect::<Result<_, _>>()?)
        }
        Query::Tail { since, limit } => {
            let limit = (*limit).clamp(1, PAGE_MAX_ENTRIES);
            Answer::Tail(tailing::tail(link, since.as_ref(), limit).await?)
        }
        Query::Totals => Answer::Totals(totals(link).await?),
    })
}

/// Head and entries of one snapshot, in one round trip.
async fn history(link: &Link, id: ConversationId, after: Seq, limit: u32) -> Result<Option<Page>, Trouble> {
    let (id, after, limit) = (id.uuid(), signed(after), i64::from(limit.min(PAGE_MAX_ENTRIES)));
    let states = [(&id as _, Type::UUID)];
    let entries = [(&id as _, Type::UUID), (&after as _, Type::INT8), (&limit as _, Type::INT8)];
    let (states, entries) = link.read_both((STATE, &states), (ENTRIES, &entries)).await?;
    let Some(state) = states.first().map(|row| columns::state(row, 0)).transpose()? else {
        return Ok(None);
    };
    let entries = entries.iter().map(|row| columns::entry(&state, row)).collect::<Result<_, _>>()?;
    Ok(Some(Page { entries, head: state.head, visitor_head: state.visitor_head }))
}

async fn totals(link: &Link) -> Result<Totals, Trouble> {
    let rows = link.read(TOTALS, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(Totals::default());
    };
    Ok(Totals { conversations: count(row, 0)?, live: count(row, 1)?, entries: count(row, 2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_one_at_a_time_tries_and_a_success_lets_everybody_in() {
        let (door, alone) = (Door::default(), Duration::from_secs(60));
        assert!(door.may_try(alone) && door.may_try(alone), "nothing is known against it");
        door.note(false);
        assert!(!door.may_try(alone), "not at once");
        *door.try_at.lock() = Some(Instant::now());
        assert!(door.may_try(alone) && !door.may_try(alone), "one is let through");
        door.note(true);
        assert!(door.may_try(alone) && door.may_try(alone));
    }
}
