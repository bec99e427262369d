//! The reference for people names all that is spoken, and the codes as they are.

use rushdesk::gateway::rest::document;
use rushdesk::refusal::{Code, Retry};
use rushdesk::wire::close::CloseCode;
use rushdesk::wire::content::Content;
use rushdesk::wire::event::EventContent;
use rushdesk::wire::problem::http_status;
use rushdesk::wire::{ClientFrame, ServerFrame};
use std::collections::BTreeSet;

const REFERENCE: &str = include_str!("../../docs/PROTOCOL.md");

/// Section `number`, without its heading's number.
fn section(number: u32) -> &'static str {
    let rest = REFERENCE.split(&format!("\n## {number}. ")).nth(1).expect("a section");
    rest.split("\n## ").next().unwrap_or(rest)
}

/// Whether `name` stands in the first column of a table of one of `sections`.
fn has_a_row(name: &str, sections: &[u32]) -> bool {
    let rows =
        sections.iter().flat_map(|number| section(*number).lines()).filter(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('|').nth(1)).any(|first| first.contains(&format!("`{name}`")))
}

#[test]
fn the_reference_names_every_frame_kind_and_event_where_it_belongs() {
    let frames = ClientFrame::TYPES.iter().chain(ServerFrame::TYPES).map(|name| (name, [2, 3, 4].as_slice()));
    let kinds = Content::KINDS.iter().map(|name| (name, [5].as_slice()));
    let events = EventContent::NAMES.iter().map(|name| (name, [6].as_slice()));
    for (name, sections) in frames.chain(kinds).chain(events) {
        assert!(has_a_row(name, sections), "`{name}` has no row in docs/PROTOCOL.md, {sections:?}");
    }
    assert!(!has_a_row("close", &[5, 6]), "a row of another section is not enough");
}

#[test]
fn the_reference_gives_each_code_its_status_and_its_retry() {
    for code in Code::ALL {
        let again = match code.retry() {
            Retry::Never => "never",
            Retry::Mended => "mended",
            Retry::Later => "later",
        };
        let row = format!("| `{code}` | {} | {again} |", http_status(code));
        assert!(section(8).contains(&row), "docs/PROTOCOL.md, 8 has no row {row}");
    }
    for code in CloseCode::ALL {
        assert!(
            section(9).contains(&format!("\n| {} | ", code.number())),
            "{code:?} is not in docs/PROTOCOL.md, 9"
        );
    }
}

/// The routes of the table in section 11, as `GET /api/v1/conversations/{id}`.
fn routes_of_the_reference() -> BTreeSet<String> {
    let table = section(11).split("\n| call | ").nth(1).expect("a table");
    let mut routes = BTreeSet::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let calls = row.split('|').nth(1).expect("a first column");
        let mut before: Option<(&str, String)> = None;
        for call in calls.split('\u{b7}').map(|call| call.trim().trim_matches('`')) {
            let (method, path) = match (call.split_once(' '), &before) {
                (Some((method, path)), _) => (method, whole(path)),
                (None, Some((method, path))) => {
                    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
                    (*method, format!("{above}{call}"))
                }
                (None, None) => {
                    let all = whole(call);
                    routes.extend(["GET", "POST"].map(|method| format!("{method} {all}")));
                    routes.extend(["GET", "PATCH", "DELETE"].map(|method| format!("{method} {all}/{{id}}")));
                    continue;
                }
            };
            routes.insert(format!("{method} {path}"));
            before = Some((method, path));
        }
    }
    routes
}

fn whole(path: &str) -> String {
    if path.starts_with("/api/") { path.to_owned() } else { format!("/api/v1{path}") }
}

#[test]
fn the_reference_has_all_routes_and_no_others() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let served: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(move |(method, _)| (method, path))
        })
        .map(|(method, path)| format!("{} {path}", method.to_uppercase()))
        .collect();
    let told = routes_of_the_reference();
    let missing: Vec<_> = served.difference(&told).collect();
    let invented: Vec<_> = told.difference(&served).collect();
    assert!(served.len() > 40 && missing.is_empty(), "not in docs/PROTOCOL.md, 11: {missing:?}");
    assert!(invented.is_empty(), "docs/PROTOCOL.md, 11 has routes that nobody serves: {invented:?}");
}
