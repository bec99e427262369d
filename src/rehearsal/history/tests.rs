//! Small histories: clean ones that the checker must pass, and one planted break for each invariant and each way to
//! break it, that it must name. A checker that catches nothing is no checker.

use super::{
    Checker, Device, Invariant, Limits, LogEntry, Observation, Observed, Party, Said, Sight, Verdict,
};
use crate::ident::{AgentId, ConversationId, Seq};

const CONVERSATION: ConversationId = ConversationId::from_u128(0xC0);
const ANN: AgentId = AgentId::from_u128(0xA1);
const BEN: AgentId = AgentId::from_u128(0xB2);

fn visitor() -> Party {
    Party::Visitor("v".into())
}

fn message(digest: u64) -> Said {
    Said::Message { digest, note: false }
}

fn event(name_digest: u64, hidden: bool) -> Said {
    Said::Event { name_digest, hidden }
}

fn assigned(agent: AgentId, assign_seq: u64) -> Said {
    Said::Assigned { agent: Some(agent), assign_seq: Some(assign_seq) }
}

fn log(said: &[(Party, Said)]) -> Vec<LogEntry> {
    let mut seq = 0;
    let entry = |(author, said): &(Party, Said)| {
        seq += 1;
        LogEntry { seq, at_ms: seq * 10, author: author.clone(), said: said.clone() }
    };
    said.iter().map(entry).collect()
}

/// opened, queued, offered (hidden), assigned to Ann, a visitor's word, Ann's answer, a note, closed.
fn served() -> Vec<LogEntry> {
    log(&[
        (visitor(), event(1, false)),
        (Party::System, event(2, false)),
        (Party::System, event(3, true)),
        (Party::System, assigned(ANN, 1)),
        (visitor(), message(501)),
        (Party::Agent(ANN), message(601)),
        (Party::Agent(ANN), Said::Message { digest: 602, note: true }),
        (Party::Agent(ANN), Said::Closed),
    ])
}

fn called(sender: &Party, id: &str, digest: u64) -> Observation {
    Observation::Called { sender: sender.clone(), client_id: id.into(), digest }
}

fn acked(sender: &Party, id: &str, seq: Seq) -> Observation {
    Observation::Acked { sender: sender.clone(), client_id: id.into(), seq }
}

fn refused(sender: &Party, id: &str, again: bool) -> Observation {
    Observation::Refused { sender: sender.clone(), client_id: id.into(), again }
}

fn took(party: &Party, seq: Seq, prev: Seq, author: Party, said: Said) -> Observation {
    let sight = if matches!(party, Party::Visitor(_)) { Sight::Visitor } else { Sight::Desk };
    Observation::Took { device: Device { party: party.clone(), number: 1 }, sight, seq, prev, author, said }
}

/// Everything that `party`'s device sees of `log`, taken in order.
fn takes(party: &Party, log: &[LogEntry]) -> Vec<Observation> {
    let mut prev = 0;
    let mut seen = Vec::new();
    for entry in log {
        if matches!(party, Party::Visitor(_)) && !entry.said.is_for_visitors() {
            continue;
        }
        seen.push(took(party, entry.seq, prev, entry.author.clone(), entry.said.clone()));
        prev = entry.seq;
    }
    seen
}

fn rested(party: &Party, cursor: Seq) -> Observation {
    Observation::Rested { device: Device { party: party.clone(), number: 1 }, cursor }
}

fn told(agent: AgentId, assign_seq: u64) -> Observation {
    Observation::Assigned { agent, assign_seq }
}

fn judge(observations: Vec<Observation>, log: &[LogEntry]) -> Verdict {
    let mut checker = Checker::new(Limits::default());
    for what in observations {
        checker.observe(Observed { conversation: CONVERSATION, what });
    }
    checker.settle(CONVERSATION, log);
    checker.finish()
}

/// The verdict names `invariant`, and nothing but it.
fn catches(invariant: Invariant, what: &str, observations: Vec<Observation>, log: &[LogEntry]) {
    let verdict = judge(observations, log);
    let named: Vec<Invariant> = verdict.by_invariant.keys().copied().collect();
    assert_eq!(named, [invariant], "{what}: {verdict}");
}

fn whole_story() -> Vec<Observation> {
    let mut story = vec![
        called(&visitor(), "m1", 501),
        acked(&visitor(), "m1", 5),
        told(ANN, 1),
        called(&Party::Agent(ANN), "a1", 601),
        acked(&Party::Agent(ANN), "a1", 6),
        called(&Party::Agent(ANN), "a2", 602),
        acked(&Party::Agent(ANN), "a2", 7),
        Observation::Unassigned { agent: ANN },
    ];
    story.extend(takes(&visitor(), &served()));
    story.extend(takes(&Party::Agent(ANN), &served()));
    story.push(rested(&visitor(), 8));
    story.push(rested(&Party::Agent(ANN), 8));
    story
}

#[test]
fn a_served_conversation_is_clean_and_everything_in_it_was_counted() {
    let verdict = judge(whole_story(), &served());
    assert!(verdict.is_clean(), "{verdict}");
    let counts = verdict.counts;
    assert_eq!((counts.conversations, counts.log_entries, counts.sends, counts.acked), (1, 8, 3, 3));
    assert_eq!((counts.entries_taken, counts.assignments), (14, 1));
}

#[test]
fn what_the_protocol_allows_is_not_accused() {
    let clean: [(&str, Vec<Observation>, Vec<LogEntry>); 6] = [
        ("unknown and not there", vec![called(&visitor(), "m1", 9)], log(&[(visitor(), event(1, false))])),
        ("unknown and there", vec![called(&visitor(), "m1", 9)], log(&[(visitor(), message(9))])),
        (
            "refused, then repeated under the same id behind a later one",
            vec![
                called(&visitor(), "m1", 1),
                refused(&visitor(), "m1", true),
                called(&visitor(), "m2", 2),
                acked(&visitor(), "m2", 1),
                called(&visitor(), "m1", 1),
                acked(&visitor(), "m1", 2),
            ],
            log(&[(visitor(), message(2)), (visitor(), message(1))]),
        ),
        (
            "a repeat refused for the moment, the first try having arrived",
            vec![called(&visitor(), "m1", 1), called(&visitor(), "m1", 1), refused(&visitor(), "m1", true)],
            log(&[(visitor(), message(1))]),
        ),
        (
            "seen before it was taken back",
            vec![took(&visitor(), 1, 0, visitor(), message(1))],
            log(&[(visitor(), Said::Redacted)]),
        ),
        (
            "given back twice, reopened, assigned again",
            vec![told(ANN, 1), Observation::Unassigned { agent: ANN }, told(BEN, 3), told(ANN, 5)],
            log(&[
                (Party::System, assigned(ANN, 1)),
                (Party::System, Said::Requeued { assign_seq: Some(2) }),
                (Party::System, assigned(BEN, 3)),
                (visitor(), Said::Closed),
                (visitor(), Said::Reopened),
                (Party::System, assigned(ANN, 5)),
            ]),
        ),
    ];
    for (what, observations, log) in clean {
        let verdict = judge(observations, &log);
        assert!(verdict.is_clean(), "{what}: {verdict}");
        assert_eq!(verdict.counts.repeated, u64::from(what.starts_with("a repeat")), "{what}");
    }
}

#[test]
fn broken_logs_are_named() {
    let mut holed = served();
    holed.remove(2);
    catches(Invariant::Cv1, "a hole", vec![], &holed);
    let mut twice = served();
    twice.insert(3, twice[2].clone());
    catches(Invariant::Cv1, "one seq twice", vec![], &twice);

    let late = log(&[(visitor(), Said::Closed), (visitor(), message(1))]);
    catches(Invariant::Cv2, "a message after the close", vec![], &late);

    let jump = log(&[(Party::System, assigned(ANN, 2))]);
    catches(Invariant::Cv4, "assign_seq leaves one out", vec![], &jump);
    let two = log(&[(Party::System, assigned(ANN, 1)), (Party::System, assigned(BEN, 2))]);
    catches(Invariant::Cv4, "two assignees", vec![], &two);
    let stranger = log(&[(Party::System, assigned(ANN, 1)), (Party::Agent(BEN), message(1))]);
    catches(Invariant::Cv4, "words of an agent who does not have it", vec![], &stranger);
    let back = log(&[
        (Party::System, assigned(ANN, 1)),
        (Party::System, Said::Requeued { assign_seq: Some(5) }),
        (Party::System, assigned(ANN, 6)),
    ]);
    catches(Invariant::Cv4, "a give-back that jumps", vec![], &back);
    let dead = log(&[(visitor(), Said::Closed), (Party::System, assigned(ANN, 1))]);
    catches(Invariant::Cv4, "assigned after the close", vec![], &dead);
}

#[test]
fn broken_acknowledgements_are_named() {
    let one = log(&[(visitor(), message(1))]);
    let v = visitor();
    let sent = || called(&visitor(), "m1", 1);

    let lost = vec![called(&v, "m9", 9), acked(&v, "m9", 1)];
    catches(Invariant::LostAcked, "acked and gone", lost, &log(&[(v.clone(), event(1, false))]));
    let twice = log(&[(v.clone(), message(1)), (v.clone(), message(1))]);
    catches(Invariant::Doubled, "acked once, there twice", vec![sent(), acked(&v, "m1", 1)], &twice);
    catches(Invariant::Doubled, "unknown, there twice", vec![sent()], &twice);

    catches(
        Invariant::Jr1,
        "two seqs for one id",
        vec![sent(), acked(&v, "m1", 1), acked(&v, "m1", 2), acked(&v, "m1", 1)],
        &one,
    );
    catches(Invariant::Jr1, "acked elsewhere", vec![sent(), acked(&v, "m1", 7)], &one);
    let both = vec![sent(), called(&v, "m2", 2), acked(&v, "m1", 1), acked(&v, "m2", 1)];
    let verdict = judge(both, &log(&[(v.clone(), message(1)), (v.clone(), message(2))]));
    assert!(verdict.count(Invariant::Jr1) >= 1, "one seq for two ids: {verdict}");
    catches(
        Invariant::Jr1,
        "refused for good after its ack",
        vec![sent(), acked(&v, "m1", 1), refused(&v, "m1", false)],
        &one,
    );
    let foreign = log(&[(v.clone(), message(1)), (v.clone(), message(77))]);
    catches(Invariant::Jr1, "words that nobody sent", vec![sent(), acked(&v, "m1", 1)], &foreign);

    catches(Invariant::Jr4, "refused for good and there", vec![sent(), refused(&v, "m1", false)], &one);
    catches(
        Invariant::Jr4,
        "refused for now, not repeated, and there",
        vec![sent(), refused(&v, "m1", true)],
        &one,
    );
}

#[test]
fn broken_order_is_named() {
    let v = visitor();
    let swapped = log(&[(v.clone(), message(2)), (v.clone(), message(1))]);
    let pipelined = vec![called(&v, "m1", 1), called(&v, "m2", 2)];
    catches(Invariant::Jr2, "a sender's words change places", pipelined, &swapped);
    let across = vec![
        called(&v, "m1", 1),
        acked(&v, "m1", 2),
        called(&Party::Agent(ANN), "a1", 3),
        acked(&Party::Agent(ANN), "a1", 3),
    ];
    let before =
        log(&[(Party::System, assigned(ANN, 1)), (Party::Agent(ANN), message(3)), (v.clone(), message(1))]);
    let verdict = judge(across, &before);
    assert!(verdict.count(Invariant::Jr2) >= 1, "sent after an ack, stands before it: {verdict}");
}

#[test]
fn broken_delivery_is_named() {
    let served = served();
    let v = visitor();
    let ann = Party::Agent(ANN);

    let mut missed = takes(&v, &served);
    missed.remove(3);
    let lied = missed.into_iter().map(|seen| match seen {
        Observation::Took { device, sight, seq: 6, author, said, .. } => {
            Observation::Took { device, sight, seq: 6, prev: 4, author, said }
        }
        other => other,
    });
    catches(Invariant::Fo1, "an entry left out under a false prev", lied.collect(), &served);

    let mut holed = takes(&ann, &served);
    holed.remove(4);
    let verdict = judge(holed, &served);
    assert_eq!(verdict.by_invariant.keys().copied().collect::<Vec<_>>(), [Invariant::Fo1], "{verdict}");

    let mut again = takes(&v, &served);
    again.push(took(&v, 5, 4, v.clone(), message(501)));
    catches(Invariant::Fo1, "the same entry taken twice", again, &served);

    let mut behind = takes(&v, &served);
    behind.pop();
    behind.push(rested(&v, 6));
    catches(Invariant::Fo2, "at rest before the head", behind, &served);

    let mut other = takes(&v, &served);
    other.push(took(&ann, 1, 0, v.clone(), message(99)));
    let verdict = judge(other, &served);
    assert!(verdict.count(Invariant::Jr1) >= 1, "two observers disagree: {verdict}");
    catches(
        Invariant::Jr1,
        "shown otherwise than it stands",
        vec![took(&v, 1, 0, v.clone(), message(99))],
        &log(&[(v.clone(), message(1))]),
    );
    catches(
        Invariant::Cv3,
        "shown and not durable",
        vec![took(&v, 1, 0, v.clone(), message(1)), took(&v, 2, 1, v.clone(), message(2))],
        &log(&[(v.clone(), message(1))]),
    );
}

#[test]
fn broken_assignments_are_named() {
    let held = log(&[(Party::System, assigned(ANN, 1))]);
    catches(Invariant::Cv4, "told and not in the log", vec![told(BEN, 2)], &held);
    let verdict = judge(vec![told(ANN, 1), told(BEN, 1)], &held);
    assert!(verdict.count(Invariant::Cv4) >= 1, "two agents told the same number: {verdict}");
    catches(
        Invariant::Cv4,
        "told it is over while it is held",
        vec![told(ANN, 1), Observation::Unassigned { agent: ANN }],
        &held,
    );
}

/// Ann's stays in several conversations, as `(from_ms, until_ms)`.
fn with_stays(capacity: &[(u64, u32)], stays: &[(u64, Option<u64>)]) -> Verdict {
    let mut checker = Checker::new(Limits::default());
    for (since_ms, seats) in capacity {
        checker.capacity(ANN, *since_ms, *seats);
    }
    for (number, (from_ms, until_ms)) in (1_u128..).zip(stays) {
        let mut entries = log(&[(Party::System, assigned(ANN, 1)), (Party::System, Said::Closed)]);
        entries[0].at_ms = *from_ms;
        match until_ms {
            Some(until_ms) => entries[1].at_ms = *until_ms,
            None => entries.truncate(1),
        }
        checker.settle(ConversationId::from_u128(number), &entries);
    }
    checker.finish()
}

#[test]
fn more_conversations_than_seats_are_named() {
    let full = [(0, 2)];
    assert!(
        with_stays(&full, &[(1, Some(5)), (2, Some(5)), (5, None)]).is_clean(),
        "freed in the same moment"
    );
    let over = with_stays(&full, &[(1, Some(9)), (2, None), (3, Some(4))]);
    assert_eq!(over.count(Invariant::Rt1), 1, "{over}");
    let lowered = [(0, 2), (10, 1)];
    assert!(with_stays(&lowered, &[(1, None), (2, None)]).is_clean(), "lowering takes nothing away");
    let after = with_stays(&lowered, &[(1, None), (11, None)]);
    assert_eq!(after.count(Invariant::Rt1), 1, "{after}");
}

#[test]
fn what_was_not_judged_makes_the_verdict_unclean() {
    let mut unread = Checker::new(Limits::default());
    unread.observe(Observed { conversation: CONVERSATION, what: called(&visitor(), "m1", 1) });
    let verdict = unread.finish();
    assert_eq!(verdict.counts.unsettled, 1);
    assert!(!verdict.is_clean());

    let mut narrow = Checker::new(Limits { open_conversations: 1, kept_violations: 1 });
    for number in 1..=3 {
        let conversation = ConversationId::from_u128(number);
        narrow.observe(Observed { conversation, what: acked(&visitor(), "m1", 1) });
        narrow.observe(Observed { conversation, what: acked(&visitor(), "m2", 2) });
    }
    narrow.settle(ConversationId::from_u128(1), &[]);
    let verdict = narrow.finish();
    assert_eq!(verdict.counts.unjudged, 4);
    assert_eq!((verdict.violations.len(), verdict.count(Invariant::Jr1)), (1, 2), "kept one, counted all");
    assert!(!verdict.is_clean());
}
