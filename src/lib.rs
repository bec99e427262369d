//! Rushdesk: an online customer-service desk for e-commerce. See `docs/ARCHITECTURE.md` for the map.

pub mod clock;
pub mod ident;

pub mod conversation;
pub mod routing;
