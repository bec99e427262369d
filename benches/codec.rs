//! What reading and writing a message costs, beside the plainest way to do it.
//!
//! Floors: `serde_json::Value` for reading (any JSON, nothing checked), encoding again for each recipient for writing.
//! Each bench asserts its result first: a fast wrong answer is none.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rushdesk::clock::Timestamp;
use rushdesk::conversation::content::Content;
use rushdesk::conversation::event::{Author, Entry, Event, View};
use rushdesk::ident::{ConversationId, VisitorId};
use rushdesk::wire::{ClientFrame, Limits, ServerFrame, decode, encode_entry, with_re};
use std::hint::black_box;

/// As the relay measurement sends it: about 190 bytes.
const SEND: &str = r#"{"type":"send","id":"m-000001-000042","conversation":"01970000-0000-7000-8000-0000000000c1","content":{"kind":"text","text":"Where is my parcel? It should have come two days ago."}}"#;
const CONVERSATION: ConversationId = ConversationId::from_u128(0x0197_0000_0000_7000_8000_0000_0000_00c1);
/// Recipients of one entry in the fan-out bench: a visitor's two devices, an agent, a supervisor, …
const RECIPIENTS: usize = 8;

#[expect(clippy::expect_used, reason = "the literal is an identifier")]
fn entry() -> Entry {
    let visitor = VisitorId::new("shopper-7").expect("a visitor's id");
    Entry {
        seq: 42,
        visitor_prev: 41,
        at: Timestamp::from_millis(1_763_568_000_007),
        author: Author::Visitor { id: visitor, name: Some("小美".into()) },
        event: Event::Message(Content::text("Where is my parcel? It should have come two days ago.")),
    }
}

fn read_a_send(c: &mut Criterion) {
    let decoded = decode(SEND.as_bytes(), &Limits::CONTRACT);
    assert!(matches!(decoded, Ok(ClientFrame::Send { conversation: CONVERSATION, .. })), "{decoded:?}");
    assert!(serde_json::from_str::<serde_json::Value>(SEND).is_ok_and(|value| value.get("type").is_some()));

    let mut group = c.benchmark_group("codec/read_send");
    group.throughput(Throughput::Bytes(SEND.len() as u64));
    group.bench_function("decode", |b| b.iter(|| decode(black_box(SEND.as_bytes()), &Limits::CONTRACT)));
    group.bench_function("floor_value", |b| {
        b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(SEND.as_bytes())));
    });
    group.finish();
}

fn write_an_entry(c: &mut Criterion) {
    let entry = entry();
    let shared = encode_entry(&entry, CONVERSATION, View::Desk).unwrap_or_default();
    let text = String::from_utf8_lossy(&shared).into_owned();
    let read = ServerFrame::decode(&text);
    assert!(matches!(&read, Ok(ServerFrame::Entry(frame)) if frame.seq == 42), "{read:?}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    assert_eq!(value.to_string().len(), text.len(), "the floor writes the same fields");

    let mut group = c.benchmark_group("codec/write_entry");
    group.bench_function("encode", |b| b.iter(|| encode_entry(black_box(&entry), CONVERSATION, View::Desk)));
    group.bench_function("floor_value", |b| b.iter(|| serde_json::to_vec(black_box(&value))));
    group.bench_function("with_re", |b| b.iter(|| with_re(black_box(&shared), "m-000001-000042")));
    group.finish();
}

fn hand_to_recipients(c: &mut Criterion) {
    let entry = entry();
    let shared = || encode_entry(&entry, CONVERSATION, View::Desk).unwrap_or_default();
    let each = || (0..RECIPIENTS).map(|_| shared()).collect::<Vec<_>>();
    let once = || vec![shared(); RECIPIENTS];
    assert_eq!(once(), each());

    let mut group = c.benchmark_group("codec/eight_recipients");
    group.throughput(Throughput::Elements(RECIPIENTS as u64));
    group.bench_function("encoded_once", |b| b.iter_batched(|| (), |()| once(), BatchSize::SmallInput));
    group.bench_function("floor_encoded_each", |b| b.iter_batched(|| (), |()| each(), BatchSize::SmallInput));
    group.finish();
}

criterion_group!(codec, read_a_send, write_an_entry, hand_to_recipients);
criterion_main!(codec);
