//! The rehearsal: shoppers and agents played over real sockets, and the judge of what they saw.
//!
//! Used by the `loadtest` driver, by `rushdesk demo` and by the kill tests, so that all three play the same traffic
//! and are judged by the same checker. This room knows the desk from outside only: `wire`, identifiers and the clock.
//! It refuses to look into the store, the engine or any other room, and to talk to anything but loopback addresses.
//!
//! `chance`, `plan`, `memory`, `outbox` and `history` are pure: what shall happen, what a client remembers, what was
//! broken. `target`, `http`, `line` and `setup` reach the desk; `player`, `shopper` and `clerk` play, `traffic` directs
//! and `judge` judges; `meters` and `report` tell.

pub mod chance;
mod clerk;
pub mod heard;
pub mod history;
pub mod http;
pub mod judge;
pub mod line;
pub mod memory;
pub mod meters;
pub mod outbox;
pub mod plan;
mod player;
pub mod report;
pub mod setup;
mod shopper;
pub mod sighting;
pub mod stage;
pub mod target;
pub mod traffic;
