//! RT-1 to RT-7 under any sequence of inputs, RT-8 over windows.

use super::desk::{
    AGENTS, Desk, GROUPS, agent, agent_id, arrival, at, conversation, facts, group, group_id, pairs, profile,
    rules,
};
use super::driver::Driver;
use super::model::{Talk, Wait};
use proptest::prelude::*;
use rushdesk::clock::Timestamp;
use rushdesk::routing::{Arrival, Group, Input, OfferEnd, Policy, Refusal, Wanted};
use std::collections::BTreeMap;

/// A number for what is done, and numbers to do it with.
type Deed = (u8, u8, u8, u16);

fn some_facts(c: u16) -> Box<rushdesk::routing::Facts> {
    facts([None, Some("pay"), Some("other")][usize::from(c % 3)], (c.is_multiple_of(4)).then_some("gold"))
}

fn some_arrival(now: Timestamp, a: u8, b: u8, c: u16) -> Arrival {
    let mut arrival = arrival(u128::from(a % 24) + 1, GROUPS[usize::from(b % 3)], 0);
    arrival.enqueued_at = Timestamp::from_millis(now.millis() - u64::from(c % 90) * 1_000);
    arrival.facts = some_facts(c);
    arrival.waited_before_ms = u64::from(c % 5) * 7_000;
    arrival.seats = if c.is_multiple_of(6) { 2 } else { 1 };
    arrival.assign_seq = u64::from(c);
    arrival.suspended = c.is_multiple_of(13);
    if c.is_multiple_of(7) {
        let hard_for_s = if c.is_multiple_of(2) { 30 } else { 0 };
        arrival.wanted = Some(Wanted {
            agent: agent_id(u128::from(b % 5) + 1),
            hard_for_s,
            any_group: c.is_multiple_of(3),
        });
    }
    if c.is_multiple_of(11) {
        arrival.declined = vec![agent_id(u128::from(b % 5) + 1)];
    }
    arrival
}

fn is_asked(talk: &Talk) -> bool {
    matches!(talk.wait, Wait::Assigning { .. } | Wait::Offering { .. })
}

fn is_offered(talk: &Talk) -> bool {
    matches!(talk.wait, Wait::Offering { .. } | Wait::Offered { .. } | Wait::Ending { .. })
}

/// The input of a deed, where there is something to do it with.
fn input(driver: &Driver, (kind, a, b, c): Deed) -> Option<Input> {
    let nth = usize::from(a);
    let known = driver.model.known_agent(nth);
    let asked = || driver.nth_talk(nth, is_asked).map(|(id, agent)| (id, agent.unwrap()));
    let offered = || driver.nth_talk(nth, is_offered).map(|(id, agent)| (id, agent.unwrap()));
    let any = || driver.nth_talk(nth, |_| true).map(|(id, _)| id);
    Some(match kind {
        0..=6 => {
            let arrival = some_arrival(driver.now, a, b, c);
            if driver.model.is_held(arrival.conversation) {
                return None;
            }
            Input::Arrived(Box::new(arrival))
        }
        7..=11 => asked().map(|(conversation, agent)| Input::Confirmed { conversation, agent })?,
        12 => {
            let (conversation, agent) = offered()?;
            let talk = &driver.model.talks[&conversation];
            Input::Held { agent, conversation, seats: talk.arrival.seats, group: talk.arrival.group.clone() }
        }
        13 => {
            let (conversation, agent) = offered()?;
            let how = [OfferEnd::Declined, OfferEnd::Expired, OfferEnd::Withdrawn][usize::from(c % 3)];
            Input::OfferEnded { conversation, agent, how }
        }
        14..=16 => {
            let (agent, conversation) = driver.model.nth_held(nth)?;
            Input::Freed { agent, conversation }
        }
        17..=19 => Input::AgentAvailable { agent: known, available: !c.is_multiple_of(4) },
        20 => {
            let (conversation, agent) = asked()?;
            let reasons = [Refusal::AgentAway, Refusal::AtCapacity, Refusal::Stale, Refusal::Unavailable];
            Input::Refused { conversation, agent, reason: reasons[usize::from(c % 4)] }
        }
        21 => Input::Left { conversation: any()? },
        22 => Input::Suspended { conversation: any()? },
        23 => Input::Resumed { conversation: any()? },
        24 => Input::FactsChanged { conversation: any()?, facts: some_facts(c) },
        25 => {
            let number = u128::from(a) % AGENTS + 1;
            Input::AgentUpserted(Box::new(profile(number, b)))
        }
        26 => Input::RulesReplaced(rules(nth % 4)),
        27 => Input::GroupUpserted(Box::new(group(GROUPS[usize::from(b % 3)], usize::from(a)))),
        28 if driver.model.people.len() > 2 => Input::AgentRemoved(known),
        _ => {
            let (conversation, _) = driver.nth_talk(nth, |_| true)?;
            let talk = &driver.model.talks[&conversation];
            Input::Held {
                agent: known,
                conversation,
                seats: talk.arrival.seats,
                group: talk.arrival.group.clone(),
            }
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_property_holds_after_every_input(
        policies in 0usize..8,
        rule_list in 0usize..4,
        deeds in prop::collection::vec((0u8..36, any::<u8>(), any::<u8>(), any::<u16>()), 1..90),
    ) {
        let mut driver = Driver::new(at(1_000));
        for (nth, name) in GROUPS.iter().enumerate() {
            driver.tell(Input::GroupUpserted(Box::new(group(name, policies + nth))));
        }
        driver.tell(Input::RulesReplaced(rules(rule_list)));
        for number in 1..=3 {
            driver.tell(Input::AgentAvailable { agent: agent_id(number), available: true });
        }
        for deed in deeds {
            if deed.0 >= 30 {
                driver.wait(u64::from(deed.3 % 12));
            } else if let Some(input) = input(&driver, deed) {
                driver.tell(input);
            }
        }
        driver.assert_replays();
    }

    /// RT-8: with equal agents whose conversations last alike, no window gives one of them two turns more.
    #[test]
    fn round_robin_differs_by_at_most_one_over_any_window(
        agents in 2u128..6,
        lengths in prop::collection::vec(0usize..6, 1..60),
    ) {
        let robin = Group { policy: Policy::RoundRobin, ..Group::new(group_id("general")) };
        let mut desk = Desk::new(&[robin]);
        for number in 1..=agents {
            desk.online(agent(number, &["general"], &[], 100));
        }
        let (mut turns, mut held) = (Vec::new(), Vec::new());
        for (number, length) in (1u128..).zip(lengths) {
            desk.now = desk.now.plus_millis(10);
            let decided = desk.arrive(arrival(number, "general", 0));
            desk.confirm(&decided);
            let decided = pairs(&decided);
            turns.extend(decided.iter().map(|(_, agent)| *agent));
            held.extend(decided);
            if held.len() > length {
                let (talk, agent) = held.remove(length % held.len());
                desk.tell(Input::Freed { agent: agent_id(agent), conversation: conversation(talk) });
            }
        }
        for begin in 0..turns.len() {
            let mut counts: BTreeMap<u128, usize> = (1..=agents).map(|number| (number, 0)).collect();
            for turn in &turns[begin..] {
                *counts.get_mut(turn).unwrap() += 1;
                let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
                prop_assert!(most - least <= 1, "{turns:?}");
            }
        }
    }
}
