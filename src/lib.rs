//! Rushdesk: an online customer-service desk for e-commerce. See `docs/ARCHITECTURE.md` for the map.

pub mod clock;
pub mod ident;
pub mod refusal;

pub mod settings;
pub mod signin;
pub mod telemetry;

pub mod wire;

pub mod admission;
pub mod app;
pub mod gateway;
pub mod session;
pub mod desk;
pub mod cluster;
pub mod conversation;
pub mod journal;
pub mod store;
pub mod fanout;
pub mod presence;
pub mod supervisor;
pub mod routing;
pub mod agent;

pub mod mailbox;

pub mod planted;
pub mod rehearsal;
pub mod demo;

pub mod cli;

#[cfg(test)]
#[path = "../tests/servers/postgres.rs"]
mod postgres_server;
#[cfg(test)]
#[path = "../tests/servers/redis.rs"]
mod redis_server;
