//! What the connections of a node count together, as plain atomics that telemetry reads whenever it likes.
//!
//! Refuses to know metric names (those are telemetry's) and anything that a client chooses: every count has its place
//! before the first connection comes.

use crate::refusal::Code;
use crate::wire::close::CloseCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the desk ends a connection: with a code of ours (protocol 9), or with one of RFC 6455, 7.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Code(CloseCode),
    /// 1002
    BrokenFraming,
    /// 1007
    NotUtf8,
}

impl Ending {
    const ALL: [Self; 11] = [
        Self::BrokenFraming,
        Self::NotUtf8,
        Self::Code(CloseCode::BadProtocol),
        Self::Code(CloseCode::NotSignedIn),
        Self::Code(CloseCode::NotAllowed),
        Self::Code(CloseCode::NoHello),
        Self::Code(CloseCode::Replaced),
        Self::Code(CloseCode::FrameTooLarge),
        Self::Code(CloseCode::SlowReader),
        Self::Code(CloseCode::TooFast),
        Self::Code(CloseCode::Draining),
    ];

    /// As it stands in the close frame.
    pub const fn number(self) -> u16 {
        match self {
            Self::Code(code) => code.number(),
            Self::BrokenFraming => 1002,
            Self::NotUtf8 => 1007,
        }
    }

    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Code(code) => code.reason(),
            Self::BrokenFraming => "this breaks RFC 6455",
            Self::NotUtf8 => "text frames must be UTF-8",
        }
    }
}

/// How a connection ends that the desk did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The client sent a close frame.
    Closed,
    /// The stream ended without one.
    Lost,
    /// Nothing was heard for longer than the heartbeat allows.
    Silent,
}

impl Leaving {
    const ALL: [Self; 3] = [Self::Closed, Self::Lost, Self::Silent];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Silent => "silent",
        }
    }
}

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct SessionMeters {
    /// Frames whose header has come, whatever became of them.
    pub frames_in: AtomicU64,
    /// Bytes of the sockets after the upgrade, frame headers included.
    pub bytes_in: AtomicU64,
    /// Text frames given to sockets.
    pub frames_out: AtomicU64,
    /// Bytes of their payloads.
    pub bytes_out: AtomicU64,
    refused: [AtomicU64; Code::ALL.len()],
    ended: [AtomicU64; Ending::ALL.len()],
    left: [AtomicU64; Leaving::ALL.len()],
}

impl SessionMeters {
    /// An `error` frame of this code was said.
    pub(super) fn refused(&self, code: Code) {
        count(&self.refused, Code::ALL.iter().position(|known| *known == code));
    }

    pub(super) fn ended(&self, ending: Ending) {
        count(&self.ended, Ending::ALL.iter().position(|known| *known == ending));
    }

    pub(super) fn left(&self, leaving: Leaving) {
        count(&self.left, Leaving::ALL.iter().position(|known| *known == leaving));
    }

    pub(super) fn heard(&self, frames: u64, bytes: usize) {
        self.frames_in.fetch_add(frames, Ordering::Relaxed);
        self.bytes_in.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn said(&self, bytes: usize) {
        self.frames_out.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// `error` frames by code.
    pub fn refusals(&self) -> impl Iterator<Item = (Code, u64)> {
        Code::ALL.into_iter().zip(self.refused.iter().map(read))
    }

    /// Connections that the desk ended.
    pub fn endings(&self) -> impl Iterator<Item = (Ending, u64)> {
        Ending::ALL.into_iter().zip(self.ended.iter().map(read))
    }

    /// Connections that ended otherwise.
    pub fn leavings(&self) -> impl Iterator<Item = (Leaving, u64)> {
        Leaving::ALL.into_iter().zip(self.left.iter().map(read))
    }
}

fn count(counters: &[AtomicU64], at: Option<usize>) {
    if let Some(counter) = at.and_then(|at| counters.get(at)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_place_of_its_own() {
        let meters = SessionMeters::default();
        Code::ALL.into_iter().for_each(|code| meters.refused(code));
        assert!(meters.refusals().all(|(_, count)| count == 1));
        CloseCode::ALL.into_iter().for_each(|code| meters.ended(Ending::Code(code)));
        let unused: Vec<u16> =
            meters.endings().filter(|(_, count)| *count == 0).map(|(ending, _)| ending.number()).collect();
        assert_eq!(unused, [1002, 1007]);
        assert!(meters.endings().all(|(_, count)| count <= 1));
        meters.left(Leaving::Silent);
        assert_eq!(meters.leavings().map(|(_, count)| count).collect::<Vec<_>>(), [0, 0, 1]);
    }
}
