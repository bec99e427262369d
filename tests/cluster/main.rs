//! Several nodes as one desk, from outside: real processes on one PostgreSQL and one Redis that the tests start
//! themselves, which die, sleep, leave and come back while people talk.
//!
//! The desks and clients are those of `tests/it`; of the server's own types only the slot of a conversation is used, to
//! choose whom to kill. Every wait is bounded.

#[cfg(test)]
#[path = "../it/client.rs"]
mod client;
#[cfg(test)]
#[path = "../it/desk.rs"]
#[expect(dead_code, reason = "the cases of one desk need more of it")]
mod desk;
#[cfg(test)]
#[path = "../servers/pooler.rs"]
mod pooler;
#[cfg(test)]
#[path = "../servers/fault_proxy.rs"]
mod fault_proxy;
#[cfg(test)]
#[path = "../servers/netns.rs"]
mod netns;
#[cfg(test)]
#[path = "../it/load.rs"]
mod load;
#[cfg(test)]
#[path = "../servers/postgres.rs"]
mod postgres_server;
#[cfg(test)]
#[path = "../servers/standby.rs"]
mod standby_server;
#[cfg(test)]
#[path = "../servers/redis.rs"]
#[expect(dead_code, reason = "the cases of the bus need more of it")]
mod redis_server;

#[cfg(test)]
mod balancer;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod domains;

#[cfg(test)]
mod commits;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod pooled;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod standby;
#[cfg(test)]
mod store_faults;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod versions;
