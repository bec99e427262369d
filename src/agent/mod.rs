//! The agent: presence that does not lie, and what follows when it changes.
//!
//! `state` is pure: what is known of one agent and when something happens by itself. `actor` owns one agent, `registry`
//! finds it. Presence is what the agent said (durable); being reachable is having a connection (not durable). New work
//! needs both. Never here: which conversation comes next (routing), seats (the journal counts them).

pub mod actor;
pub mod registry;
pub mod state;
