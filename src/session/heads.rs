//! The heads that the sessions of a node want to compare with, asked of the store together.
//!
//! A session hands in its conversations; whoever hands in first lets a moment pass, so that others join. One question
//! names at most `MOST_TOGETHER` conversations, each once. Refuses to have a timer: the sessions have them.

use crate::clock::Timestamp;
use crate::desk::Desk;
use crate::ident::ConversationId;
use crate::journal::{Answer, Head, Query};
use crate::refusal::Refusal;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Conversations of one question.
pub(super) const MOST_TOGETHER: usize = 500;
/// How long the first session lets others join.
pub(super) const JOIN_WITHIN_MS: u64 = 100;

/// Called once, on a thread of the journal's; must only enqueue.
type Tell = Box<dyn FnOnce(Result<Answer, Refusal>) + Send>;

struct Wish {
    conversations: Vec<ConversationId>,
    tell: Tell,
}

#[derive(Default)]
struct Gathered {
    wishes: Vec<Wish>,
    conversations: usize,
    since: Timestamp,
}

/// What has to be done after handing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandedIn {
    /// The first: `ask` after `JOIN_WITHIN_MS`.
    First,
    /// Somebody will ask.
    Joined,
    /// Enough have gathered, or whoever came first has gone: `ask` now.
    Due,
}

/// What the sessions of a node want to know together.
#[derive(Default)]
pub struct Heads {
    gathered: Mutex<Gathered>,
    /// Questions put to the store.
    pub asked: AtomicU64,
}

impl Heads {
    /// Takes a session's conversations, at most `MOST_TOGETHER` of them; `tell` gets the heads of these.
    pub(super) fn hand_in(&self, conversations: Vec<ConversationId>, tell: Tell, now: Timestamp) -> HandedIn {
        let mut gathered = self.gathered.lock();
        let first = gathered.wishes.is_empty();
        if first {
            gathered.since = now;
        }
        gathered.conversations += conversations.len();
        gathered.wishes.push(Wish { conversations, tell });
        let overdue = now.since_millis(gathered.since) > JOIN_WITHIN_MS;
        match (gathered.conversations >= MOST_TOGETHER || overdue, first) {
            (true, _) => HandedIn::Due,
            (false, true) => HandedIn::First,
            (false, false) => HandedIn::Joined,
        }
    }

    /// Puts what has gathered to the store.
    pub(super) fn ask(&self, desk: &Desk) {
        let wishes = std::mem::take(&mut *self.gathered.lock()).wishes;
        for (conversations, wishes) in questions(wishes) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let query = Query::Heads(conversations.into_iter().collect());
            desk.ask(query, move |answer| tell_each(answer, wishes));
        }
    }
}

/// Divides wishes so that no question names too many.
fn questions(wishes: Vec<Wish>) -> Vec<(BTreeSet<ConversationId>, Vec<Wish>)> {
    let mut questions: Vec<(BTreeSet<ConversationId>, Vec<Wish>)> = Vec::new();
    for wish in wishes {
        let fits = |named: &BTreeSet<_>| named.len() + wish.conversations.len() <= MOST_TOGETHER;
        match questions.last_mut().filter(|(named, _)| fits(named)) {
            Some((named, together)) => {
                named.extend(&wish.conversations);
                together.push(wish);
            }
            None => questions.push((wish.conversations.iter().copied().collect(), vec![wish])),
        }
    }
    questions
}

fn tell_each(answer: Result<Answer, Refusal>, wishes: Vec<Wish>) {
    match answer {
        Ok(Answer::Heads(heads)) => {
            let heads: BTreeMap<ConversationId, Head> =
                heads.into_iter().map(|head| (head.conversation, head)).collect();
            for Wish { conversations, tell } in wishes {
                let own = conversations.iter().filter_map(|id| heads.get(id)).copied().collect();
                tell(Ok(Answer::Heads(own)));
            }
        }
        Ok(other) => wishes.into_iter().for_each(|wish| (wish.tell)(Ok(other.clone()))),
        Err(refusal) => wishes.into_iter().for_each(|wish| (wish.tell)(Err(refusal.clone()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn id(number: usize) -> ConversationId {
        ConversationId::from_u128(number as u128)
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn wish(numbers: std::ops::Range<usize>) -> (Wish, Receiver<Vec<Head>>) {
        let (said, heard) = channel();
        let tell: Tell = Box::new(move |answer| {
            let Ok(Answer::Heads(heads)) = answer else { panic!("{answer:?}") };
            said.send(heads).unwrap();
        });
        (Wish { conversations: numbers.map(id).collect(), tell }, heard)
    }

    #[test]
    fn the_first_waits_for_others_and_a_full_question_waits_no_more() {
        let heads = Heads::default();
        let hand_in = |numbers, ms| {
            let (wish, _heard) = wish(numbers);
            heads.hand_in(wish.conversations, wish.tell, at(ms))
        };
        assert_eq!(hand_in(0..3, 1_000), HandedIn::First);
        assert_eq!(hand_in(0..3, 1_050), HandedIn::Joined);
        assert_eq!(hand_in(0..500, 1_060), HandedIn::Due);
        assert_eq!(hand_in(0..1, 2_000), HandedIn::Due, "whoever came first has gone");
    }

    #[test]
    fn each_session_hears_of_its_own_and_no_question_names_too_many() {
        let (wishes, heard): (Vec<_>, Vec<_>) =
            [wish(0..300), wish(100..300), wish(290..400), wish(7..8)].into_iter().unzip();
        let questions = questions(wishes);
        let sizes: Vec<_> = questions.iter().map(|(named, wishes)| (named.len(), wishes.len())).collect();
        assert_eq!(sizes, [(400, 4)]);
        for (named, wishes) in questions {
            let head = |id: ConversationId| Head { conversation: id, head: 9, visitor_head: 8, live: true };
            tell_each(Ok(Answer::Heads(named.into_iter().map(head).collect())), wishes);
        }
        let counts: Vec<_> = heard.iter().map(|heard| heard.recv().unwrap().len()).collect();
        assert_eq!(counts, [300, 200, 110, 1]);
        let many: Vec<_> = (0..4).map(|n| wish(n * 500..(n + 1) * 500).0).collect();
        assert_eq!(super::questions(many).len(), 4);
    }
}
