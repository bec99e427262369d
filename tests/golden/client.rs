//! Every frame of a client.

use crate::samples::{AGENT, CONVERSATION, OFFER, OTHER_CONVERSATION, channel, group};
use crate::{golden, golden_names, type_of};
use rushdesk::wire::client::{Close, Hello, Open, Position, PresenceStatus, Transfer};
use rushdesk::wire::content::{Attachment, CardKind, Content};
use rushdesk::wire::event::TransferTo;
use rushdesk::wire::{ClientFrame, JsonText, Limits, Text, decode_text};
use std::collections::{BTreeMap, BTreeSet};

fn t(text: &'static str) -> Text<'static> {
    Text::from(text)
}

fn attachment() -> Attachment<'static> {
    Attachment {
        url: t("/api/v1/attachments/01970000-0000-7000-8000-0000000000b1"),
        name: Some(t("鞋.jpg")),
        size: Some(48_211),
        mime: Some(t("image/jpeg")),
    }
}

fn send(content: Content<'static>) -> ClientFrame<'static> {
    ClientFrame::Send { id: t("m-1"), conversation: CONVERSATION, assign_seq: None, content }
}

fn messages() -> Vec<(&'static str, ClientFrame<'static>)> {
    let url_only = Attachment { url: t("https://cdn.example.com/a.ogg"), name: None, size: None, mime: None };
    let card = Content::Card {
        card: CardKind::Order,
        data: JsonText::trusted(r#"{"order":"2025-1119","total":"129.00"}"#),
    };
    vec![
        ("send", send(Content::text("怎么还不发货?"))),
        ("send.escapes", send(Content::text("a \"quoted\" line\nand a tab\t"))),
        ("send.image", send(Content::Image(attachment()))),
        ("send.file", send(Content::File(attachment()))),
        ("send.voice", send(Content::Voice(url_only))),
        ("send.card", send(card)),
        ("send.note", send(Content::Note { text: t("VIP, be quick") })),
        (
            "send.agent",
            ClientFrame::Send {
                id: t("m-2"),
                conversation: CONVERSATION,
                assign_seq: Some(3),
                content: Content::text("今天发出"),
            },
        ),
        (
            "whisper",
            ClientFrame::Whisper {
                id: t("s-1"),
                conversation: CONVERSATION,
                content: Content::text("offer the coupon"),
            },
        ),
        (
            "barge",
            ClientFrame::Barge {
                id: t("s-2"),
                conversation: CONVERSATION,
                content: Some(Content::text("I am taking over")),
            },
        ),
        (
            "leave_message",
            ClientFrame::LeaveMessage {
                id: t("v-1"),
                conversation: Some(CONVERSATION),
                channel: None,
                content: Content::text("call me back"),
                contact: Some(t("+86 10 5555 0100")),
            },
        ),
        (
            "leave_message.stranger",
            ClientFrame::LeaveMessage {
                id: t("v-7"),
                conversation: None,
                channel: Some(channel("app")),
                content: Content::text("call me back"),
                contact: None,
            },
        ),
    ]
}

fn sign_in_and_reading() -> Vec<(&'static str, ClientFrame<'static>)> {
    let resume = vec![
        Position { conversation: CONVERSATION, after: 12 },
        Position { conversation: OTHER_CONVERSATION, after: 0 },
    ];
    let hello = Hello { id: t("h-1"), token: t("aaa.bbb.ccc"), device: None, locale: None, resume: vec![] };
    vec![
        ("hello", ClientFrame::Hello(hello.clone())),
        (
            "hello.resume",
            ClientFrame::Hello(Hello { device: Some(t("phone")), locale: Some(t("zh-CN")), resume, ..hello }),
        ),
        ("fetch", ClientFrame::Fetch { id: t("f-1"), conversation: CONVERSATION, after: 12, limit: 200 }),
        ("recall", ClientFrame::Recall { id: t("r-1"), conversation: CONVERSATION, seq: 9 }),
        ("typing", ClientFrame::Typing { conversation: CONVERSATION, preview: Some(t("wher")) }),
        ("typing.bare", ClientFrame::Typing { conversation: CONVERSATION, preview: None }),
        ("read", ClientFrame::Read { conversation: CONVERSATION, seq: 9 }),
        ("ping", ClientFrame::Ping { id: t("p-1") }),
    ]
}

fn visitors() -> Vec<(&'static str, ClientFrame<'static>)> {
    let open = Open {
        id: t("o-1"),
        subject: None,
        intent: None,
        group: None,
        channel: None,
        attributes: BTreeMap::new(),
        content: None,
    };
    vec![
        ("open", ClientFrame::Open(open.clone())),
        (
            "open.whole",
            ClientFrame::Open(Open {
                subject: Some(t("order 2025-1119")),
                intent: Some(t("payment_failure")),
                group: Some(group("支付")),
                channel: Some(channel("web")),
                attributes: BTreeMap::from([(t("cart"), t("129.00")), (t("page"), t("/checkout"))]),
                content: Some(Content::text("付不了款")),
                ..open
            }),
        ),
        ("reopen", ClientFrame::Reopen { id: t("v-2"), conversation: CONVERSATION }),
        (
            "rate",
            ClientFrame::Rate {
                id: t("v-3"),
                conversation: CONVERSATION,
                score: 5,
                comment: Some(t("quick!")),
            },
        ),
        (
            "request_agent",
            ClientFrame::RequestAgent {
                id: t("v-4"),
                conversation: CONVERSATION,
                reason: Some(t("not_helpful")),
            },
        ),
    ]
}

fn agents() -> Vec<(&'static str, ClientFrame<'static>)> {
    let close = Close {
        id: t("c-1"),
        conversation: CONVERSATION,
        assign_seq: None,
        reason: Some(t("solved")),
        disposition: None,
        tags: vec![],
    };
    let transfer = |to| {
        ClientFrame::Transfer(Transfer {
            id: t("t-1"),
            conversation: CONVERSATION,
            assign_seq: Some(3),
            to,
            note: Some(t("wants a refund")),
        })
    };
    vec![
        ("close", ClientFrame::Close(close.clone())),
        (
            "close.agent",
            ClientFrame::Close(Close {
                assign_seq: Some(3),
                disposition: Some(t("refund")),
                tags: vec![t("late"), t("物流")],
                ..close
            }),
        ),
        (
            "presence",
            ClientFrame::Presence {
                id: t("a-1"),
                status: PresenceStatus::Online,
                reason: None,
                after_current: false,
            },
        ),
        (
            "presence.after_current",
            ClientFrame::Presence {
                id: t("a-2"),
                status: PresenceStatus::Away,
                reason: Some(t("lunch")),
                after_current: true,
            },
        ),
        ("accept", ClientFrame::Accept { id: t("a-3"), offer: OFFER }),
        ("decline", ClientFrame::Decline { id: t("a-4"), offer: OFFER, reason: Some(t("language")) }),
        ("pick", ClientFrame::Pick { id: t("a-5"), conversation: CONVERSATION }),
        ("transfer.group", transfer(TransferTo::Group(group("售后")))),
        ("transfer.agent", transfer(TransferTo::Agent(AGENT))),
        ("release", ClientFrame::Release { id: t("a-6"), conversation: CONVERSATION, assign_seq: Some(3) }),
        ("watch", ClientFrame::Watch { id: t("a-7"), conversation: CONVERSATION }),
        ("unwatch", ClientFrame::Unwatch { id: t("a-8"), conversation: CONVERSATION }),
        ("done", ClientFrame::Done { id: t("a-9"), conversation: CONVERSATION }),
    ]
}

pub(crate) fn frames() -> Vec<(&'static str, ClientFrame<'static>)> {
    [messages(), sign_in_and_reading(), visitors(), agents()].concat()
}

#[test]
fn each_client_frame_is_read_and_written_as_its_golden_file() {
    for (name, frame) in frames() {
        let json = golden("client", name);
        assert_eq!(frame.to_json().expect("json"), json, "writing {name}");
        assert_eq!(decode_text(&json, &Limits::CONTRACT), Ok(frame), "reading {name}");
    }
}

#[test]
fn each_client_frame_has_a_golden_file_and_each_file_a_frame() {
    let tabled: BTreeSet<String> = frames().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(golden_names("client"), tabled);
    let types: BTreeSet<&str> = tabled.iter().map(|name| type_of(name)).collect();
    assert_eq!(types, BTreeSet::from(ClientFrame::TYPES));
}
