//! The rehearsal: shoppers and agents played over real sockets, and the judge of what they saw.
//!
//! Used by the `loadtest` driver, by `rushdesk demo` and by the kill tests, so that all three play the same traffic
//! and are judged by the same checker. This room knows the desk from outside only: `wire`, identifiers and the clock.
//! It refuses to look into the store, the engine or any other room, and to talk to anything but loopback addresses.
//!
//! `chance`, `plan`, `memory` and `history` are pure: what shall happen, what a client remembers, what was broken.
//! `target`, `http` and `line` reach the desk; `shopper` and `clerk` play; `meters` and `report` tell.

pub mod chance;
pub mod heard;
pub mod history;
pub mod http;
pub mod line;
pub mod memory;
pub mod meters;
pub mod outbox;
pub mod plan;
pub mod sighting;
pub mod target;
