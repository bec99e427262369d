//! What this node has acknowledged last, so that a database that comes back without it is found out.
//!
//! A standby that was not synchronous lacks the last commits when it is promoted, and so does a copy of yesterday. What
//! was acknowledged and is gone cannot be brought back, but it must not be papered over by what is written in its place:
//! at every connect of the writer, before its next batch, the entries remembered here are looked up. A log is lost from
//! its end, so a few thousand of the last tell; what was lost beyond them is not counted.
//!
//! Refuses to know what an entry said, and to mend anything.

use super::columns::{count, signed};
use super::docket::Docket;
use super::link::{Link, Param};
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::ident::{ConversationId, Seq};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Entries that are remembered.
const MOST: usize = 4_096;
/// Nothing older is remembered: it may have been pruned by then.
const LONGEST: Duration = Duration::from_mins(10);

/// By conversation, position and moment: another history may give the position to another entry. One by one by the key
/// (`OFFSET 0`): the table may be large.
const MISSING: &str = "SELECT k.number FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
        WITH ORDINALITY AS k (conversation, seq, at, number)
    LEFT JOIN LATERAL (SELECT e.at FROM entry AS e WHERE e.conversation = k.conversation AND e.seq = k.seq OFFSET 0)
        AS kept ON true
    WHERE kept.at IS DISTINCT FROM k.at ORDER BY k.number";
/// For whoever asks later, `doctor` above all: how many in all, and when the last were missed.
const RECORD: &str = "INSERT INTO rushdesk (name, number) VALUES ('lost_entries', $1), ('lost_at', $2)
    ON CONFLICT (name) DO UPDATE SET number = excluded.number +
        CASE excluded.name WHEN 'lost_entries' THEN rushdesk.number ELSE 0 END";
const RECORDED: &str = "SELECT coalesce(max(number) FILTER (WHERE name = 'lost_entries'), 0)::bigint,
        coalesce(max(number) FILTER (WHERE name = 'lost_at'), 0)::bigint FROM rushdesk";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    conversation: ConversationId,
    seq: Seq,
    at: Timestamp,
}

/// What was acknowledged and is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) entries: u64,
    pub(super) conversations: u64,
    /// Moment of the first of them.
    pub(super) since: Timestamp,
}

/// The entries that this node's writer has committed last.
#[derive(Debug, Default)]
pub(super) struct Witness {
    seen: VecDeque<Seen>,
}

impl Witness {
    /// Takes note of what a transaction has committed.
    pub(super) fn note(&mut self, docket: &Docket) {
        let at = docket.at;
        for new in &docket.entries {
            let (conversation, seq, at) = (new.conversation, new.entry.seq, new.entry.at);
            self.remember(Seen { conversation, seq, at });
        }
        let longest_ms = u64::try_from(LONGEST.as_millis()).unwrap_or(u64::MAX);
        while self.seen.front().is_some_and(|seen| at.since_millis(seen.at) > longest_ms) {
            self.seen.pop_front();
        }
    }

    fn remember(&mut self, seen: Seen) {
        if self.seen.len() >= MOST {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }

    /// Looks everything up; `None` where all of it stands. What is missing is recorded in the database in the same
    /// transaction, and forgotten here.
    pub(super) async fn examine(&mut self, link: &Link, now: Timestamp) -> Result<Option<Loss>, Trouble> {
        if self.seen.is_empty() {
            return Ok(None);
        }
        let conversations: Vec<Uuid> = self.seen.iter().map(|seen| seen.conversation.uuid()).collect();
        let seqs: Vec<i64> = self.seen.iter().map(|seen| signed(seen.seq)).collect();
        let moments: Vec<i64> = self.seen.iter().map(|seen| signed(seen.at.millis())).collect();
        let keys: [Param<'_>; 3] =
            [(&conversations, Type::UUID_ARRAY), (&seqs, Type::INT8_ARRAY), (&moments, Type::INT8_ARRAY)];
        let looked_up = link.transact(async |link| {
            let rows = link.within(link.query(MISSING, &keys)).await?;
            let missing =
                rows.iter().map(|row| Ok(row.try_get::<_, i64>(0)?)).collect::<Result<Vec<_>, Trouble>>()?;
            let (count, at) = (missing.len() as i64, signed(now.millis()));
            if count > 0 {
                let record: [Param<'_>; 2] = [(&count, Type::INT8), (&at, Type::INT8)];
                link.within(link.execute(RECORD, &record)).await?;
            }
            Ok(missing)
        });
        Ok(self.drop_missing(&looked_up.await?))
    }

    /// `numbers` count from 1.
    fn drop_missing(&mut self, numbers: &[i64]) -> Option<Loss> {
        let all = std::mem::take(&mut self.seen);
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.into_iter().zip(1_i64..).partition(|(_, number)| numbers.binary_search(number).is_ok());
        self.seen = kept.into_iter().map(|(seen, _)| seen).collect();
        let since = gone.iter().map(|(seen, _)| seen.at).min()?;
        let conversations: BTreeSet<_> = gone.iter().map(|(seen, _)| seen.conversation).collect();
        Some(Loss { entries: gone.len() as u64, conversations: conversations.len() as u64, since })
    }
}

/// Acknowledged entries that this database was found to lack, in all, and when some were missed last.
pub(super) async fn recorded(link: &Link) -> Result<Option<(u64, Timestamp)>, Trouble> {
    let rows = link.read(RECORDED, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (entries, at) = (count(row, 0)?, Timestamp::from_millis(count(row, 1)?));
    Ok((entries > 0).then_some((entries, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64) -> Seen {
        let conversation = ConversationId::from_u128(u128::from(number % 2));
        Seen { conversation, seq: number, at: Timestamp::from_millis(1_000 + number) }
    }

    #[test]
    fn what_is_missing_is_told_once_and_the_rest_is_remembered() {
        let mut witness = Witness::default();
        (1..=5).for_each(|number| witness.remember(seen(number)));
        assert_eq!(witness.drop_missing(&[]), None);
        let since = Timestamp::from_millis(1_003);
        assert_eq!(witness.drop_missing(&[3, 5]), Some(Loss { entries: 2, conversations: 1, since }));
        assert_eq!(witness.seen, [seen(1), seen(2), seen(4)]);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut witness = Witness::default();
        (0..MOST as u64 + 3).for_each(|number| witness.remember(seen(number)));
        assert_eq!((witness.seen.len(), witness.seen.front()), (MOST, Some(&seen(3))));
    }
}
