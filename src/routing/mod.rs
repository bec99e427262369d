//! Routing: who gets which conversation, as a pure function of what is known and the time.
//!
//! `input` goes in, `decision` comes out of `engine`; `group`, `score` and `steps` are what managers configure;
//! `queue`, `item`, `ranked`, `capacity`, `line` and `signature` are the structures that make a decision cheap, over
//! rows kept in a `register` or a `slab`;
//! `estimate` and `hours` are sums over time. See `README.md` beside this file.
//!
//! Never here: async, actors, clocks, chance, serde, the `conversation` room, anything durable.

mod capacity;
mod decision;
mod engine;
mod estimate;
mod group;
mod hours;
mod input;
mod item;
mod line;
mod queue;
mod ranked;
mod register;
mod score;
mod signature;
mod slab;
mod steps;

pub use decision::{Chosen, Decision, Match, NoQueue, Placement, Reason, RoutingError};
pub use engine::{
    AgentView, Counters, Engine, Explanation, GroupLoad, Question, QueueRow, QueueStanding, Settings,
    Verdict, WaitReason,
};
pub use estimate::Eta;
pub use group::{
    Accept, Bump, Elsewhere, Group, Overflow, OverflowAfter, OverflowAtLength, Policy, WhenClosed,
};
pub use hours::{Holiday, Hours, HoursError, Span};
pub use input::{Agent, Arrival, Claim, Fact, Facts, Input, OfferEnd, OpenOffer, Refusal, Wanted};
pub use score::{AttributeTest, GroupFact, MAX_NEEDS, MAX_RULES, MAX_STEPS, Rule, ValueTest, When};
pub use signature::MAX_SIGNATURES;
pub use steps::{MAX_STEP_AGENTS, Needs, Step};
