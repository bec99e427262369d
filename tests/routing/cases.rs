//! What people expect of routing, told step by step: offers, steps, sticky agents, weights, overflow, refusals.

use super::desk::{
    Desk, agent, agent_id, arrival, at, conversation, facts, group_id, intent, pairs, rule, skill, step, tier,
};
use rushdesk::routing::{
    Accept, Arrival, Bump, Decision, Group, Input, Needs, OfferEnd, OpenOffer, OverflowAfter, Policy,
    Refusal, RoutingError, Wanted,
};

fn general() -> Group {
    Group::new(group_id("general"))
}

fn manual() -> Group {
    Group { accept: Accept::Manual, ..general() }
}

fn desk() -> Desk {
    Desk::new(&[general(), Group::new(group_id("vip"))])
}

/// Agents 1 and 2 of one seat in a group that offers.
fn offering_desk() -> Desk {
    let mut desk = Desk::new(&[manual()]);
    for number in [1, 2] {
        desk.online(agent(number, &["general"], &[], 1));
    }
    desk
}

fn free(desk: &mut Desk, agent: u128, talk: u128) -> Vec<Decision> {
    desk.tell(Input::Freed { agent: agent_id(agent), conversation: conversation(talk) })
}

#[test]
fn priority_is_time() {
    let mut desk = desk();
    desk.tell(Input::RulesReplaced(vec![
        rule("pay", intent("payment_failure"), 600, Vec::new()),
        rule("gold", tier("gold"), 500, Vec::new()),
    ]));
    let with = |number, second, facts| Arrival { facts, ..arrival(number, "general", second) };
    desk.now = at(2_000);
    // Virtual starts: 1000, 1601 − 600 = 1001, 1900 − 900 (clamped) = 1000 but enqueued later, 1100 − 200 waited.
    desk.arrive(arrival(1, "general", 1_000));
    desk.arrive(with(2, 1_601, facts(Some("payment_failure"), None)));
    desk.arrive(with(3, 1_900, facts(Some("payment_failure"), Some("gold"))));
    desk.arrive(Arrival { waited_before_ms: 200_000, ..arrival(4, "general", 1_100) });
    let order: Vec<_> = (1..=4).map(|number| desk.engine.rank(&conversation(number)).unwrap()).collect();
    assert_eq!(order, [2, 4, 3, 1]);
    let served = desk.online(agent(1, &["general"], &[], 4));
    assert_eq!(pairs(&served), [(4, 1), (1, 1), (3, 1), (2, 1)]);
}

#[test]
fn each_policy_chooses_its_own() {
    let expected =
        [(Policy::LongestIdle, 2), (Policy::LeastLoaded, 3), (Policy::RoundRobin, 4), (Policy::BestSkill, 1)];
    for (policy, chosen) in expected {
        let mut desk = Desk::new(&[Group { policy, ..general() }]);
        let steps = vec![step(skill("billing", 1), &[], None)];
        desk.tell(Input::RulesReplaced(vec![rule("pay", intent("pay"), 0, steps)]));
        // Agent 4 had the first turn of all; 1 is the most able; 3 is the emptiest; 2 is idle for longest.
        for (number, level, capacity) in [(4, 2, 4), (2, 2, 2), (3, 2, 10), (1, 5, 2)] {
            desk.online(agent(number, &["general"], &[("billing", level)], capacity));
        }
        for (second, number) in [(1, 2), (2, 3), (3, 4), (4, 1)] {
            desk.now = at(second);
            let (agent, conversation) = (agent_id(number), conversation(900 + number));
            let group = group_id("general");
            desk.tell(Input::Held { agent, conversation, seats: 1, group });
        }
        let pay = Arrival { facts: facts(Some("pay"), None), ..arrival(1, "general", 5) };
        assert_eq!(pairs(&desk.arrive(pay)), [(1, chosen)], "{policy:?}");
    }
}

#[test]
fn a_step_relaxes_when_its_time_is_over() {
    let mut desk = desk();
    let steps = vec![
        step(skill("billing", 4), &[], Some(20)),
        step(Needs::Any(vec![skill("billing", 2), Needs::Group(group_id("vip"))]), &[], Some(30)),
    ];
    desk.tell(Input::RulesReplaced(vec![rule("pay", intent("pay"), 0, steps)]));
    desk.online(agent(1, &["general"], &[("billing", 1)], 1));
    desk.online(agent(2, &["vip"], &[], 1));
    let pay = |number| Arrival { facts: facts(Some("pay"), None), ..arrival(number, "general", 0) };
    assert_eq!(desk.arrive(pay(1)), []);
    assert_eq!(desk.arrive(pay(2)), []);
    assert_eq!(desk.wait_until(at(19)), []);
    let second = desk.wait_until(at(20));
    assert_eq!(pairs(&second), [(1, 2)], "the second step reaches the other group");
    desk.confirm(&second);
    assert_eq!(pairs(&desk.wait_until(at(49))), []);
    assert_eq!(pairs(&desk.wait_until(at(50))), [(2, 1)], "anyone in the group at last");
}

#[test]
fn a_head_that_nobody_can_serve_blocks_nobody() {
    let mut desk = desk();
    let steps = vec![step(skill("latin", 1), &[], None)];
    desk.tell(Input::RulesReplaced(vec![rule("latin", intent("latin"), 900, steps)]));
    desk.arrive(Arrival { facts: facts(Some("latin"), None), ..arrival(1, "general", 0) });
    desk.arrive(arrival(2, "general", 1));
    assert_eq!(pairs(&desk.online(agent(1, &["general"], &[], 5))), [(2, 1)]);
}

#[test]
fn a_returning_visitor_waits_for_their_agent_only_while_that_agent_is_online() {
    let wanted = Some(Wanted { agent: agent_id(1), hard_for_s: 60, any_group: false });
    let mut desk = desk();
    desk.online(agent(1, &["general"], &[], 1));
    desk.online(agent(2, &["general"], &[], 5));
    let first = desk.arrive(arrival(10, "general", 0));
    desk.confirm(&first);
    assert_eq!(pairs(&first), [(10, 1)]);
    assert_eq!(desk.arrive(Arrival { wanted, ..arrival(11, "general", 0) }), [], "waits for agent 1");
    let second = free(&mut desk, 1, 10);
    assert_eq!(pairs(&second), [(11, 1)]);
    desk.confirm(&second);
    assert_eq!(desk.arrive(Arrival { wanted, ..arrival(12, "general", 0) }), []);
    let away = desk.tell(Input::AgentAvailable { agent: agent_id(1), available: false });
    assert_eq!(pairs(&away), [(12, 2)], "agent 1 is gone, so anyone");
}

#[test]
fn a_soft_wish_is_met_when_that_agent_is_free_and_forgotten_otherwise() {
    let wanted = Some(Wanted { agent: agent_id(2), hard_for_s: 0, any_group: false });
    let mut desk = desk();
    desk.online(agent(1, &["general"], &[], 5));
    desk.now = at(1);
    desk.online(agent(2, &["general"], &[], 1));
    assert_eq!(pairs(&desk.arrive(Arrival { wanted, ..arrival(1, "general", 1) })), [(1, 2)]);
    assert_eq!(pairs(&desk.arrive(Arrival { wanted, ..arrival(2, "general", 1) })), [(2, 1)]);
}

#[test]
fn an_offer_holds_the_seat_and_goes_on_to_another_when_declined() {
    let mut desk = offering_desk();
    let offered = desk.arrive(arrival(1, "general", 0));
    assert!(matches!(offered[..], [Decision::Offer { expires_at, .. }] if expires_at == at(20)));
    assert_eq!(pairs(&offered), [(1, 1)]);
    desk.confirm(&offered);
    assert_eq!(desk.engine.load_of(agent_id(1)), Some(1));
    let decline = |agent| Input::OfferEnded {
        conversation: conversation(1),
        agent: agent_id(agent),
        how: OfferEnd::Declined,
    };
    let next = desk.tell(decline(1));
    assert_eq!(pairs(&next), [(1, 2)], "agent 1 is idle for longer, but declined");
    desk.confirm(&next);
    assert_eq!(pairs(&desk.tell(decline(2))), [(1, 1)], "everybody has declined, so once more");
}

#[test]
fn who_declined_is_asked_again_when_the_others_go() {
    let mut desk = offering_desk();
    let both: Vec<_> = (1..=2).flat_map(|number| desk.arrive(arrival(number, "general", 0))).collect();
    desk.confirm(&both);
    let how = OfferEnd::Declined;
    let after = desk.tell(Input::OfferEnded { conversation: conversation(1), agent: agent_id(1), how });
    assert_eq!(after, [], "agent 2 can, once the seat is free");
    let after = desk.tell(Input::AgentAvailable { agent: agent_id(2), available: false });
    assert!(matches!(after[0], Decision::WithdrawOffer { .. }));
    assert_eq!(pairs(&after), [(1, 1)], "now nobody else can");
}

#[test]
fn three_missed_offers_in_a_row_set_the_agent_away() {
    let mut desk = Desk::new(&[manual()]);
    desk.online(agent(1, &["general"], &[], 1));
    let mut offered = desk.arrive(arrival(1, "general", 0));
    for round in 1..=3 {
        desk.confirm(&offered);
        let due = desk.engine.next_deadline().unwrap();
        assert_eq!(due, at(20 * round));
        let expiry = desk.wait_until(due);
        let (conversation, agent) = (conversation(1), agent_id(1));
        assert_eq!(expiry, [Decision::ExpireOffer { conversation, agent }]);
        assert_eq!(desk.engine.load_of(agent), Some(1), "the seat is held until the end is committed");
        offered = desk.tell(Input::OfferEnded { conversation, agent, how: OfferEnd::Expired });
    }
    assert_eq!(offered, [Decision::SetAway { agent: agent_id(1), missed_offers: 3 }]);
    assert_eq!(pairs(&desk.tell(Input::AgentAvailable { agent: agent_id(1), available: true })), [(1, 1)]);
}

#[test]
fn a_declined_offer_is_an_answer_and_ends_the_row_of_missed_ones() {
    let mut desk = Desk::new(&[manual()]);
    desk.online(agent(1, &["general"], &[], 1));
    let mut offered = desk.arrive(arrival(1, "general", 0));
    for how in
        [OfferEnd::Expired, OfferEnd::Expired, OfferEnd::Declined, OfferEnd::Expired, OfferEnd::Expired]
    {
        desk.confirm(&offered);
        offered = desk.tell(Input::OfferEnded { conversation: conversation(1), agent: agent_id(1), how });
        assert_eq!(pairs(&offered), [(1, 1)], "still asked, being the only one");
    }
}

#[test]
fn an_offer_that_was_out_before_a_restart_stays_out() {
    let mut desk = offering_desk();
    let offered = Some(OpenOffer { agent: agent_id(2), expires_at: at(9) });
    assert_eq!(desk.arrive(Arrival { offered, ..arrival(1, "general", 0) }), []);
    assert_eq!(desk.engine.load_of(agent_id(2)), Some(1));
    let expiry = desk.wait_until(at(9));
    assert_eq!(expiry, [Decision::ExpireOffer { conversation: conversation(1), agent: agent_id(2) }]);
}

#[test]
fn an_accepted_offer_is_a_held_seat_like_any_other() {
    let mut desk = offering_desk();
    let offered = desk.arrive(arrival(1, "general", 0));
    desk.confirm(&offered);
    let (agent, conversation) = (agent_id(1), conversation(1));
    let held = Input::Held { agent, conversation, seats: 1, group: group_id("general") };
    for _ in 0..2 {
        assert_eq!(desk.tell(held.clone()), [], "told twice, held once");
        assert_eq!((desk.engine.load_of(agent), desk.engine.rank(&conversation)), (Some(1), None));
    }
}

#[test]
fn a_conversation_of_two_seats_takes_two() {
    let mut desk = desk();
    desk.online(agent(1, &["general"], &[], 3));
    let first = desk.arrive(Arrival { seats: 2, ..arrival(1, "general", 0) });
    desk.confirm(&first);
    assert_eq!(desk.arrive(Arrival { seats: 2, ..arrival(2, "general", 1) }), []);
    assert_eq!(pairs(&desk.arrive(arrival(3, "general", 2))), [(3, 1)], "one seat is left for the small one");
    assert_eq!(desk.engine.load_of(agent_id(1)), Some(3));
    assert_eq!(pairs(&free(&mut desk, 1, 1)), [(2, 1)]);
}

#[test]
fn a_refused_assignment_goes_back_to_its_place_and_on_to_others() {
    let mut desk = desk();
    desk.online(agent(1, &["general"], &[], 1));
    desk.now = at(1);
    desk.online(agent(2, &["general"], &[], 1));
    let refuse =
        |agent, reason| Input::Refused { conversation: conversation(1), agent: agent_id(agent), reason };
    assert_eq!(pairs(&desk.arrive(arrival(1, "general", 1))), [(1, 1)]);
    assert_eq!(pairs(&desk.tell(refuse(1, Refusal::AtCapacity))), [(1, 2)]);
    assert_eq!(desk.tell(refuse(2, Refusal::AgentAway)), [], "nobody is left whose truth is known");
    let news = desk.tell(Input::AgentAvailable { agent: agent_id(1), available: true });
    assert_eq!(pairs(&news), [(1, 1)]);
    assert_eq!(desk.tell(refuse(1, Refusal::Stale)), [], "the conversation moved on");
    assert_eq!(pairs(&desk.wait_until(at(12))), [(1, 1)], "tried again when nobody said more");
}

#[test]
fn an_outcome_that_never_comes_does_not_hold_the_seat_for_ever() {
    let mut desk = desk();
    desk.online(agent(1, &["general"], &[], 1));
    assert_eq!(pairs(&desk.arrive(arrival(1, "general", 0))), [(1, 1)]);
    assert_eq!(desk.wait_until(at(10)), [], "the agent's truth is unknown");
    assert_eq!((desk.engine.load_of(agent_id(1)), desk.engine.counters().lost), (Some(0), 1));
    assert_eq!(pairs(&free(&mut desk, 1, 77)), [(1, 1)], "any news of the agent will do");
}

#[test]
fn an_absent_visitor_keeps_the_place_and_is_not_offered() {
    let mut desk = desk();
    for number in 1..=3 {
        desk.arrive(arrival(number, "general", number as u64));
    }
    desk.tell(Input::Suspended { conversation: conversation(1) });
    assert_eq!(desk.engine.rank(&conversation(3)), Some(2), "who is not there competes with nobody");
    assert_eq!(pairs(&desk.online(agent(1, &["general"], &[], 1))), [(2, 1)]);
    desk.tell(Input::Resumed { conversation: conversation(1) });
    assert_eq!(desk.engine.rank(&conversation(1)), Some(1));
}

#[test]
fn rising_anger_takes_effect_at_once() {
    let mut desk = desk();
    let angry = rushdesk::routing::When { sentiment_at_most: Some(-50), ..Default::default() };
    desk.tell(Input::RulesReplaced(vec![rule("angry", angry, 100, Vec::new())]));
    for number in 1..=2 {
        desk.arrive(arrival(number, "general", number as u64));
    }
    let generation = desk.engine.generation(&group_id("general"));
    let mut facts = facts(None, None);
    facts.sentiment = Some(-80);
    desk.tell(Input::FactsChanged { conversation: conversation(2), facts });
    assert_eq!(desk.engine.rank(&conversation(2)), Some(1));
    assert!(desk.engine.generation(&group_id("general")) > generation, "the new ranks are to be pushed");
}

#[test]
fn a_bump_comes_once_and_an_overflow_is_asked_once() {
    let queued = Some(OverflowAfter { after_s: 90, to: group_id("vip") });
    let mut bumping = general();
    bumping.bump = Some(Bump { after_s: 60, head_start_s: 30 });
    bumping.overflow.queued = queued;
    let mut desk = Desk::new(&[bumping, Group::new(group_id("vip"))]);
    desk.arrive(Arrival { waited_before_ms: 10_000, ..arrival(1, "general", 0) });
    desk.wait_until(at(49));
    assert_eq!(desk.engine.explain(&conversation(1), desk.now).unwrap().head_start_ms, 0);
    desk.wait_until(at(50));
    assert_eq!(desk.engine.explain(&conversation(1), desk.now).unwrap().head_start_ms, 30_000);
    let overflow = desk.wait_until(at(500));
    let (from, to) = (group_id("general"), group_id("vip"));
    assert_eq!(overflow, [Decision::Overflow { conversation: conversation(1), assign_seq: 0, from, to }]);
    desk.arrive(arrival(1, "vip", 500));
    let groups: Vec<_> = desk.engine.groups(desk.now).into_iter().map(|load| load.waiting).collect();
    assert_eq!(groups, [0, 1], "arriving again replaces the old place");
}

#[test]
fn groups_that_share_an_agent_compete_for_rank() {
    let mut desk = desk();
    for (number, group) in [(1, "vip"), (2, "general"), (3, "vip")] {
        desk.arrive(arrival(number, group, number as u64));
    }
    assert_eq!(desk.engine.rank(&conversation(2)), Some(1));
    desk.online(agent(1, &["general", "vip"], &[], 0));
    assert_eq!(desk.engine.rank(&conversation(2)), Some(2));
    assert_eq!(
        desk.engine.estimate(&conversation(3), desk.now).map(|told| (told.rank, told.waiting)),
        Some((3, 3))
    );
    desk.tell(Input::AgentRemoved(agent_id(1)));
    assert_eq!(desk.engine.rank(&conversation(2)), Some(1));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut desk = desk();
    desk.arrive(arrival(1, "general", 0));
    let wrong = [
        Input::Arrived(Box::new(arrival(2, "nowhere", 0))),
        Input::Arrived(Box::new(Arrival { seats: 0, ..arrival(2, "general", 0) })),
        Input::Arrived(Box::new(Arrival { seats: 17, ..arrival(2, "general", 0) })),
        Input::AgentUpserted(Box::new(agent(1, &["nowhere"], &[], 1))),
        Input::AgentUpserted(Box::new(agent(1, &["general"], &[], 201))),
        Input::AgentUpserted(Box::new(agent(1, &["general"], &[("billing", 6)], 1))),
        Input::AgentAvailable { agent: agent_id(9), available: true },
        Input::GroupUpserted(Box::new(Group { offer_s: 0, ..general() })),
        Input::GroupUpserted(Box::new(Group { queue_ceiling: 0, ..general() })),
        Input::GroupRemoved(group_id("general")),
        Input::GroupRemoved(group_id("nowhere")),
        Input::RulesReplaced(vec![rule("r", intent("x"), 1, vec![step(skill("a", 9), &[], None)])]),
        Input::RulesReplaced(vec![rule("r", intent("x"), 1, vec![step(Needs::Anyone, &[7; 9], None)])]),
    ];
    for input in wrong {
        let mut out = Vec::new();
        let refused = desk.engine.step(input.clone(), desk.now, &mut out);
        assert!(refused.is_err(), "{input:?}");
        assert_eq!(
            (out.len(), desk.engine.items_waiting(), desk.engine.agents_known()),
            (0, 1, 0),
            "{input:?}"
        );
    }
    let in_use = desk.engine.step(Input::GroupRemoved(group_id("general")), desk.now, &mut Vec::new());
    assert_eq!(in_use, Err(RoutingError::GroupInUse { group: group_id("general"), waiting: 1 }));
}
