//! What is taken in while the commit lane is behind: the least important work is refused first, in words.
//!
//! `class` ranks work, `shedding` decides from the lane's delay how much of it is refused (CoDel, RFC 8289), `resumes` is
//! the budget of a reconnect storm, `ladder` what is promised less of while the queue grows; these are pure. `door` is what
//! all connections and requests of a node share.
//!
//! Refuses: to know frames and people (the desk names the class), to refuse what closes conversations or serves those who
//! have an agent (their bound is the lane's own queue), and to take back what was let in: an acked item is never shed.

pub mod class;
pub mod door;
pub mod ladder;
pub mod resumes;
pub mod shedding;
