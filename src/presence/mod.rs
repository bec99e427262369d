//! Who is connected where: visitors, agents, and watched conversations, by node of the desk.
//!
//! Each node knows its own sockets (`fanout::hub`) and tells the others who came and who left. `whereabouts` is what a
//! node makes of what the others say: pure, with losses, repeats and restarts in mind; `roll` gathers what is to be said
//! and asks a node for its whole list where something was lost.
//!
//! The rule behind all of it: a wrong "gone" ends conversations, a wrong "here" only waits. So nobody counts as gone
//! before every live node's list is known, nor while the bus does not carry.
//!
//! Refuses to be the truth about anything: nothing here is stored, and an agent's presence status is the journal's.

pub mod roll;
pub mod whereabouts;
