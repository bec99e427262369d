//! The memory adapter's commits in their order, for whoever follows the log.
//!
//! Refuses to hold entries: a number leads to a conversation and a position.

use super::super::{Answer, Change, Mark, Tail};
use super::Desk;
use crate::conversation::event::Entry;
use crate::ident::{ConversationId, Seq};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Where each entry stands, by the number of its commit.
#[derive(Default)]
pub(super) struct Commits {
    last: u64,
    places: BTreeMap<u64, (ConversationId, Seq)>,
}

impl Commits {
    pub(super) fn note(&mut self, conversation: ConversationId, entries: &[Entry]) {
        for entry in entries {
            self.last += 1;
            self.places.insert(self.last, (conversation, entry.seq));
        }
    }

    /// `gone` is in ascending order.
    pub(super) fn forget(&mut self, gone: &[ConversationId]) {
        if !gone.is_empty() {
            self.places.retain(|_, (conversation, _)| gone.binary_search(conversation).is_err());
        }
    }
}

impl Desk {
    pub(super) fn tail(&self, since: Option<&Mark>, limit: u32) -> Answer {
        let Some(since) = since else { return tail(self.commits.last, true, Vec::new()) };
        let Ok(since) = since.0.parse::<u64>() else {
            return Answer::Failed { reason: "this mark is another store's".into() };
        };
        let limit = limit.max(1) as usize;
        let after = (Bound::Excluded(since), Bound::Unbounded);
        let page: Vec<_> = self.commits.places.range(after).take(limit).collect();
        let mut changed: BTreeMap<ConversationId, Vec<Seq>> = BTreeMap::new();
        for (_, (conversation, seq)) in &page {
            changed.entry(*conversation).or_default().push(*seq);
        }
        let changes = changed.into_iter().filter_map(|(conversation, seqs)| {
            let kept = self.conversations.get(&conversation)?;
            let entries = kept.entries.iter().filter(|entry| seqs.contains(&entry.seq)).cloned().collect();
            Some(Change { state: kept.state.clone(), entries })
        });
        let changes = changes.collect();
        let is_whole = page.len() < limit;
        let upto = page.last().filter(|_| !is_whole).map_or(self.commits.last, |(number, _)| **number);
        tail(upto, is_whole, changes)
    }
}

fn tail(upto: u64, is_whole: bool, changes: Vec<Change>) -> Answer {
    Answer::Tail(Tail { mark: Mark(upto.to_string().into()), is_whole, changes })
}
