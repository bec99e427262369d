//! Every entry of a log, from the domain's fact to the bytes that each view gets.

use crate::samples::{AGENT, AT, CONVERSATION, OFFER, OTHER_AGENT, channel, group, visitor};
use crate::{golden, golden_names};
use rushdesk::conversation::content::{Attachment, CardKind, Content};
use rushdesk::conversation::event::{
    Attribute, Author, ClosedBy, Closing, Entry, Event, Opening, RequeueReason, TransferTarget, View,
};
use rushdesk::ident::ShopId;
use rushdesk::wire::content::EntryContent;
use rushdesk::wire::event::EventContent;
use rushdesk::wire::{ServerFrame, encode_entry, with_re};
use std::collections::BTreeSet;

fn by_visitor() -> Author {
    Author::Visitor { id: visitor(), name: Some("小美".into()) }
}

fn by_agent() -> Author {
    Author::Agent { id: AGENT, name: "李娜".into() }
}

fn opening() -> Event {
    let attribute =
        |name: &str, value: &str, trusted| Attribute { name: name.into(), value: value.into(), trusted };
    Event::Opened(Box::new(Opening {
        shop: ShopId::default_shop(),
        channel: channel("web"),
        visitor: visitor(),
        visitor_name: Some("小美".into()),
        locale: Some("zh-CN".into()),
        subject: Some("order 2025-1119".into()),
        intent: Some("payment_failure".into()),
        tier: Some("gold".into()),
        attributes: vec![attribute("cart", "129.00", false), attribute("ltv", "8800", true)],
    }))
}

fn messages() -> Vec<(&'static str, Author, Event)> {
    let attachment = || Attachment {
        url: "https://cdn.example.com/a.jpg".to_owned(),
        name: Some("a.jpg".to_owned()),
        size_bytes: Some(48_211),
        mime: Some("image/jpeg".to_owned()),
    };
    let card = Content::Card { card: CardKind::Coupon, data: r#"{"code":"SORRY10"}"#.into() };
    vec![
        ("text", by_visitor(), Event::Message(Content::text("怎么还不发货?\n\"急\""))),
        ("image", by_visitor(), Event::Message(Content::Image(attachment()))),
        ("file", by_agent(), Event::Message(Content::File(attachment()))),
        ("voice", by_visitor(), Event::Message(Content::Voice(attachment()))),
        ("card", by_agent(), Event::Message(card)),
        ("note", by_agent(), Event::Message(Content::Note("VIP, be quick".into()))),
        ("redacted", by_agent(), Event::Message(Content::Redacted)),
    ]
}

fn course() -> Vec<(&'static str, Author, Event)> {
    let assigned = Event::Assigned {
        agent: AGENT,
        agent_name: "李娜".into(),
        group: group("支付"),
        assign_seq: 2,
        reason: "longest_idle".into(),
        waited_ms: 1_250,
        seats: 1,
        head_start_s: 600,
    };
    let transferred =
        |to| Event::Transferred { from: Some(AGENT), to, group: group("售后"), assign_seq: 3 };
    let requeued = Event::Requeued {
        agent: Some(AGENT),
        reason: RequeueReason::AgentLost,
        group: group("支付"),
        assign_seq: 3,
    };
    vec![
        ("opened", by_visitor(), opening()),
        ("queued", Author::System, Event::Queued { group: group("支付") }),
        (
            "offered",
            Author::System,
            Event::Offered {
                offer: OFFER,
                agent: AGENT,
                expires_at: AT.plus_secs(20),
                seats: 1,
                head_start_s: 600,
            },
        ),
        ("assigned", Author::System, assigned),
        ("transferred.group", by_agent(), transferred(TransferTarget::Group(group("售后")))),
        ("transferred.agent", by_agent(), transferred(TransferTarget::Agent(OTHER_AGENT))),
        ("requeued", Author::System, requeued),
        ("bot_joined", Author::Bot, Event::BotJoined),
        ("bot_left", Author::Bot, Event::BotLeft),
        ("escalated", Author::Bot, Event::Escalated { reason: "asked".into() }),
    ]
}

fn endings() -> Vec<(&'static str, Author, Event)> {
    let message_left =
        Event::MessageLeft { group: group("支付"), contact: Some("+86 10 5555 0100".into()) };
    let closed = Event::Closed {
        by: ClosedBy::Agent,
        reason: Some("solved".into()),
        disposition: Some("refund".into()),
        tags: vec!["late".into()],
    };
    vec![
        ("message_left", by_visitor(), message_left),
        ("idle_reminder", Author::System, Event::IdleReminder { ends_at: AT.plus_secs(120) }),
        ("wrap_up", Author::System, Event::WrapUp { ends_at: AT.plus_secs(30), closing: Closing::default() }),
        ("rated", by_visitor(), Event::Rated { score: 5, comment: Some("quick!".into()) }),
        ("recalled", by_agent(), Event::Recalled { seq: 6 }),
        ("closed", by_agent(), closed),
        ("reopened", by_visitor(), Event::Reopened),
    ]
}

/// Each entry stands at 9, after a note at 8 that the visitor does not see.
pub(crate) fn entries() -> Vec<(&'static str, Entry)> {
    let tabled = [messages(), course(), endings()].concat().into_iter();
    tabled
        .map(|(name, author, event)| (name, Entry { seq: 9, visitor_prev: 7, at: AT, author, event }))
        .collect()
}

fn file(name: &str, view: View) -> String {
    match view {
        View::Desk => format!("{name}.desk"),
        View::Visitor => format!("{name}.visitor"),
    }
}

#[test]
fn each_entry_is_written_for_each_view_as_its_golden_file() {
    for (name, entry) in entries() {
        for view in [View::Desk, View::Visitor] {
            let Some(bytes) = encode_entry(&entry, CONVERSATION, view) else {
                assert!(!entry.event.visible_to(view), "{name} was withheld");
                continue;
            };
            assert!(entry.event.visible_to(view), "{name} leaks");
            let json = golden("entry", &file(name, view));
            assert_eq!(bytes, json, "writing {name}");
            let frame = ServerFrame::decode(&json).expect("an entry frame");
            assert_eq!(frame.encode(), json, "reading {name}");
        }
    }
}

#[test]
fn each_golden_entry_is_tabled_and_each_event_has_one() {
    let mut tabled = BTreeSet::new();
    for (name, entry) in entries() {
        let views = [View::Desk, View::Visitor].into_iter().filter(|view| entry.event.visible_to(*view));
        tabled.extend(views.map(|view| file(name, view)));
    }
    assert_eq!(golden_names("entry"), tabled);

    let mut seen = BTreeSet::new();
    for name in &tabled {
        let json = golden("entry", name);
        let Ok(ServerFrame::Entry(frame)) = ServerFrame::decode(&json) else { panic!("{name} is no entry") };
        if let EntryContent::Event(_) = frame.content {
            seen.insert(crate::type_of(name).to_owned());
        }
    }
    let names: BTreeSet<String> = EventContent::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, names);
}

#[test]
fn the_senders_own_copy_differs_by_re_alone() {
    let (_, entry) = entries().into_iter().next().expect("an entry");
    let shared = encode_entry(&entry, CONVERSATION, View::Visitor).expect("visible");
    for re in ["m-1", "", "a\"b\\c\n", "编号"] {
        let own = with_re(&shared, re);
        let own = std::str::from_utf8(&own).expect("utf-8");
        let Ok(ServerFrame::Entry(mut frame)) = ServerFrame::decode(own) else { panic!("no entry: {own}") };
        assert_eq!(frame.re.take().expect("re"), re);
        assert_eq!(ServerFrame::Entry(frame).encode(), shared);
    }
}
