//! Plans by table, and any number of nodes that carry theirs out on one set of rows.

use super::super::slots::{SLOTS, Slot, wanted};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const LEASE: Duration = Duration::from_secs(10);
const FRESH: Duration = Duration::from_secs(1);

fn id(number: usize) -> NodeId {
    NodeId::new(&format!("node-{number}")).unwrap()
}

fn member(number: usize, state: MemberState, silent: Duration) -> Member {
    Member { id: id(number), state, silent }
}

fn serving(number: usize) -> Member {
    member(number, MemberState::Serving, FRESH)
}

fn held(epoch: Epoch) -> Mine {
    Mine { epoch, is_handed: false }
}

/// A slot that falls to `node-0` beside `node-1`, and one that falls to the other.
fn two_slots() -> (Slot, Slot) {
    let falls_to = |number| {
        let nodes = [id(0), id(1)];
        Slot::all().find(|slot| wanted(*slot, &nodes) == Some(&id(number))).unwrap()
    };
    (falls_to(0), falls_to(1))
}

/// What `node-0` plans about a slot with this row, beside the others.
fn planned(
    slot: Slot,
    owner: Option<usize>,
    released: bool,
    holds: Option<Mine>,
    members: &[Member],
) -> Plan {
    let slots = [SlotRow { slot, epoch: 7, owner: owner.map(id), released }];
    let mine = holds.map(|mine| (slot, mine)).into_iter().collect();
    plan(&View { me: &id(0), members, slots: &slots, mine: &mine, lease: LEASE, trusts_silence: true })
}

#[test]
fn who_was_cut_off_takes_from_nobody_silent_for_a_while() {
    let (own, _) = two_slots();
    let silent = [serving(0), member(1, MemberState::Serving, LEASE)];
    let mine = BTreeMap::new();
    let takes = |owner: Option<usize>, released| {
        let slots = [SlotRow { slot: own, epoch: 7, owner: owner.map(id), released }];
        let me = &id(0);
        let view =
            View { me, members: &silent, slots: &slots, mine: &mine, lease: LEASE, trusts_silence: false };
        !plan(&view).claim.is_empty()
    };
    assert!(!takes(Some(1), false), "it may have been cut off as well");
    assert!(takes(Some(1), true) && takes(None, false) && takes(Some(0), false), "what is free is free");
    assert!(takes(Some(2), false), "who has no row does not come back");
}

#[test]
fn a_slot_is_taken_where_nobody_living_owns_it() {
    let (own, _) = two_slots();
    let both = [serving(0), serving(1)];
    let silent = |silent| [serving(0), member(1, MemberState::Serving, silent)];
    let leaving = [serving(0), member(1, MemberState::Leaving, FRESH)];
    let takes =
        |owner, released, members: &[Member]| !planned(own, owner, released, None, members).claim.is_empty();
    assert!(takes(None, true, &both), "nobody ever owned it");
    assert!(takes(Some(1), true, &both), "its owner gave it up");
    assert!(takes(Some(2), false, &both), "its owner has no row");
    assert!(takes(Some(0), false, &both), "a former incarnation's is taken back");
    assert!(takes(Some(1), false, &silent(LEASE)), "its owner is dead");
    assert!(!takes(Some(1), false, &silent(LEASE - FRESH)), "its owner may still live");
    assert!(!takes(Some(1), false, &leaving), "a node that leaves hands over");
    assert_eq!(planned(own, Some(1), true, None, &both).claim, [(own, 7)], "under the epoch that was seen");
}

#[test]
fn a_slot_is_given_up_where_another_should_have_it() {
    let (own, other) = two_slots();
    let both = [serving(0), serving(1)];
    let dead = [serving(0), member(1, MemberState::Serving, LEASE)];
    assert_eq!(planned(other, Some(0), false, Some(held(7)), &both).release, [(other, 7)]);
    assert_eq!(planned(other, Some(0), false, None, &both).release, [(other, 7)], "a former incarnation's");
    assert_eq!(planned(other, Some(0), false, Some(held(7)), &dead), Plan::default(), "to nobody dead");
    assert_eq!(planned(own, Some(0), false, Some(held(7)), &both), Plan::default());
    let handed = Mine { epoch: 7, is_handed: true };
    assert_eq!(planned(other, Some(0), false, Some(handed), &both), Plan::default(), "once");
    let leaving = [member(0, MemberState::Leaving, FRESH), serving(1)];
    let leaves = planned(own, Some(0), false, Some(held(7)), &leaving);
    assert_eq!((leaves.release, leaves.claim), (vec![(own, 7)], vec![]));
    let alone = [member(0, MemberState::Leaving, FRESH)];
    assert_eq!(planned(own, Some(0), false, Some(held(7)), &alone).release.len(), 1, "to nobody at all");
}

#[test]
fn a_node_that_was_silent_for_a_lease_looks_and_does_nothing() {
    let (own, other) = two_slots();
    let silent = [member(0, MemberState::Serving, LEASE), serving(1)];
    assert_eq!(planned(other, Some(0), false, Some(held(7)), &silent), Plan::default());
    let freed = planned(own, Some(1), true, None, &silent);
    assert_eq!((freed.claim, freed.release), (vec![], vec![]));
    let taken = planned(own, Some(1), false, Some(held(6)), &silent);
    assert_eq!((taken.lost, taken.elsewhere), (vec![own], vec![(own, Whose::There(id(1)))]));
}

#[test]
fn whose_the_others_are_is_told() {
    let (own, other) = two_slots();
    let both = [serving(0), serving(1)];
    let dead = [serving(0), member(1, MemberState::Serving, LEASE)];
    let told = |owner, released, members: &[Member]| {
        planned(other, owner, released, None, members).elsewhere.remove(0).1
    };
    assert_eq!(told(Some(1), false, &both), Whose::There(id(1)));
    assert_eq!(told(Some(1), true, &both), Whose::Nobody);
    assert_eq!(told(Some(1), false, &dead), Whose::Nobody);
    assert_eq!(told(None, false, &both), Whose::Nobody);
    assert_eq!(
        planned(own, Some(0), false, Some(held(6)), &both).lost,
        [own],
        "under another epoch it is lost"
    );
}

#[test]
fn the_coldest_are_handed_over_first_and_no_more_than_fit() {
    let release = |count: u16| (0..count).filter_map(Slot::new).map(|slot| (slot, 7)).collect::<Vec<_>>();
    // The lower the number the hotter; beyond 900 there is nothing.
    let heat = || Slot::all().take(900).map(|slot| (slot, 1_000 - u64::from(slot.number()))).collect();
    let goes = |count, handed| -> Vec<u16> {
        turn(release(count), handed, heat).into_iter().map(|(slot, _)| slot.number()).collect()
    };
    let first = goes(SLOTS, 0);
    assert_eq!(first.len(), HANDED_AT_ONCE);
    assert_eq!((first[0], first[123], first[124], first[127]), (900, 1_023, 899, 896));
    assert_eq!(goes(SLOTS, HANDED_AT_ONCE - 2), [900, 901], "what is being handed over counts");
    assert_eq!(goes(SLOTS, HANDED_AT_ONCE + 1), Vec::<u16>::new());
    assert_eq!(turn(release(3), 0, || panic!("nobody has to wait, so nobody counts")), release(3));
}

#[test]
fn a_newcomer_is_handed_its_fair_share_and_nothing_else_moves() {
    let rows = Slot::all().map(|slot| SlotRow { slot, epoch: 1, owner: None, released: true }).collect();
    let mut world = World::new(4, rows);
    let newcomer = world.members.pop().unwrap();
    world.settle();
    world.assert_settled();
    let before = world.rows.clone();
    world.members.push(newcomer);
    world.settle();
    world.assert_settled();
    let moved: Vec<_> = world.rows.iter().zip(&before).filter(|(now, then)| now != then).collect();
    assert!(moved.iter().all(|(now, then)| now.owner == Some(id(3)) && now.epoch == then.epoch + 1));
    let fair = usize::from(SLOTS) / 4;
    assert!(moved.len() > fair / 2 && moved.len() < fair * 2, "{} of {fair}", moved.len());
}

/// The rows, and nodes that carry out what they plan.
struct World {
    members: Vec<Member>,
    rows: Vec<SlotRow>,
    mine: Vec<BTreeMap<Slot, Mine>>,
    /// Every ownership that ever was.
    owned: BTreeSet<(Slot, Epoch)>,
}

impl World {
    fn new(nodes: usize, rows: Vec<SlotRow>) -> Self {
        let members = (0..nodes).map(serving).collect();
        Self { members, rows, mine: vec![BTreeMap::new(); nodes], owned: BTreeSet::new() }
    }

    fn plan(&self, node: usize) -> Plan {
        plan(&View {
            me: &id(node),
            members: &self.members,
            slots: &self.rows,
            mine: &self.mine[node],
            lease: LEASE,
            trusts_silence: true,
        })
    }

    /// Carries a plan out as the store would: what no longer stands as it was seen stays as it is.
    fn carry_out(&mut self, node: usize, plan: Plan) {
        let me = id(node);
        for slot in plan.lost {
            self.mine[node].remove(&slot);
        }
        for (slot, seen) in plan.claim {
            let row = &mut self.rows[slot.index()];
            if row.epoch == seen {
                *row = SlotRow { slot, epoch: seen + 1, owner: Some(me.clone()), released: false };
                assert!(self.owned.insert((slot, seen + 1)), "two owners under one epoch (CL-1)");
                self.mine[node].insert(slot, held(seen + 1));
            }
        }
        for (slot, seen) in turn(plan.release, 0, Heat::new) {
            let row = &mut self.rows[slot.index()];
            if row.epoch == seen && row.owner.as_ref() == Some(&me) {
                row.released = true;
            }
            self.mine[node].remove(&slot);
        }
    }

    fn is_live(&self, node: usize) -> bool {
        self.members.get(node).is_some_and(|member| member.silent < LEASE)
    }

    /// Rounds of all living nodes in order, as many as handing everything over takes.
    fn settle(&mut self) {
        for _ in 0..(usize::from(SLOTS) / HANDED_AT_ONCE + 3) {
            for node in 0..self.members.len() {
                if self.is_live(node) {
                    let plan = self.plan(node);
                    self.carry_out(node, plan);
                }
            }
        }
    }

    fn assert_settled(&self) {
        let serving: Vec<NodeId> = self
            .members
            .iter()
            .filter(|member| member.state == MemberState::Serving && member.silent < LEASE)
            .map(|member| member.id.clone())
            .collect();
        for row in &self.rows {
            match wanted(row.slot, &serving) {
                Some(owner) => assert!(row.owner.as_ref() == Some(owner) && !row.released, "{row:?}"),
                None => assert!(
                    row.released || row.owner.as_ref().is_none_or(|owner| !self.is_live(number_of(owner))),
                    "{row:?}"
                ),
            }
        }
        for (node, mine) in self.mine.iter().enumerate().filter(|(node, _)| self.is_live(*node)) {
            let own = self.rows.iter().filter(|row| row.owner == Some(id(node)) && !row.released).count();
            assert_eq!(mine.len(), own, "node-{node} holds what the rows say");
        }
    }
}

fn number_of(node: &NodeId) -> usize {
    node.as_str().trim_start_matches("node-").parse().unwrap()
}

const NODES: usize = 4;

/// What befalls the nodes between rounds.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Plans and carries out.
    Round(usize),
    /// Plans now, carries out at its next step: meanwhile the rows may change.
    Look(usize),
    FallSilent(usize),
    /// Beats again; whatever it holds it still believes.
    Beat(usize),
    /// Starts again under its id, remembering nothing.
    Restart(usize),
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = 0..NODES;
    let step = prop_oneof![
        4 => node.clone().prop_map(Step::Round),
        2 => node.clone().prop_map(Step::Look),
        1 => node.clone().prop_map(Step::FallSilent),
        1 => node.clone().prop_map(Step::Beat),
        1 => node.clone().prop_map(Step::Restart),
        1 => node.prop_map(Step::Leave),
    ];
    proptest::collection::vec(step, 0..40)
}

/// Rows of any past: owners living, dead or unknown.
fn rows() -> impl Strategy<Value = Vec<SlotRow>> {
    let row = (0_u64..5, proptest::option::of(0..NODES + 2), any::<bool>());
    proptest::collection::vec(row, usize::from(SLOTS)).prop_map(|rows| {
        let of = |(slot, (epoch, owner, released)): (Slot, (u64, Option<usize>, bool))| SlotRow {
            slot,
            epoch,
            owner: owner.map(id),
            released,
        };
        Slot::all().zip(rows).map(of).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_no_epoch_has_two_owners_and_all_settles_in_the_end(rows in rows(), steps in steps()) {
        let mut world = World::new(NODES, rows);
        let mut looked: Vec<Option<Plan>> = vec![None; NODES];
        for step in steps {
            match step {
                Step::Round(node) => {
                    let plan = looked[node].take().unwrap_or_else(|| world.plan(node));
                    world.carry_out(node, plan);
                }
                Step::Look(node) => looked[node] = Some(world.plan(node)),
                Step::FallSilent(node) => world.members[node].silent = LEASE,
                Step::Beat(node) => world.members[node].silent = FRESH,
                Step::Restart(node) => {
                    looked[node] = None;
                    world.mine[node].clear();
                    world.members[node] = serving(node);
                }
                Step::Leave(node) => world.members[node].state = MemberState::Leaving,
            }
        }
        world.settle();
        world.assert_settled();
    }
}

#[test]
fn a_killed_nodes_slots_are_taken_after_the_lease_and_no_sooner() {
    let rows = Slot::all().map(|slot| SlotRow { slot, epoch: 1, owner: None, released: true }).collect();
    let mut world = World::new(3, rows);
    world.settle();
    world.assert_settled();
    let of_the_killed = world.mine[2].len();
    world.members[2].silent = LEASE - FRESH;
    let epochs: Vec<Epoch> = world.rows.iter().map(|row| row.epoch).collect();
    world.settle();
    assert!(world.rows.iter().zip(&epochs).all(|(row, epoch)| row.epoch == *epoch), "nothing moves before");
    world.members[2].silent = LEASE;
    world.settle();
    world.assert_settled();
    let moved = world.rows.iter().zip(&epochs).filter(|(row, epoch)| row.epoch > **epoch).count();
    assert_eq!(moved, of_the_killed, "and nothing else moves after");
}
