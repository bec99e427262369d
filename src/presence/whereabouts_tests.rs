//! Tables of what may be lost, repeated or restarted, and a property: after any history of losses the lists agree as soon
//! as nothing is lost any more.

use super::*;
use proptest::prelude::*;

fn node(number: usize) -> NodeId {
    NodeId::new(&format!("n{number}")).unwrap()
}

fn visitor(number: usize) -> Name {
    Name::Visitor(VisitorId::new(&format!("v{number}")).unwrap())
}

fn visitors(numbers: &[usize]) -> Vec<Name> {
    numbers.iter().map(|number| visitor(*number)).collect()
}

fn changed(number: u64, came: &[usize], left: &[usize]) -> Word {
    Word::Changed { incarnation: 1, number, came: visitors(came), left: visitors(left) }
}

fn part(number: u64, which: (u32, bool), here: &[usize]) -> Word {
    part_of(number, number, which, here)
}

fn part_of(number: u64, list: u64, (part, last): (u32, bool), here: &[usize]) -> Word {
    Word::Part { incarnation: 1, number, list, part, last, here: visitors(here) }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(10_000 + ms)
}

/// A list of one node, known as of change 1: visitors 1 and 2.
fn known() -> Whereabouts {
    let mut others = Whereabouts::default();
    others.live(&[node(1)]);
    others.hear(&node(1), part(1, (0, true), &[1, 2]));
    assert!(others.knows_all());
    others
}

fn here(others: &Whereabouts) -> Vec<usize> {
    (0..10).filter(|number| !others.nodes_of(&visitor(*number)).is_empty()).collect()
}

#[test]
fn nothing_is_known_before_the_live_nodes_are_named_and_have_told_their_lists() {
    let mut others = Whereabouts::default();
    assert!(!others.knows_all() && !others.knew_all(), "there may be nodes that nobody has named");
    others.live(&[node(1), node(2)]);
    assert!(!others.knows_all());
    assert_eq!(others.to_ask(at(0)), [node(1), node(2)]);
    assert_eq!(others.to_ask(at(1_999)), [], "they are given some time");
    assert_eq!(others.to_ask(at(2_000)), [node(1), node(2)]);
    others.hear(&node(1), part(0, (0, true), &[]));
    assert!(!others.knows_all());
    others.hear(&node(2), part(3, (0, true), &[1]));
    assert!(others.knows_all() && others.knew_all());
    assert_eq!(others.to_ask(at(9_000)), []);
    assert!({
        others.live(&[]);
        others.knows_all()
    });
}

#[test]
fn changes_in_their_order_are_taken_in_and_repeats_are_not() {
    let mut others = known();
    let moved = others.hear(&node(1), changed(2, &[3], &[1]));
    assert_eq!(moved, Moved { came: visitors(&[3]), left: visitors(&[1]) });
    assert_eq!(others.hear(&node(1), changed(2, &[1], &[3])), Moved::default());
    assert_eq!(others.hear(&node(1), changed(1, &[1], &[])), Moved::default());
    assert_eq!(others.hear(&node(1), changed(2, &[], &[])), Moved::default(), "it says which was the last");
    assert_eq!((here(&others), others.knows_all()), (vec![2, 3], true));
}

#[test]
fn a_gap_puts_the_list_in_doubt_keeps_what_was_known_and_is_asked_for() {
    for later in [changed(3, &[4], &[]), changed(3, &[], &[]), changed(2, &[], &[])] {
        let mut others = known();
        others.hear(&node(1), later.clone());
        assert!(!others.knows_all() && others.knew_all(), "{later:?}");
        assert_eq!(others.to_ask(at(0)), [node(1)]);
        assert_eq!(here(&others)[..2], [1, 2]);
        assert_eq!(others.in_doubt().collect::<Vec<_>>(), [&node(1)]);
    }
}

#[test]
fn what_came_since_the_list_was_made_comes_on_top_of_it() {
    let mut others = known();
    others.hear(&node(1), changed(3, &[4], &[2]));
    others.hear(&node(1), changed(4, &[5], &[4]));
    assert_eq!(here(&others), [1, 5]);
    others.hear(&node(1), part(3, (0, true), &[1, 3, 4]));
    assert_eq!((here(&others), others.knows_all()), (vec![1, 3, 5], true));
    others.hear(&node(1), changed(5, &[6], &[]));
    assert_eq!((here(&others), others.knows_all()), (vec![1, 3, 5, 6], true));
    assert_eq!(
        others.hear(&node(1), part(3, (0, true), &[9])),
        Moved::default(),
        "an older list says nothing"
    );
}

#[test]
fn a_list_with_a_part_missing_is_no_list() {
    let mut others = known();
    others.lost(&node(1));
    others.hear(&node(1), part(7, (0, false), &[3]));
    others.hear(&node(1), part(7, (2, true), &[5]));
    assert_eq!((here(&others), others.knows_all()), (vec![1, 2], false));
    for (number, which) in [(3, (0, false)), (4, (1, false)), (5, (2, true))] {
        others.hear(&node(1), part(7, which, &[number]));
    }
    assert_eq!((here(&others), others.knows_all()), (vec![3, 4, 5], true));
}

#[test]
fn parts_of_two_lists_make_none() {
    let mut others = known();
    others.lost(&node(1));
    others.hear(&node(1), part_of(7, 1, (0, false), &[3, 4]));
    others.hear(&node(1), part_of(7, 2, (1, true), &[6]));
    assert_eq!((here(&others), others.knows_all()), (vec![1, 2], false));
}

#[test]
fn a_node_that_began_anew_has_nobody_of_before() {
    let mut others = known();
    let word = Word::Changed { incarnation: 2, number: 1, came: visitors(&[2]), left: Vec::new() };
    let moved = others.hear(&node(1), word);
    assert_eq!(moved, Moved { came: visitors(&[2]), left: visitors(&[1, 2]) });
    assert!(!others.knows_all() && !others.knew_all());
}

#[test]
fn somebody_on_two_nodes_leaves_with_the_last() {
    let mut others = known();
    others.live(&[node(1), node(2)]);
    assert_eq!(others.hear(&node(2), part(1, (0, true), &[2])), Moved::default());
    assert_eq!(others.nodes_of(&visitor(2)), [node(1), node(2)]);
    assert_eq!(others.forget(&node(1)), Moved { came: Vec::new(), left: visitors(&[1]) });
    assert_eq!(others.live(&[]), Moved { came: Vec::new(), left: visitors(&[2]) });
    assert!(others.is_empty());
}

#[test]
fn names_are_bounded_and_where_some_find_no_room_nobody_counts_as_gone() {
    let mut others = Whereabouts::with_room_for(3);
    others.live(&[node(1)]);
    others.hear(&node(1), part(1, (0, true), &[1, 2, 3, 4]));
    assert_eq!((others.len(), others.refused, others.knows_all()), (3, 1, false));
    assert_eq!(others.to_ask(at(0)), [], "asking again would not help");
    others.hear(&node(1), changed(2, &[5], &[1]));
    others.hear(&node(1), changed(3, &[6], &[]));
    assert_eq!((others.len(), others.refused), (3, 2));
    others.lost(&node(1));
    others.hear(&node(1), part(9, (0, true), &[5, 6]));
    assert_eq!((here(&others), others.knows_all()), (vec![5, 6], true));
}

/// A node that speaks: who is there, and what it has numbered.
#[derive(Default)]
struct Speaker {
    here: BTreeSet<usize>,
    number: u64,
    lists: u64,
    untold: BTreeSet<usize>,
}

impl Speaker {
    fn flip(&mut self, who: usize) {
        if !self.here.remove(&who) {
            self.here.insert(who);
        }
        self.untold.insert(who);
    }

    fn tell(&mut self) -> Word {
        let untold = std::mem::take(&mut self.untold);
        let (came, left): (Vec<_>, Vec<_>) = untold.into_iter().partition(|who| self.here.contains(who));
        self.number += u64::from(!(came.is_empty() && left.is_empty()));
        changed(self.number, &came, &left)
    }

    fn list(&mut self) -> Vec<Word> {
        self.lists += 1;
        let here: Vec<usize> = self.here.iter().copied().collect();
        let parts: Vec<&[usize]> = if here.is_empty() { vec![&[]] } else { here.chunks(3).collect() };
        let last = parts.len() - 1;
        parts
            .iter()
            .enumerate()
            .map(|(n, it)| part_of(self.number, self.lists, (n as u32, n == last), it))
            .collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Flip(usize, usize),
    Tell(usize, bool),
    /// Lists are asked for; of the answers these parts are lost.
    Ask(u8),
    Noticed(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2_usize, 0..10_usize).prop_map(|(at, who)| Step::Flip(at, who)),
        4 => (0..2_usize, any::<bool>()).prop_map(|(at, lost)| Step::Tell(at, lost)),
        2 => any::<u8>().prop_map(Step::Ask),
        1 => (0..2_usize).prop_map(Step::Noticed),
    ];
    prop::collection::vec(step, 0..60)
}

fn ask(others: &mut Whereabouts, speakers: &mut [Speaker], now: Timestamp, lost: u8) {
    for to in others.to_ask(now) {
        let speaker = &mut speakers[usize::from(to == node(1))];
        for (n, word) in speaker.list().into_iter().enumerate() {
            if lost & (1 << n) == 0 {
                others.hear(&to, word);
            }
        }
    }
}

proptest! {
    #[test]
    fn after_any_losses_the_lists_agree_once_nothing_is_lost(history in steps()) {
        let mut speakers = [Speaker::default(), Speaker::default()];
        let mut others = Whereabouts::default();
        others.live(&[node(0), node(1)]);
        let mut now = at(0);
        for step in history {
            now = now.plus_millis(700);
            match step {
                Step::Flip(at, who) => speakers[at].flip(who),
                Step::Tell(at, lost) => {
                    let word = speakers[at].tell();
                    if !lost {
                        others.hear(&node(at), word);
                    }
                }
                Step::Ask(lost) => ask(&mut others, &mut speakers, now, lost),
                Step::Noticed(at) => others.lost(&node(at)),
            }
            // Whoever is known completely and up to the last number is known rightly.
            for (at, speaker) in speakers.iter().enumerate() {
                let peer = &others.peers[&node(at)];
                if peer.complete && peer.number == speaker.number && speaker.untold.is_empty() {
                    let known: Vec<Name> = peer.names.iter().cloned().collect();
                    prop_assert_eq!(known, speaker.here.iter().map(|who| visitor(*who)).collect::<Vec<_>>());
                }
            }
        }
        for _ in 0..2 {
            for (at, speaker) in speakers.iter_mut().enumerate() {
                others.hear(&node(at), speaker.tell());
            }
            now = now.plus_millis(ASK_AGAIN_MS);
            ask(&mut others, &mut speakers, now, 0);
        }
        prop_assert!(others.knows_all());
        for who in 0..10 {
            let there: Vec<NodeId> =
                (0..2).filter(|at| speakers[*at].here.contains(&who)).map(node).collect();
            let mut known = others.nodes_of(&visitor(who)).to_vec();
            known.sort();
            prop_assert_eq!(known, there);
        }
        let held: usize = speakers.iter().map(|speaker| speaker.here.len()).sum();
        prop_assert_eq!(others.len(), held);
    }
}
