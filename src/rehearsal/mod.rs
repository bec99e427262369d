//! The rehearsal: shoppers and agents played over real sockets, and the judge of what they saw.
//!
//! Used by the `loadtest` driver, by `rushdesk demo` and by the kill tests, so that all three play the same traffic
//! and are judged by the same checker. This room knows the desk from outside only: `wire`, identifiers and the clock.
//! It refuses to look into the store, the engine or any other room, and to talk to anything but loopback addresses.

pub mod history;
