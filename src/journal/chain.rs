//! Jump pointers through a conversation's entries, so that an append-only log needs no index to be read by position.
//!
//! Every entry points back to the one before it and *skips* to an older one; the skips follow Myers' skew-binary
//! scheme (E. W. Myers, "An applicative random-access stack", 1983): from the newest entry any other is reached in
//! O(log n) steps, and a new entry's skip is found in a stack of at most O(log n) roots. Measured reason: a second
//! index on (conversation, seq) makes appending two to nine times slower, because its pages are written at random.
//!
//! Pure. Refuses to read or write rows; it says where to go next, the adapter goes there.

use crate::ident::Seq;
use smallvec::SmallVec;

/// Where an entry lies in the store; 0 is nowhere.
pub(super) type Pos = i64;

/// Where the skip of entry `seq` leads; 0 where it leads before the first entry.
pub(super) const fn skip_of(seq: Seq) -> Seq {
    let mut rest = seq;
    let mut smallest_tree = 0;
    while rest > 0 {
        smallest_tree = (1 << rest.saturating_add(1).ilog2()) - 1;
        rest -= smallest_tree;
    }
    seq - smallest_tree
}

/// The pointers that are stored with a new entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Links {
    pub back: Pos,
    pub skip: Pos,
}

/// The next step on the way from one entry to an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Here,
    Back,
    Skip,
}

/// The step to take at entry `seq` on the way down to `target`; `target` must not lie above `seq`.
pub(super) const fn step(seq: Seq, target: Seq) -> Step {
    if seq <= target {
        Step::Here
    } else if skip_of(seq) >= target {
        Step::Skip
    } else {
        Step::Back
    }
}

/// What the writer remembers of a conversation's chain: the newest entry and everything its skips lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    roots: SmallVec<[(Seq, Pos); 4]>,
}

impl Chain {
    /// Rebuilds the memory from entries met by following skips from the newest, in that order.
    pub(super) fn restore(newest_first: impl IntoIterator<Item = (Seq, Pos)>) -> Self {
        let mut roots: SmallVec<_> = newest_first.into_iter().collect();
        roots.reverse();
        Self { roots }
    }

    /// Adds the next entry, stored at `pos`, and says what it points to.
    pub(super) fn push(&mut self, pos: Pos) -> Links {
        let (head, back) = self.roots.last().copied().unwrap_or((0, 0));
        let skip_to = skip_of(head + 1);
        while self.roots.last().is_some_and(|(seq, _)| *seq > skip_to) {
            self.roots.pop();
        }
        let skip = self.roots.last().map_or(0, |(_, pos)| *pos);
        self.roots.push((head + 1, pos));
        Links { back, skip }
    }

    /// The remembered entry from which `target` is nearest; `None` where `target` lies above the newest.
    pub(super) fn nearest(&self, target: Seq) -> Option<(Seq, Pos)> {
        self.roots.iter().copied().find(|(seq, _)| *seq >= target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Log {
        links: Vec<Links>,
        chain: Chain,
    }

    fn log_of(length: u64) -> Log {
        let mut log = Log { links: Vec::new(), chain: Chain::default() };
        for seq in 1..=length {
            let links = log.chain.push(seq as Pos * 10);
            log.links.push(links);
        }
        log
    }

    fn steps_to(log: &Log, target: Seq) -> usize {
        let (mut seq, mut pos) = (log.links.len() as Seq, log.links.len() as Pos * 10);
        let mut steps = 0;
        loop {
            let links = log.links[(pos / 10 - 1) as usize];
            match step(seq, target) {
                Step::Here => break,
                Step::Back => (seq, pos) = (seq - 1, links.back),
                Step::Skip => (seq, pos) = (skip_of(seq), links.skip),
            }
            steps += 1;
        }
        assert_eq!((seq, pos), (target, target as Pos * 10));
        steps
    }

    #[test]
    fn every_entry_is_reached_in_logarithmic_steps() {
        let log = log_of(5_000);
        let worst = (1..=5_000).map(|target| steps_to(&log, target)).max().unwrap();
        assert!(worst <= 3 * 13, "{worst} steps");
    }

    #[test]
    fn skips_lead_where_myers_leads_them() {
        assert_eq!((1..=8).map(skip_of).collect::<Vec<_>>(), [0, 1, 0, 3, 4, 3, 0, 7]);
    }

    #[test]
    fn a_chain_restored_by_following_skips_goes_on_as_if_never_forgotten() {
        for length in [1, 2, 3, 6, 7, 8, 100, 1_023] {
            let mut log = log_of(length);
            let mut met = vec![(length, length as Pos * 10)];
            while let Some((seq, pos)) = met.last().copied().filter(|(seq, _)| skip_of(*seq) > 0) {
                met.push((skip_of(seq), log.links[(pos / 10 - 1) as usize].skip));
            }
            let mut restored = Chain::restore(met);
            assert_eq!(restored, log.chain, "{length} entries");
            assert_eq!(restored.push(7), log.chain.push(7), "{length} entries");
        }
    }

    #[test]
    fn the_nearest_remembered_entry_lies_at_or_above_the_target() {
        let log = log_of(6);
        assert_eq!(log.chain.nearest(2), Some((3, 30)));
        assert_eq!(log.chain.nearest(6), Some((6, 60)));
        assert_eq!(log.chain.nearest(7), None);
    }
}
