//! Rushdesk: an online customer-service desk for e-commerce. See `docs/ARCHITECTURE.md` for the map.

pub mod clock;
pub mod ident;
pub mod refusal;

pub mod wire;

pub mod conversation;
pub mod fanout;
pub mod journal;

pub mod mailbox;

pub mod rehearsal;
