//! What bad input gets: each line's code, the `re` of the answer, and the word that the message must name.

use rushdesk::refusal::Code;
use rushdesk::wire::{ClientFrame, Limits, decode, decode_text};

const C: &str = r#""conversation":"01970000-0000-7000-8000-0000000000c1""#;

/// `input` (where `,C` stands for the field that names a conversation), the expected `re`, and what the message must name.
const BAD: &[(&str, Option<&str>, &str)] = &[
    ("", None, "JSON object"),
    ("null", None, "JSON object"),
    ("[]", None, "JSON object"),
    ("\"hello\"", None, "JSON object"),
    ("{", None, "JSON object"),
    (r#"{"type":"ping","id":"x""#, Some("x"), "JSON object"),
    (r#"{"id":"x","type":"ping"}{}"#, Some("x"), "trailing"),
    (r#"{"type":"ping","id":"x",}"#, Some("x"), "trailing comma"),
    (r#"{"id":"x"}"#, Some("x"), "`type`"),
    (r#"{"type":7,"id":"x"}"#, Some("x"), "`type`"),
    (r#"{"type":"","id":"x"}"#, Some("x"), "`type`"),
    (r#"{"type":"dance","id":"x"}"#, Some("x"), "`dance`"),
    (r#"{"type":"Send","id":"x"}"#, Some("x"), "`Send`"),
    (r#"{"type":"dance"}"#, None, "`dance`"),
    (r#"{"type":"ping"}"#, None, "`id`"),
    (r#"{"type":"ping","id":null}"#, None, "`id`"),
    (r#"{"type":"ping","id":7}"#, None, "`id`"),
    (r#"{"type":"ping","id":""}"#, None, "`id`"),
    (r#"{"type":"ping","id":"a\u0000b"}"#, Some("a\0b"), "U+0000"),
    (r#"{"type":"ping","id":"x","id":"y"}"#, Some("x"), "`id` stands twice"),
    (r#"{"type":"ping","type":"send","id":"x"}"#, None, "`type` stands twice"),
    (r#"{"id":"x","type":"ping","a":1,"a":2}"#, Some("x"), "`a` stands twice"),
    (r#"{"type":"hello","id":"x"}"#, Some("x"), "`token`"),
    (r#"{"type":"hello","id":"x","token":["t"]}"#, Some("x"), "`token` must be text"),
    (r#"{"type":"hello","id":"x","token":"t","resume":{}}"#, Some("x"), "`resume`"),
    (r#"{"type":"hello","id":"x","token":"t","resume":[{"after":1}]}"#, Some("x"), "conversation"),
    (r#"{"type":"hello","id":"x","token":"t","device":"a\u001bb"}"#, Some("x"), "`device`"),
    (r#"{"type":"send","id":"x"}"#, Some("x"), "`conversation`"),
    (r#"{"type":"send","id":"x","conversation":"nope"}"#, Some("x"), "`conversation`"),
    (r#"{"type":"send","id":"x","conversation":5}"#, Some("x"), "`conversation` must be text"),
    (r#"{"type":"send","id":"x",C}"#, Some("x"), "`content`"),
    (r#"{"type":"send","id":"x",C,"content":"hi"}"#, Some("x"), "`content` must be an object"),
    (r#"{"type":"send","id":"x",C,"content":{}}"#, Some("x"), "`kind`"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"event"}}"#, Some("x"), "`event`"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"text"}}"#, Some("x"), "`text`"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"text","text":""}}"#, Some("x"), "`text`"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"text","text":1}}"#, Some("x"), "`text` must be text"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"text","text":"a\u0000"}}"#, Some("x"), "U+0000"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"text","text":"\ud800"}}"#, Some("x"), "`text`"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"text","text":"a","text":"b"}}"#, Some("x"), "twice"),
    (
        r#"{"type":"send","id":"x",C,"assign_seq":"3","content":{"kind":"text","text":"a"}}"#,
        Some("x"),
        "`assign_seq`",
    ),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"image"}}"#, Some("x"), "`url`"),
    (
        r#"{"type":"send","id":"x",C,"content":{"kind":"image","url":"javascript:alert(1)"}}"#,
        Some("x"),
        "`url`",
    ),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"image","url":"http://"}}"#, Some("x"), "`url`"),
    (
        r#"{"type":"send","id":"x",C,"content":{"kind":"file","url":"https:///etc/passwd"}}"#,
        Some("x"),
        "`url`",
    ),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"file","url":"/api/v1/agents"}}"#, Some("x"), "`url`"),
    (
        r#"{"type":"send","id":"x",C,"content":{"kind":"file","url":"/api/v1/attachments/../agents"}}"#,
        Some("x"),
        "`url`",
    ),
    (
        r#"{"type":"send","id":"x",C,"content":{"kind":"voice","url":"https://a.b/c","size":-1}}"#,
        Some("x"),
        "`size`",
    ),
    (
        r#"{"type":"send","id":"x",C,"content":{"kind":"card","card":"pizza","data":{}}}"#,
        Some("x"),
        "`pizza`",
    ),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"card","card":"order"}}"#, Some("x"), "`data`"),
    (r#"{"type":"send","id":"x",C,"content":{"kind":"card","card":"order","data":[]}}"#, Some("x"), "`data`"),
    (r#"{"type":"fetch","id":"x",C}"#, Some("x"), "`after`"),
    (r#"{"type":"fetch","id":"x",C,"after":-1}"#, Some("x"), "`after`"),
    (r#"{"type":"fetch","id":"x",C,"after":1.5}"#, Some("x"), "`after`"),
    (r#"{"type":"fetch","id":"x",C,"after":18446744073709551616}"#, Some("x"), "`after`"),
    (r#"{"type":"fetch","id":"x",C,"after":0,"limit":"all"}"#, Some("x"), "`limit`"),
    (r#"{"type":"recall","id":"x",C}"#, Some("x"), "`seq`"),
    (r#"{"type":"typing"}"#, None, "`conversation`"),
    (r#"{"type":"read",C,"seq":true}"#, None, "`seq`"),
    (r#"{"type":"close","id":"x",C,"tags":"late"}"#, Some("x"), "`tags`"),
    (r#"{"type":"close","id":"x",C,"tags":[1]}"#, Some("x"), "`tags`"),
    (r#"{"type":"open","id":"x","group":"two words"}"#, Some("x"), "`group`"),
    (r#"{"type":"open","id":"x","channel":""}"#, Some("x"), "`channel`"),
    (r#"{"type":"open","id":"x","attributes":[]}"#, Some("x"), "`attributes`"),
    (r#"{"type":"open","id":"x","attributes":{"a":{}}}"#, Some("x"), "`attributes.a`"),
    (r#"{"type":"open","id":"x","attributes":{"a":null}}"#, Some("x"), "`attributes.a`"),
    (r#"{"type":"open","id":"x","attributes":{"":"v"}}"#, Some("x"), "`attributes`"),
    (r#"{"type":"rate","id":"x",C}"#, Some("x"), "`score`"),
    (r#"{"type":"rate","id":"x",C,"score":0}"#, Some("x"), "`score`"),
    (r#"{"type":"rate","id":"x",C,"score":6}"#, Some("x"), "`score`"),
    (r#"{"type":"rate","id":"x",C,"score":300}"#, Some("x"), "`score`"),
    (r#"{"type":"presence","id":"x"}"#, Some("x"), "`status`"),
    (r#"{"type":"presence","id":"x","status":"busy"}"#, Some("x"), "`busy`"),
    (r#"{"type":"presence","id":"x","status":"away","after_current":"yes"}"#, Some("x"), "`after_current`"),
    (r#"{"type":"accept","id":"x"}"#, Some("x"), "`offer`"),
    (r#"{"type":"decline","id":"x","offer":"o"}"#, Some("x"), "`offer`"),
    (r#"{"type":"transfer","id":"x",C}"#, Some("x"), "`to`"),
    (r#"{"type":"transfer","id":"x",C,"to":{}}"#, Some("x"), "`to`"),
    (r#"{"type":"transfer","id":"x",C,"to":"vip"}"#, Some("x"), "`to`"),
    (r#"{"type":"transfer","id":"x",C,"to":{"agent":"bob"}}"#, Some("x"), "`agent`"),
];

#[test]
fn malformed_frames_are_refused_with_the_field_and_the_id() {
    for (input, re, names) in BAD {
        let input = input.replace(",C", &format!(",{C}"));
        let error = decode_text(&input, &Limits::CONTRACT).expect_err(&input);
        assert_eq!(error.code, Code::BadFrame, "{input}");
        assert_eq!(error.re.as_deref(), *re, "{input}");
        assert!(error.message.contains(names), "{input}: `{}` does not name {names}", error.message);
    }
}

fn send(text: &str) -> String {
    format!(r#"{{"type":"send","id":"x",{C},"content":{{"kind":"text","text":"{text}"}}}}"#)
}

fn refused_as_too_large(input: &str, names: &str) {
    let error = decode_text(input, &Limits::CONTRACT).expect_err(names);
    assert_eq!((error.code, error.re.as_deref()), (Code::TooLarge, Some("x")), "{names}");
    assert!(error.message.contains(names), "`{}` does not name {names}", error.message);
}

#[test]
fn what_is_too_large_names_its_limit() {
    refused_as_too_large(&send(&"x".repeat(8_193)), "8192");
    refused_as_too_large(&send(&"好".repeat(2_731)), "8192");
    refused_as_too_large(
        &format!(r#"{{"type":"hello","id":"x","token":"{}"}}"#, "t".repeat(8_193)),
        "`token`",
    );
    let attributes: Vec<String> = (0..33).map(|n| format!(r#""a{n}":1"#)).collect();
    refused_as_too_large(
        &format!(r#"{{"type":"open","id":"x","attributes":{{{}}}}}"#, attributes.join(",")),
        "`attributes`",
    );
    refused_as_too_large(
        &format!(r#"{{"type":"open","id":"x","attributes":{{"a":"{}"}}}}"#, "v".repeat(513)),
        "`attributes.a`",
    );
    let tags = vec![r#""t""#; 21].join(",");
    refused_as_too_large(&format!(r#"{{"type":"close","id":"x",{C},"tags":[{tags}]}}"#), "`tags`");
    let position = format!("{{{C},\"after\":1}}");
    let resume = vec![position; 501].join(",");
    refused_as_too_large(
        &format!(r#"{{"type":"hello","id":"x","token":"t","resume":[{resume}]}}"#),
        "`resume`",
    );
    let wide = "d".repeat(16_384);
    refused_as_too_large(
        &format!(
            r#"{{"type":"send","id":"x",{C},"content":{{"kind":"card","card":"form","data":{{"d":"{wide}"}}}}}}"#
        ),
        "`data`",
    );
}

#[test]
fn sizes_at_the_limit_are_taken() {
    let limits = Limits::CONTRACT;
    assert!(decode_text(&send(&"x".repeat(8_192)), &limits).is_ok());
    assert!(decode_text(&send(&"好".repeat(2_730)), &limits).is_ok());
    let id = "编".repeat(64);
    let ping = format!(r#"{{"type":"ping","id":"{id}"}}"#);
    assert_eq!(decode_text(&ping, &limits).expect("a ping").id().map(ToString::to_string), Some(id));
}

#[test]
fn an_id_that_is_too_long_is_refused_under_its_own_name() {
    for (chars, echoed) in [(65, true), (256, true), (257, false)] {
        let id = "i".repeat(chars);
        let error = decode_text(&format!(r#"{{"type":"ping","id":"{id}"}}"#), &Limits::CONTRACT)
            .expect_err("long id");
        assert_eq!((error.code, error.re), (Code::BadFrame, echoed.then_some(id)));
    }
}

#[test]
fn a_frame_beyond_the_limit_or_not_utf_8_is_refused_unread() {
    let large = format!(r#"{{"type":"ping","id":"x","pad":"{}"}}"#, "p".repeat(65_536));
    assert_eq!(decode(large.as_bytes(), &Limits::CONTRACT).expect_err("large").code, Code::TooLarge);
    let error = decode(b"{\"type\":\"ping\",\"id\":\"\xff\"}", &Limits::CONTRACT).expect_err("no utf-8");
    assert_eq!((error.code, error.re), (Code::BadFrame, None));
    assert!(error.message.contains("byte 21"), "{}", error.message);
}

#[test]
fn deep_nesting_is_refused_where_it_is_read_and_skipped_where_it_is_not() {
    let card = |depth: usize| {
        let (open, shut) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(
            r#"{{"type":"send","id":"x",{C},"content":{{"kind":"card","card":"form","data":{{"a\"[":{open}1{shut}}}}}}}"#
        )
    };
    assert!(decode_text(&card(16), &Limits::CONTRACT).is_ok());
    let error = decode_text(&card(17), &Limits::CONTRACT).expect_err("17 deep");
    assert!(error.message.contains("deeper than 16"), "{}", error.message);

    let abyss = format!(r#"{{"type":"ping","id":"x","a":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert!(decode_text(&abyss, &Limits::CONTRACT).is_ok());
}

#[test]
fn unknown_fields_are_ignored_whatever_they_hold() {
    let frame =
        decode_text(r#"{"x":{"y":[1]},"type":"ping","limit":"all","id":"p","z":null}"#, &Limits::CONTRACT);
    assert_eq!(frame, Ok(ClientFrame::Ping { id: "p".into() }));
}

#[test]
fn a_frame_of_very_many_fields_is_refused() {
    let fields: Vec<String> = (0..80).map(|n| format!(r#""f{n}":0"#)).collect();
    let error =
        decode_text(&format!(r#"{{"id":"x",{}}}"#, fields.join(",")), &Limits::CONTRACT).expect_err("wide");
    assert_eq!(error.re.as_deref(), Some("x"));
    assert!(error.message.contains("more than 64 fields"), "{}", error.message);
}

#[test]
fn a_fetch_is_clamped_to_what_one_page_may_hold() {
    for (wish, given) in
        [("", 200), (r#","limit":null"#, 200), (r#","limit":0"#, 1), (r#","limit":99999999999"#, 500)]
    {
        let fetch = format!(r#"{{"type":"fetch","id":"x",{C},"after":0{wish}}}"#);
        let frame = decode_text(&fetch, &Limits::CONTRACT);
        assert!(matches!(frame, Ok(ClientFrame::Fetch { limit, .. }) if limit == given), "{wish}");
    }
}
