//! All 1 024 slots, the desk's plans and the simulated register, without anybody talking: a node that joins takes its fair
//! share, a node that leaves gives its own away, and nothing else moves.

use super::register::{Register, Row, Start};
use super::world::LEASE_MS;
use rushdesk::clock::Timestamp;
use rushdesk::cluster::reconcile::{HANDED_AT_ONCE, Heat, Mine, View, plan, turn};
use rushdesk::cluster::slots::{SLOTS, Slot};
use rushdesk::ident::NodeId;
use std::collections::BTreeMap;
use std::time::Duration;

const ROUNDS: u64 = 60;

struct Member {
    start: Start,
    mine: BTreeMap<Slot, Mine>,
}

fn member(number: usize) -> Member {
    let id = NodeId::new(&format!("node-{number}")).unwrap();
    Member { start: Start { id, incarnation: 1 }, mine: BTreeMap::new() }
}

impl Member {
    /// One round; tells what was taken.
    fn round(&mut self, register: &mut Register, now: Timestamp) -> Vec<Slot> {
        register.write(&Row::Beat(self.start.clone()), now, 1);
        let (members, slots) = register.look(now);
        let planned = plan(&View {
            me: &self.start.id,
            members: &members,
            slots: &slots,
            mine: &self.mine,
            lease: Duration::from_millis(LEASE_MS),
            trusts_silence: true,
        });
        let release = turn(planned.release, 0, Heat::new);
        assert!(planned.lost.is_empty() && release.len() <= HANDED_AT_ONCE);
        release.iter().for_each(|(slot, _)| _ = self.mine.remove(slot));
        register.write(&Row::Release(self.start.clone(), release), now, 1);
        let claimed = register.write(&Row::Claim(self.start.clone(), planned.claim), now, 1);
        for (slot, epoch) in &claimed {
            self.mine.insert(*slot, Mine { epoch: *epoch, is_handed: false });
        }
        claimed.into_iter().map(|(slot, _)| slot).collect()
    }
}

/// Lets everybody go round until nothing moves; tells who took how many slots.
fn settle(members: &mut [Member], register: &mut Register, now: &mut Timestamp) -> Vec<usize> {
    let mut taken = vec![0; members.len()];
    for _ in 0..ROUNDS {
        *now = now.plus_millis(1_000);
        for (at, member) in members.iter_mut().enumerate() {
            taken[at] += member.round(register, *now).len();
        }
    }
    taken
}

#[test]
fn who_joins_takes_a_fair_share_and_who_leaves_gives_it_back_and_nothing_else_moves() {
    let slots: Vec<Slot> = Slot::all().collect();
    let (mut register, mut now) = (Register::new(&slots), Timestamp::from_millis(1_000_000));
    let mut members: Vec<Member> = (0..3).map(member).collect();
    for it in &members {
        register.write(&Row::Enter(it.start.clone()), now, 1);
    }
    assert_eq!(settle(&mut members, &mut register, &mut now).iter().sum::<usize>(), usize::from(SLOTS));
    let before: Vec<usize> = members.iter().map(|it| it.mine.len()).collect();
    members.push(member(3));
    register.write(&Row::Enter(members[3].start.clone()), now, 1);
    let taken = settle(&mut members, &mut register, &mut now);
    let fair = usize::from(SLOTS) / members.len();
    assert_eq!(taken[..3], [0, 0, 0], "nothing moves between those who were there");
    assert!((fair / 2..fair * 3 / 2).contains(&taken[3]), "{} of {fair}", taken[3]);
    register.write(&Row::Leave(members[3].start.clone()), now, 1);
    let taken = settle(&mut members, &mut register, &mut now);
    assert_eq!(taken[3], 0);
    assert!(members[3].mine.is_empty());
    let after: Vec<usize> = members[..3].iter().map(|it| it.mine.len()).collect();
    assert_eq!(after, before, "everybody has what they had");
}
