//! The reference for people names all that is spoken, and the codes as they are.

use rushdesk::refusal::{Code, Retry};
use rushdesk::wire::close::CloseCode;
use rushdesk::wire::content::Content;
use rushdesk::wire::event::EventContent;
use rushdesk::wire::problem::http_status;
use rushdesk::wire::{ClientFrame, ServerFrame};

const REFERENCE: &str = include_str!("../../docs/PROTOCOL.md");

#[test]
fn the_reference_names_every_frame_kind_and_event() {
    let said = ClientFrame::TYPES.iter().chain(ServerFrame::TYPES);
    for name in said.chain(&Content::KINDS).chain(&EventContent::NAMES) {
        assert!(REFERENCE.contains(&format!("`{name}`")), "`{name}` is not in docs/PROTOCOL.md");
    }
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
        assert!(REFERENCE.contains(&row), "docs/PROTOCOL.md has no row {row}");
    }
    for code in CloseCode::ALL {
        assert!(
            REFERENCE.contains(&format!("\n| {} | ", code.number())),
            "{code:?} is not in docs/PROTOCOL.md"
        );
    }
}
