//! Every frame of the desk except entries, which have a table of their own.

use crate::samples::{AGENT, AT, CONVERSATION, OFFER, OTHER_CONVERSATION, SESSION, channel, group, visitor};
use crate::{golden, golden_names, type_of};
use rushdesk::conversation::state::Phase;
use rushdesk::ident::NodeId;
use rushdesk::refusal::Refusal;
use rushdesk::wire::client::PresenceStatus;
use rushdesk::wire::event::VisitorRef;
use rushdesk::wire::server::{
    Ack, AgentStanding, Alert, AlertData, AlertKind, Assigned, CaughtUp, Drain, Durability, ErrorFrame, Eta,
    LiveConversation, Offer, OfferWithdrawn, Opened, Pong, Queue, RateInvitation, Read, Reset, ResetReason,
    Role, Sender, SenderKind, StateFrame, Summary, ToldLimits, Typing, Unassigned, Welcome, WelcomedAgent,
};
use rushdesk::wire::{ServerFrame, Text};
use std::collections::{BTreeMap, BTreeSet};

fn t(text: &'static str) -> Text<'static> {
    Text::from(text)
}

fn welcomes() -> Vec<(&'static str, ServerFrame<'static>)> {
    let welcome = Welcome {
        re: t("h-1"),
        session: SESSION,
        node: NodeId::new("node-1").expect("a node's id"),
        durability: Durability::Local,
        heartbeat_s: 25,
        limits: ToldLimits {
            frame_bytes: 65_536,
            text_bytes: 8_192,
            frames_per_s: 20,
            frames_burst: 40,
            sends_in_flight: 16,
        },
        conversations: vec![LiveConversation {
            conversation: CONVERSATION,
            channel: channel("web"),
            state: Phase::Queued,
            head: 4,
            assign_seq: None,
        }],
        visitor: Some(VisitorRef { id: visitor(), name: Some(t("小美")), tier: None }),
        standing: None,
    };
    let held = LiveConversation {
        conversation: CONVERSATION,
        channel: channel("web"),
        state: Phase::Active,
        head: 9,
        assign_seq: Some(1),
    };
    let agent = Welcome {
        conversations: vec![held],
        visitor: None,
        standing: Some(AgentStanding {
            agent: WelcomedAgent { id: AGENT, name: t("李娜"), role: Role::Agent },
            groups: vec![group("售前"), group("售后")],
            capacity: 10,
            load: 1,
            presence: PresenceStatus::Online,
        }),
        ..welcome.clone()
    };
    vec![("welcome.visitor", ServerFrame::Welcome(welcome)), ("welcome.agent", ServerFrame::Welcome(agent))]
}

fn answers() -> Vec<(&'static str, ServerFrame<'static>)> {
    let full = Refusal::overloaded("the desk is full; repeat with the same id", 250).about(CONVERSATION);
    let refused = ErrorFrame {
        re: Some(t("m-1")),
        code: full.code,
        message: Text::from(full.message.into_owned()),
        retry_after_ms: full.retry_after_ms,
        conversation: full.conversation,
    };
    let bare = ErrorFrame {
        re: None,
        code: rushdesk::refusal::Code::BadFrame,
        message: t("`conversation` is missing"),
        retry_after_ms: None,
        conversation: None,
    };
    vec![
        (
            "ack",
            ServerFrame::Ack(Ack { re: t("m-1"), conversation: Some(CONVERSATION), seq: Some(5), at: AT }),
        ),
        ("ack.bare", ServerFrame::Ack(Ack { re: t("a-1"), conversation: None, seq: None, at: AT })),
        (
            "opened",
            ServerFrame::Opened(Opened {
                re: t("o-1"),
                conversation: CONVERSATION,
                state: Phase::Queued,
                created: true,
                seq: Some(3),
            }),
        ),
        (
            "pong",
            ServerFrame::Pong(Pong {
                re: t("p-1"),
                heads: BTreeMap::from([(CONVERSATION, 9), (OTHER_CONVERSATION, 0)]),
            }),
        ),
        ("error", ServerFrame::Error(refused)),
        ("error.bare", ServerFrame::Error(bare)),
    ]
}

fn log_and_hints() -> Vec<(&'static str, ServerFrame<'static>)> {
    let shopper = Sender { kind: SenderKind::Visitor, id: t("shopper-7"), name: t("小美") };
    let agent = Sender { kind: SenderKind::Agent, id: Text::from(AGENT.to_string()), name: t("李娜") };
    vec![
        (
            "caught_up",
            ServerFrame::CaughtUp(CaughtUp {
                re: t("f-1"),
                conversation: CONVERSATION,
                upto: 212,
                head: 300,
            }),
        ),
        (
            "reset",
            ServerFrame::Reset(Reset { conversation: CONVERSATION, head: 900, reason: ResetReason::Behind }),
        ),
        (
            "typing",
            ServerFrame::Typing(Typing {
                conversation: CONVERSATION,
                from: shopper,
                preview: Some(t("wher")),
            }),
        ),
        ("read", ServerFrame::Read(Read { conversation: CONVERSATION, from: agent, seq: 9 })),
        ("rate_invitation", ServerFrame::RateInvitation(RateInvitation { conversation: CONVERSATION })),
        (
            "state",
            ServerFrame::State(StateFrame {
                conversation: CONVERSATION,
                state: Phase::WaitingVisitor,
                group: Some(group("售后")),
                agent: Some(AGENT),
                assign_seq: Some(2),
            }),
        ),
        ("drain", ServerFrame::Drain(Drain { within_ms: 10_000 })),
        (
            "queue",
            ServerFrame::Queue(Queue {
                conversation: CONVERSATION,
                rank: 3,
                waiting: 41,
                eta_s: Some(Eta { p50: 12, p90: 31 }),
            }),
        ),
        (
            "queue.unmeasured",
            ServerFrame::Queue(Queue { conversation: CONVERSATION, rank: 1, waiting: 1, eta_s: None }),
        ),
    ]
}

fn desk() -> Vec<(&'static str, ServerFrame<'static>)> {
    let summary = Summary {
        visitor: VisitorRef { id: visitor(), name: Some(t("小美")), tier: Some(t("gold")) },
        channel: channel("web"),
        group: Some(group("支付")),
        priority: 600,
        waited_ms: 1_250,
        intent: Some(t("payment_failure")),
        sentiment: None,
        bot_transcript_head: None,
        subject: Some(t("order 2025-1119")),
        order: None,
    };
    vec![
        (
            "offer",
            ServerFrame::Offer(Offer {
                offer: OFFER,
                conversation: CONVERSATION,
                summary: summary.clone(),
                expires_ms: 20_000,
            }),
        ),
        (
            "offer_withdrawn",
            ServerFrame::OfferWithdrawn(OfferWithdrawn { offer: OFFER, reason: t("expired") }),
        ),
        ("assigned", ServerFrame::Assigned(Assigned { conversation: CONVERSATION, assign_seq: 2, summary })),
        (
            "unassigned",
            ServerFrame::Unassigned(Unassigned { conversation: CONVERSATION, reason: t("transferred") }),
        ),
        (
            "alert",
            ServerFrame::Alert(Alert {
                conversation: CONVERSATION,
                kind: AlertKind::SlowReply,
                level: 2,
                data: AlertData { waited_ms: 60_000, target_ms: 20_000 },
            }),
        ),
    ]
}

pub(crate) fn frames() -> Vec<(&'static str, ServerFrame<'static>)> {
    [welcomes(), answers(), log_and_hints(), desk()].concat()
}

#[test]
fn each_server_frame_is_read_and_written_as_its_golden_file() {
    for (name, frame) in frames() {
        let json = golden("server", name);
        assert_eq!(frame.encode(), json, "writing {name}");
        assert_eq!(ServerFrame::decode(&json).expect("a frame"), frame, "reading {name}");
    }
}

#[test]
fn each_server_frame_has_a_golden_file_and_each_file_a_frame() {
    let tabled: BTreeSet<String> = frames().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(golden_names("server"), tabled);
    let mut types: BTreeSet<&str> = tabled.iter().map(|name| type_of(name)).collect();
    types.insert("entry");
    assert_eq!(types, ServerFrame::TYPES.iter().copied().collect());
}

#[test]
fn a_state_is_known_by_its_first_bytes_and_nothing_else_is() {
    for name in golden_names("server") {
        let frame = golden("server", &name);
        let told = rushdesk::wire::server::standing_told(frame.trim_end().as_bytes());
        assert_eq!(told, (name == "state").then_some((CONVERSATION, true)), "{name}");
    }
    let says =
        |state: &str| format!(r#"{{"type":"state","conversation":"{CONVERSATION}","state":"{state}"}}"#);
    for (state, is_held) in [("queued", false), ("active", true), ("wrap_up", true), ("closed", false)] {
        let told = rushdesk::wire::server::standing_told(says(state).as_bytes());
        assert_eq!(told, Some((CONVERSATION, is_held)), "{state}");
    }
}
