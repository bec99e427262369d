//! What judging costs: `decide` and `apply` of one command, beside a plain log that judges nothing.
//!
//! The floor appends the same event, with position, moment and author, to a `Vec` with a counter: no permissions, no
//! phases, no `assign_seq`, no state kept. Before anything is timed each command must lead to exactly the event that the
//! floor is given, and to the phase that its command leads to. States and logs are dropped outside the time.

#![expect(clippy::expect_used, reason = "a bench ends at the first surprise")]

#[path = "table/beside.rs"]
mod beside;

use beside::Table;
use criterion::{Criterion, criterion_group, criterion_main};
use rushdesk::clock::Timestamp;
use rushdesk::conversation::command::{Ask, Command, Grant, Landing, Policy, Verdict, Who};
use rushdesk::conversation::content::Content;
use rushdesk::conversation::decide::{Events, decide};
use rushdesk::conversation::event::{ClosedBy, Entry, Event, Opening};
use rushdesk::conversation::state::{Phase, State};
use rushdesk::ident::{AgentId, AssignSeq, ChannelId, ConversationId, GroupId, ShopId, VisitorId};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Timed in one go, so that reading the clock does not count, and few enough that the states stay warm.
const CHUNK: u64 = 64;
const NOW: Timestamp = Timestamp::from_millis(1_763_568_000_007);
const HOLDER: AgentId = AgentId::from_u128(7);
const SEATS: u32 = 2;
const POLICY: Policy = Policy {
    idle_end_ms: 600_000,
    reminder_before_ms: 120_000,
    recall_ms: 120_000,
    reopen_ms: 86_400_000,
    wrap_up_ms: 0,
};

/// A command, the state that it meets, and what must come of it.
struct Case {
    name: &'static str,
    state: State,
    ask: Ask,
    event: Event,
    becomes: Phase,
}

fn visitor_id() -> VisitorId {
    VisitorId::new("shopper-7").expect("a visitor's id")
}

fn group() -> GroupId {
    GroupId::new("aftersale").expect("a group's id")
}

fn asked(who: Who, under: Option<AssignSeq>, command: Command) -> Ask {
    Ask { who, under, command }
}

fn visitor(command: Command) -> Ask {
    asked(Who::Visitor { id: visitor_id(), name: Some("小美".into()) }, None, command)
}

/// The holder acts under the assignment that it was given first.
fn agent(command: Command) -> Ask {
    asked(Who::Agent { id: HOLDER, name: "Bo".into(), supervisor: false }, Some(1), command)
}

fn words() -> Content {
    Content::text("Where is my parcel? It should have come two days ago.")
}

fn opening() -> Ask {
    let opening = Box::new(Opening {
        shop: ShopId::default_shop(),
        channel: ChannelId::web(),
        visitor: visitor_id(),
        visitor_name: Some("小美".into()),
        locale: Some("zh-CN".into()),
        subject: None,
        intent: Some("order_status".into()),
        tier: None,
        attributes: Vec::new(),
    });
    visitor(Command::Open {
        opening,
        landing: Landing::Queue(group()),
        content: Some(words()),
        contact: None,
        notice: None,
    })
}

fn assignment() -> Ask {
    let reason = "longest_idle".into();
    let grant = Grant { agent: HOLDER, agent_name: "Bo".into(), seats: SEATS, head_start_s: 60, reason };
    asked(Who::System, None, Command::Assign(grant))
}

fn judged(state: &mut State, ask: &Ask) -> Events {
    let events = decide(state, ask, &Verdict::Pass, &POLICY, NOW).expect("nothing of this is refused");
    for (author, event) in &events {
        state.apply(NOW, author, event);
    }
    events
}

fn after(before: &State, ask: &Ask) -> State {
    let mut state = before.clone();
    judged(&mut state, ask);
    state
}

fn cases() -> [Case; 4] {
    let queued = after(&State::new(ConversationId::from_u128(9)), &opening());
    let assigned = after(&queued, &assignment());
    let answered = after(&assigned, &agent(Command::Say(words())));
    let assigned_event = Event::Assigned {
        agent: HOLDER,
        agent_name: "Bo".into(),
        group: group(),
        assign_seq: 1,
        reason: "longest_idle".into(),
        waited_ms: 0,
        seats: SEATS,
        head_start_s: 60,
    };
    let closing = Command::Close { reason: Some("solved".into()), disposition: None, tags: Vec::new() };
    let closed = Event::Closed {
        by: ClosedBy::Agent,
        reason: Some("solved".into()),
        disposition: None,
        tags: Vec::new(),
    };
    let case =
        |name, state: &State, ask, event, becomes| Case { name, state: state.clone(), ask, event, becomes };
    let message = || Event::Message(words());
    [
        case("visitor's message", &answered, visitor(Command::Say(words())), message(), Phase::Active),
        case("agent's message", &assigned, agent(Command::Say(words())), message(), Phase::WaitingVisitor),
        case("assign", &queued, assignment(), assigned_event, Phase::Active),
        case("close", &answered, agent(closing), closed, Phase::Closed),
    ]
}

fn check(case: &Case) {
    let mut state = case.state.clone();
    let events = judged(&mut state, &case.ask);
    assert_eq!(events, [(case.ask.who.author(), case.event.clone())], "{}", case.name);
    assert_eq!((state.phase, state.head), (case.becomes, case.state.head + 1), "{}", case.name);
    let (mut log, mut head) = (Vec::new(), case.state.head);
    append(&mut log, &mut head, case);
    assert_eq!(log.last().map(|entry| (entry.seq, &entry.event)), Some((state.head, &case.event)));
}

/// The floor: one more entry at the end of a plain log.
fn append(log: &mut Vec<Entry>, head: &mut u64, case: &Case) {
    let visitor_prev = *head;
    *head += 1;
    let (author, event) = (case.ask.who.author(), case.event.clone());
    log.push(Entry { seq: *head, visitor_prev, at: NOW, author, event });
}

/// Time for `rounds`, in chunks whose set-up and end do not count.
fn chunks(rounds: u64, mut chunk: impl FnMut(u64) -> Duration) -> Duration {
    let mut left = rounds;
    let mut spent = Duration::ZERO;
    while left > 0 {
        let now = left.min(CHUNK);
        spent += chunk(now);
        left -= now;
    }
    spent
}

fn desk_time(case: &Case, count: u64) -> Duration {
    let mut states: Vec<State> = (0..count).map(|_| case.state.clone()).collect();
    let mut decided: Vec<Events> = Vec::with_capacity(states.len());
    let begin = Instant::now();
    for state in &mut states {
        decided.push(judged(state, black_box(&case.ask)));
    }
    let spent = begin.elapsed();
    black_box((states, decided));
    spent
}

fn log_time(case: &Case, count: u64) -> Duration {
    let mut log: Vec<Entry> = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    let mut head = case.state.head;
    let begin = Instant::now();
    for _ in 0..count {
        append(&mut log, &mut head, black_box(case));
    }
    let spent = begin.elapsed();
    black_box(log);
    spent
}

fn decide_and_apply(criterion: &mut Criterion) {
    let cases = cases();
    cases.iter().for_each(check);
    let mut table = Table::of(criterion, "decide and apply");
    for case in &cases {
        let name = case.name;
        let ours =
            table.time(&format!("{name}: ours"), 1, |rounds| chunks(rounds, |count| desk_time(case, count)));
        let floor = table
            .time(&format!("{name}: plain log"), 1, |rounds| chunks(rounds, |count| log_time(case, count)));
        table.row(&format!("`decide` + `apply`: {name}"), ours, "plain log", floor);
    }
    table.print();
}

criterion_group!(conversation, decide_and_apply);
criterion_main!(conversation);
