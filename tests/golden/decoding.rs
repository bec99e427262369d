//! Whatever bytes come, reading them ends in a frame or in an answerable error; what we write, we read.

use crate::samples::CONVERSATION;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rushdesk::refusal::Code;
use rushdesk::wire::client::Position;
use rushdesk::wire::content::{Attachment, Content};
use rushdesk::wire::{ClientFrame, Limits, Text, decode, decode_text};

fn id() -> impl Strategy<Value = Text<'static>> {
    r#"[ -~一-龥"\\]{1,64}"#.prop_map(Text::from)
}

fn words() -> impl Strategy<Value = Text<'static>> {
    proptest::string::string_regex("[\\PC\n\t\r]{1,200}").expect("a pattern").prop_map(Text::from)
}

fn content() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        words().prop_map(|text| Content::Text { text }),
        words().prop_map(|text| Content::Note { text }),
        ("https://[a-z]{1,12}/[a-z/]{0,20}", proptest::option::of(any::<u64>())).prop_map(|(url, size)| {
            Content::File(Attachment { url: url.into(), name: None, size, mime: None })
        }),
    ]
}

fn frame() -> impl Strategy<Value = ClientFrame<'static>> {
    prop_oneof![
        (id(), proptest::option::of(any::<u64>()), content()).prop_map(|(id, assign_seq, content)| {
            ClientFrame::Send { id, conversation: CONVERSATION, assign_seq, content }
        }),
        (id(), any::<u64>(), 1_u32..=500).prop_map(|(id, after, limit)| ClientFrame::Fetch {
            id,
            conversation: CONVERSATION,
            after,
            limit
        }),
        (id(), 1_u8..=5, proptest::option::of(words())).prop_map(|(id, score, comment)| ClientFrame::Rate {
            id,
            conversation: CONVERSATION,
            score,
            comment
        }),
        id().prop_map(|id| ClientFrame::Ping { id }),
        (id(), proptest::collection::vec(any::<u64>(), 0..5)).prop_map(|(id, afters)| {
            let resume = afters.into_iter().map(|after| Position { conversation: CONVERSATION, after });
            ClientFrame::Hello(rushdesk::wire::client::Hello {
                id,
                token: "t".into(),
                device: None,
                locale: None,
                resume: resume.collect(),
            })
        }),
    ]
}

/// Text that looks like a frame and is broken somewhere.
fn nearly_a_frame() -> impl Strategy<Value = String> {
    (frame(), any::<proptest::sample::Index>(), any::<char>(), any::<bool>()).prop_map(
        |(frame, at, put, cut)| {
            let mut chars: Vec<char> = frame.to_json().unwrap_or_default().chars().collect();
            let at = at.index(chars.len());
            if cut {
                chars.truncate(at);
            } else {
                chars[at] = put;
            }
            chars.into_iter().collect()
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_frame_or_an_answerable_error(bytes: Vec<u8>) {
        if let Err(error) = decode(&bytes, &Limits::CONTRACT) {
            prop_assert!(matches!(error.code, Code::BadFrame | Code::TooLarge));
            prop_assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn a_broken_frame_ends_in_a_frame_or_an_answerable_error(text in nearly_a_frame()) {
        match decode_text(&text, &Limits::CONTRACT) {
            Ok(frame) => {
                let json = frame.to_json().expect("json");
                prop_assert_eq!(decode_text(&json, &Limits::CONTRACT), Ok(frame));
            }
            Err(error) => prop_assert!(error.message.len() < 400, "{}", error.message),
        }
    }

    #[test]
    fn what_is_written_is_read_back(frame in frame()) {
        let json = frame.to_json().expect("json");
        prop_assert_eq!(decode_text(&json, &Limits::CONTRACT), Ok(frame));
    }
}
