//! The command line of the driver.

use clap::{Args, Parser, Subcommand};
use rushdesk::rehearsal::target::Target;
use std::str::FromStr;

/// Plays shoppers and agents against a desk on this machine, and measures or judges it.
///
/// Relay and drain need a desk whose limits allow the load: raise `limits.frames_per_s`, `limits.frames_burst`,
/// `limits.sockets_per_address` and `limits.sign_ups_per_s` where the numbers pass the defaults. Give each measurement
/// a fresh store: conversations that an earlier one left behind wait for agents too.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Messages per second and CPU per message: the closed loop, or the open loop with --rate.
    Relay(RelayArguments),
    /// Latency of the durable ack at a fixed rate.
    Ack(AckArguments),
    /// A backlog that waits for agents, then a steady stream of openings.
    Drain(DrainArguments),
    /// Resident memory per idle connection.
    Idle(IdleArguments),
    /// Mixed traffic with lost connections, and the history checker's verdict; exit code 1 unless clean.
    Check(CheckArguments),
    /// The bare relay that the others are compared with, alone, until --for-s is over or Ctrl-C.
    Floor(FloorArguments),
}

/// The desk, and how to get in.
#[derive(Debug, Clone, Args)]
pub(crate) struct Desk {
    /// Where the desk listens; loopback only.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub(crate) desk: Target,
    #[arg(long, default_value = "admin")]
    pub(crate) admin_login: String,
    /// As set by RUSHDESK__BOOTSTRAP__ADMIN_PASSWORD at the desk's first start.
    #[arg(long, default_value = "")]
    pub(crate) admin_password: String,
    /// The server's process, to read CPU and memory from /proc.
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// One JSON object on standard output instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A process that does a part of the desk's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

impl FromStr for Beside {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let told = text.split_once('=').and_then(|(name, pid)| Some((name.to_owned(), pid.parse().ok()?)));
        told.map(|(name, pid)| Self { name, pid })
            .ok_or_else(|| format!("`{text}` is no NAME=PID, as in redis=4711"))
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Talk {
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub(crate) visitors: u64,
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    pub(crate) agents: u64,
    /// Size of one `send` frame.
    #[arg(long, default_value_t = 190)]
    pub(crate) message_bytes: usize,
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(..=60))]
    pub(crate) warm_up_s: u64,
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) for_s: u64,
    /// Another node of the desk, to which the agents connect: every message crosses from node to node.
    #[arg(long)]
    pub(crate) agents_at: Option<Target>,
    /// A further process, with those that it began, whose CPU is told by name: NAME=PID; may be given several times.
    #[arg(long)]
    pub(crate) beside: Vec<Beside>,
    /// Measure the bare relay too, right after, with the same work; it runs on --server-core.
    #[arg(long)]
    pub(crate) with_floor: bool,
    /// The core that the bare relay is bound to (by `taskset`); bind the desk to the same, the driver to another.
    #[arg(long)]
    pub(crate) server_core: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct RelayArguments {
    #[command(flatten)]
    pub(crate) desk: Desk,
    #[command(flatten)]
    pub(crate) talk: Talk,
    /// Messages per second over all visitors; without it each visitor keeps --in-flight messages on the way.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    #[arg(long, default_value_t = 2)]
    pub(crate) in_flight: usize,
}

#[derive(Debug, Args)]
pub(crate) struct AckArguments {
    #[command(flatten)]
    pub(crate) desk: Desk,
    #[command(flatten)]
    pub(crate) talk: Talk,
    #[arg(long, default_value_t = 5_000.0)]
    pub(crate) rate: f64,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArguments {
    #[command(flatten)]
    pub(crate) desk: Desk,
    /// Conversations in the backlog, each of a connected visitor.
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(1..=18_000))]
    pub(crate) waiting: u64,
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) agents: u64,
    /// Seats of each agent.
    #[arg(long, default_value_t = 10)]
    pub(crate) capacity: u32,
    /// Openings per second of the stream after the backlog; 0 for none.
    #[arg(long, default_value_t = 200.0)]
    pub(crate) rate: f64,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=600))]
    pub(crate) stream_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct IdleArguments {
    #[command(flatten)]
    pub(crate) desk: Desk,
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(2..=18_000))]
    pub(crate) connections: u64,
    /// Sign in only; by default each visitor has one open conversation.
    #[arg(long)]
    pub(crate) without_conversation: bool,
    /// Wait before the last reading, for the desk to put idle conversations to rest.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_600))]
    pub(crate) rest_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) desk: Desk,
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[arg(long, default_value_t = 20)]
    pub(crate) agents: u64,
    #[arg(long, default_value_t = 5)]
    pub(crate) capacity: u32,
    /// New visitors per second.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) rate: f64,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) for_s: u64,
    /// Share of messages before which the visitor's connection is lost.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) drop_share: f64,
    /// Mean pause before a visitor's next message.
    #[arg(long, default_value_t = 200)]
    pub(crate) pause_ms: u64,
    /// Mean time that an agent takes to answer.
    #[arg(long, default_value_t = 200)]
    pub(crate) reply_ms: u64,
}

#[derive(Debug, Args)]
pub(crate) struct FloorArguments {
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) for_s: u64,
}
