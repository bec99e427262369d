//! Questions that this node has asked others and whose answers are still to come. Pure: time is an argument.
//!
//! Each has a deadline. A node that lets one pass without having said anything at all meanwhile is silent: what it was
//! asked is taken back at once, in its order, and nothing more is asked of it until it is heard of again.
//!
//! Questions of one lane (commands for one conversation) keep their order: one is asked only where everything before it was
//! asked of the same node, so that none overtakes another while a slot moves (JR-2).
//!
//! Bounded in number; refuses to know what a question means.

use super::Request;
use crate::clock::Timestamp;
use crate::ident::{ConversationId, NodeId};
use std::collections::BTreeMap;

/// How long an answer is waited for.
pub const ANSWER_WITHIN_MS: u64 = 1_500;
/// Questions that may be under way at once.
pub const MOST_UNDER_WAY: usize = 65_536;

/// One question.
struct Waiting<Q> {
    question: Q,
    lane: Option<ConversationId>,
    /// `None` while nobody owns what it is about: it is asked as soon as somebody does.
    asked: Option<NodeId>,
    /// When it was put.
    since: Timestamp,
    /// When this node was asked: a slot may have moved before.
    asked_at: Timestamp,
}

/// A question that something is to be done with. It keeps its place in its lane until `settled` is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Due<Q> {
    pub request: Request,
    pub lane: Option<ConversationId>,
    pub since: Timestamp,
    pub question: Q,
    /// Its time is over, or the node that was asked is silent; otherwise nobody has been asked yet.
    pub is_over: bool,
}

/// All questions under way.
pub struct UnderWay<Q> {
    next: Request,
    waiting: BTreeMap<Request, Waiting<Q>>,
    /// What is under way of each lane, and who was asked.
    lanes: BTreeMap<ConversationId, BTreeMap<Request, Option<NodeId>>>,
    heard: BTreeMap<NodeId, Timestamp>,
    silent: BTreeMap<NodeId, Timestamp>,
}

impl<Q> UnderWay<Q> {
    /// Numbers its questions from `first`, which differs from process to process: an answer to a former one of the same
    /// name must not be taken for the answer to a question of this one.
    pub fn from(first: Request) -> Self {
        let (waiting, lanes) = (BTreeMap::new(), BTreeMap::new());
        Self { next: first, waiting, lanes, heard: BTreeMap::new(), silent: BTreeMap::new() }
    }

    /// The number of the next question.
    pub const fn number(&mut self) -> Request {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Keeps a question until its answer comes; it comes back where too many are under way.
    pub fn keep(
        &mut self,
        request: Request,
        (question, lane): (Q, Option<ConversationId>),
        asked: Option<NodeId>,
        (since, now): (Timestamp, Timestamp),
    ) -> Result<(), Q> {
        if self.waiting.len() >= MOST_UNDER_WAY {
            return Err(question);
        }
        if let Some(lane) = lane {
            self.lanes.entry(lane).or_default().insert(request, asked.clone());
        }
        self.waiting.insert(request, Waiting { question, lane, asked, since, asked_at: now });
        Ok(())
    }

    /// Takes the question that an answer has come for, or that is to be asked in another way.
    pub fn take(&mut self, request: Request) -> Option<Q> {
        self.remove(request).map(|waiting| waiting.question)
    }

    /// As `take`, for an answer of `from`: only who was asked can answer.
    pub fn answered_by(&mut self, from: &NodeId, request: Request) -> Option<Q> {
        let is_theirs =
            self.waiting.get(&request).is_some_and(|waiting| waiting.asked.as_ref() == Some(from));
        if is_theirs { self.take(request) } else { None }
    }

    fn remove(&mut self, request: Request) -> Option<Waiting<Q>> {
        let waiting = self.waiting.remove(&request)?;
        self.settled(request, waiting.lane);
        Some(waiting)
    }

    /// A question that was due has been seen to; where it is not kept again, it leaves its lane.
    pub fn settled(&mut self, request: Request, lane: Option<ConversationId>) {
        if !self.waiting.contains_key(&request)
            && let Some(lane) = lane
            && let Some(requests) = self.lanes.get_mut(&lane)
        {
            requests.remove(&request);
            if requests.is_empty() {
                self.lanes.remove(&lane);
            }
        }
    }

    /// The node that was asked is not the one to ask.
    pub fn not_theirs(&mut self, request: Request) {
        let Some(waiting) = self.waiting.get_mut(&request) else { return };
        waiting.asked = None;
        if let Some(requests) = waiting.lane.and_then(|lane| self.lanes.get_mut(&lane)) {
            requests.insert(request, None);
        }
    }

    /// Whether a question may go to `node` (`None`: to this node's own rooms) without overtaking one before it.
    pub fn is_next(&self, request: Request, lane: Option<ConversationId>, node: Option<&NodeId>) -> bool {
        let Some(requests) = lane.and_then(|lane| self.lanes.get(&lane)) else { return true };
        requests.range(..request).all(|(_, asked)| node.is_some() && asked.as_ref() == node)
    }

    /// The latest question of the lane before this one that `node` was asked and has not answered.
    pub fn before(&self, request: Request, lane: Option<ConversationId>, node: &NodeId) -> Option<Request> {
        let requests = self.lanes.get(&lane?)?;
        let mut asked = requests.range(..request).filter(|(_, asked)| asked.as_ref() == Some(node));
        asked.next_back().map(|(request, _)| *request)
    }

    /// Whether anything of this lane is under way.
    pub fn has_lane(&self, lane: ConversationId) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Something was heard of a node.
    pub fn heard(&mut self, node: &NodeId, now: Timestamp) {
        match self.heard.get_mut(node) {
            Some(at) => *at = now,
            None => _ = self.heard.insert(node.clone(), now),
        }
        self.silent.remove(node);
    }

    /// Whether it makes no sense to ask this node anything.
    pub fn is_silent(&self, node: &NodeId) -> bool {
        self.silent.contains_key(node)
    }

    /// Takes what is due, oldest first.
    pub fn due(&mut self, now: Timestamp) -> Vec<Due<Q>> {
        self.find_silent(now);
        let is_late = |since: Timestamp| now.since_millis(since) >= ANSWER_WITHIN_MS;
        let is_due = |waiting: &Waiting<Q>| match &waiting.asked {
            None => true,
            Some(node) => self.silent.contains_key(node) || is_late(waiting.asked_at),
        };
        let due: Vec<Request> =
            self.waiting.iter().filter(|(_, waiting)| is_due(waiting)).map(|(request, _)| *request).collect();
        let taken = due.into_iter().filter_map(|request| {
            let Waiting { question, lane, asked, since, .. } = self.waiting.remove(&request)?;
            Some(Due { request, lane, since, question, is_over: asked.is_some() || is_late(since) })
        });
        taken.collect()
    }

    fn find_silent(&mut self, now: Timestamp) {
        for waiting in self.waiting.values() {
            let Some(node) = &waiting.asked else { continue };
            let is_late = now.since_millis(waiting.asked_at) >= ANSWER_WITHIN_MS;
            if is_late && self.heard.get(node).is_none_or(|at| *at <= waiting.asked_at) {
                self.silent.insert(node.clone(), now);
            }
        }
    }

    /// Takes everything that others were asked: their answers will not be heard.
    pub fn take_all_asked(&mut self) -> Vec<Due<Q>> {
        let asked = self.waiting.iter().filter(|(_, waiting)| waiting.asked.is_some());
        let asked: Vec<Request> = asked.map(|(request, _)| *request).collect();
        let taken = asked.into_iter().filter_map(|request| {
            let Waiting { question, lane, since, .. } = self.waiting.remove(&request)?;
            Some(Due { request, lane, since, question, is_over: true })
        });
        taken.collect()
    }

    /// The bus had not carried: nobody's silence means anything.
    pub fn forgive(&mut self) {
        self.silent.clear();
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn given_up(due: Vec<Due<&'static str>>) -> Vec<&'static str> {
        assert!(due.iter().all(|due| due.is_over), "{due:?}");
        due.into_iter().map(|due| due.question).collect()
    }

    fn questions<Q>() -> UnderWay<Q> {
        UnderWay::from(1)
    }

    fn asks(under_way: &mut UnderWay<&'static str>, question: &'static str, of: &str, when: u64) -> Request {
        let request = under_way.number();
        under_way.keep(request, (question, None), Some(node(of)), (at(when), at(when))).unwrap();
        request
    }

    #[test]
    fn a_silent_node_loses_all_its_questions_in_their_order_at_the_first_deadline() {
        let mut under_way = questions();
        asks(&mut under_way, "first", "a", 0);
        asks(&mut under_way, "later", "a", 1_400);
        asks(&mut under_way, "other", "b", 1_400);
        assert_eq!(given_up(under_way.due(at(1_499))), Vec::<&str>::new());
        assert_eq!(given_up(under_way.due(at(1_500))), ["first", "later"]);
        assert!(under_way.is_silent(&node("a")) && !under_way.is_silent(&node("b")));
        under_way.heard(&node("a"), at(1_600));
        assert!(!under_way.is_silent(&node("a")));
    }

    #[test]
    fn a_node_that_is_slow_with_one_answer_and_not_silent_keeps_the_others() {
        let mut under_way = questions();
        asks(&mut under_way, "slow", "a", 0);
        let answered = asks(&mut under_way, "quick", "a", 10);
        asks(&mut under_way, "later", "a", 1_400);
        assert_eq!(under_way.take(answered), Some("quick"));
        under_way.heard(&node("a"), at(20));
        assert_eq!(given_up(under_way.due(at(1_500))), ["slow"]);
        assert!(!under_way.is_silent(&node("a")));
        assert_eq!(under_way.len(), 1);
    }

    #[test]
    fn what_nobody_owns_is_asked_again_until_its_time_is_over() {
        let mut under_way = questions();
        let request = asks(&mut under_way, "moved", "a", 0);
        under_way.not_theirs(request);
        let due = under_way.due(at(50));
        assert_eq!(due, [Due { request, lane: None, since: at(0), question: "moved", is_over: false }]);
        under_way.keep(request, ("moved", None), None, (at(0), at(50))).unwrap();
        assert_eq!(given_up(under_way.due(at(1_500))), ["moved"]);
    }

    #[test]
    fn a_node_is_late_by_when_it_was_asked_and_only_who_was_asked_can_answer() {
        let (a, b) = (node("a"), node("b"));
        let mut under_way = questions();
        under_way.keep(1, ("waited for an owner", None), Some(b.clone()), (at(0), at(1_450))).unwrap();
        assert_eq!(given_up(under_way.due(at(1_600))), Vec::<&str>::new());
        assert_eq!(under_way.answered_by(&a, 1), None);
        assert_eq!(under_way.answered_by(&b, 1), Some("waited for an owner"));
    }

    #[test]
    fn nothing_overtakes_what_was_asked_before_it_of_the_same_lane() {
        let (lane, other) = (ConversationId::from_u128(1), ConversationId::from_u128(2));
        let (a, b) = (node("a"), node("b"));
        let mut under_way = questions();
        under_way.keep(1, ("to a", Some(lane)), Some(a.clone()), (at(0), at(0))).unwrap();
        assert!(under_way.is_next(2, Some(lane), Some(&a)), "the bus keeps the order to one node");
        let before = |request, lane, node| under_way.before(request, Some(lane), node);
        assert_eq!((before(2, lane, &a), before(1, lane, &a), before(2, lane, &b)), (Some(1), None, None));
        assert!(!under_way.is_next(2, Some(lane), Some(&b)), "the slot has moved meanwhile");
        assert!(!under_way.is_next(2, Some(lane), None), "and to this node");
        assert!(under_way.is_next(2, Some(other), None) && under_way.is_next(2, None, Some(&b)));
        under_way.not_theirs(1);
        under_way.keep(2, ("behind it", Some(lane)), None, (at(1), at(1))).unwrap();
        assert!(under_way.is_next(1, Some(lane), Some(&b)) && !under_way.is_next(2, Some(lane), Some(&b)));
        let due = under_way.due(at(2)).into_iter().next().unwrap();
        assert!(!under_way.is_next(2, Some(lane), Some(&b)), "it is being asked again, and still before it");
        under_way.settled(due.request, due.lane);
        under_way.keep(2, ("behind it", Some(lane)), None, (at(1), at(2))).unwrap();
        assert!(under_way.has_lane(lane) && under_way.is_next(2, Some(lane), Some(&b)));
        assert_eq!(under_way.take(2), Some("behind it"));
        assert!(!under_way.has_lane(lane));
    }

    #[test]
    fn the_number_of_questions_is_bounded() {
        let mut under_way = questions();
        for n in 0..MOST_UNDER_WAY {
            assert_eq!(under_way.keep(n as u64, (n, None), None, (at(0), at(0))), Ok(()));
        }
        assert_eq!(under_way.keep(0, (7, None), None, (at(0), at(0))), Err(7));
        assert_eq!(under_way.take_all_asked(), Vec::new());
    }
}
