//! Stands between the socket and the frame codec: ends the stream when a frame header declares more than may be sent.
//!
//! actix's codec buffers whatever a header declares before its own limit looks at it (a declared 2^40-byte frame took
//! 200 MiB against a limit of 1 MiB), so the header is read here first. Nothing is decoded and nothing is kept but the
//! header under way (14 bytes). RFC 6455, 5.2.

use super::meters::SessionMeters;
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// The largest header: 2 bytes, 8 of length, 4 of mask.
const HEADER_BYTES: usize = 14;
const RESERVED_BITS: u8 = 0x70;

/// What the guard does with the bytes it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    Fine,
    /// A frame declared more than the limit.
    TooLarge,
    /// A reserved bit is set and no extension was agreed on (RFC 6455, 5.2).
    Broken,
}

/// Frames that may have been let through and not been handled; the bytes behind them stay in the socket, where TCP holds
/// the sender back. actix reads whatever it can get before it decodes one frame, so without this bound a sender of tiny
/// frames fills the memory.
const MOST_UNHANDLED: u64 = 256;

/// Frames let through and frames handled, shared by the guard and the session behind the codec.
#[derive(Debug, Default)]
pub struct Backlog {
    passed: AtomicU64,
    handled: AtomicU64,
}

impl Backlog {
    /// The session has handled one frame.
    pub fn handled(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }

    fn is_full(&self) -> bool {
        let handled = self.handled.load(Ordering::Relaxed);
        self.passed.load(Ordering::Relaxed).saturating_sub(handled) >= MOST_UNHANDLED
    }
}

/// Follows frame boundaries through a stream of bytes.
#[derive(Debug)]
pub struct FrameWatch {
    limit: u64,
    header: [u8; HEADER_BYTES],
    have: usize,
    payload_left: u64,
    /// Frames whose header has been seen.
    frames: u64,
}

impl FrameWatch {
    pub fn new(limit_bytes: usize) -> Self {
        let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
        Self { limit, header: [0; HEADER_BYTES], have: 0, payload_left: 0, frames: 0 }
    }

    /// Looks at the next bytes of the stream.
    pub fn see(&mut self, mut bytes: &[u8]) -> Sight {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(self.payload_left);
                self.payload_left -= here;
                bytes = bytes.get(usize::try_from(here).unwrap_or(usize::MAX)..).unwrap_or_default();
                continue;
            }
            let Some((first, rest)) = bytes.split_first() else { break };
            bytes = rest;
            if self.have == 0 && first & RESERVED_BITS != 0 {
                return Sight::Broken;
            }
            if let Some(slot) = self.header.get_mut(self.have) {
                *slot = *first;
            }
            self.have += 1;
            if let Some(declared) = self.declared() {
                if declared > self.limit {
                    return Sight::TooLarge;
                }
                self.payload_left = declared;
                self.frames += 1;
                self.have = 0;
            }
        }
        Sight::Fine
    }

    /// The payload's length, once the header is complete.
    fn declared(&self) -> Option<u64> {
        let header = self.header.get(..self.have)?;
        let second = *header.get(1)?;
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if second & 0x80 != 0 { 4 } else { 0 };
        if self.have < 2 + extended + mask {
            return None;
        }
        if extended == 0 {
            return Some(u64::from(second & 0x7f));
        }
        let length = header.get(2..2 + extended)?;
        Some(length.iter().fold(0, |length, byte| (length << 8) | u64::from(*byte)))
    }
}

/// The socket's bytes up to a frame that is too large (`PayloadError::Overflow`) or broken (`EncodingCorrupted`), then
/// nothing but the end.
pub struct Guarded<S> {
    stream: S,
    watch: FrameWatch,
    backlog: Arc<Backlog>,
    meters: Arc<SessionMeters>,
    refused: bool,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, limit_bytes: usize, backlog: Arc<Backlog>, meters: Arc<SessionMeters>) -> Self {
        Self { stream, watch: FrameWatch::new(limit_bytes), backlog, meters, refused: false }
    }
}

impl<S> Stream for Guarded<S>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // No waker is needed: the codec still holds frames, and each one handled polls this stream again.
            if !self.refused && self.backlog.is_full() {
                return Poll::Pending;
            }
            let next = std::task::ready!(Pin::new(&mut self.stream).poll_next(context));
            match &next {
                // The rest is read and thrown away, so that the close frame is not lost in a reset.
                Some(Ok(bytes)) if self.refused => self.meters.heard(0, bytes.len()),
                Some(Ok(bytes)) => {
                    let before = self.watch.frames;
                    let sight = self.watch.see(bytes);
                    self.meters.heard(self.watch.frames - before, bytes.len());
                    self.backlog.passed.store(self.watch.frames, Ordering::Relaxed);
                    let error = match sight {
                        Sight::Fine => return Poll::Ready(next),
                        Sight::TooLarge => PayloadError::Overflow,
                        Sight::Broken => PayloadError::EncodingCorrupted,
                    };
                    self.refused = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Err(_)) | None => return Poll::Ready(next),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: usize) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match u8::try_from(payload) {
            Ok(short @ 0..=125) => bytes.push(0x80 | short),
            _ => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(std::iter::repeat_n(7, payload));
        bytes
    }

    #[test]
    fn frames_within_the_limit_pass_however_they_are_cut() {
        let stream: Vec<u8> = [frame(3), frame(0), frame(1_000), frame(125)].concat();
        for cut in [1, 2, 3, 7, 64, 5_000] {
            let mut watch = FrameWatch::new(1_000);
            assert!(stream.chunks(cut).all(|bytes| watch.see(bytes) == Sight::Fine), "cut in {cut}");
        }
    }

    #[test]
    fn a_header_that_declares_too_much_is_seen_before_its_payload() {
        let mut watch = FrameWatch::new(64 * 1024);
        assert_eq!(watch.see(&frame(10)), Sight::Fine);
        let mut header = vec![0x81, 0x80 | 127];
        header.extend((1_u64 << 40).to_be_bytes());
        assert_eq!(watch.see(&header), Sight::Fine, "the mask is still to come");
        assert_eq!(watch.see(&[0, 0, 0, 0]), Sight::TooLarge);
    }

    #[test]
    fn tiny_frames_wait_in_the_socket_until_those_before_them_are_handled() {
        use futures_util::StreamExt;
        let chunks = (0..3).map(|_| Ok::<_, PayloadError>(Bytes::from(frame(0).repeat(200))));
        let backlog = Arc::new(Backlog::default());
        let meters = Arc::new(SessionMeters::default());
        let chunks = futures_util::stream::iter(chunks);
        let mut guarded = Guarded::new(chunks, 64, backlog.clone(), meters.clone());
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut next = || guarded.poll_next_unpin(&mut context).is_ready();
        assert!(next() && next(), "400 frames have passed");
        assert!(!next(), "too many are unhandled");
        (0..200).for_each(|_| backlog.handled());
        assert!(next(), "those behind may come");
        let heard = [&meters.frames_in, &meters.bytes_in].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(heard, [600, 600 * 6]);
    }

    #[test]
    fn a_reserved_bit_is_seen_at_once() {
        assert_eq!(FrameWatch::new(64).see(&[0xc1]), Sight::Broken);
        let mut watch = FrameWatch::new(64);
        let both = [frame(5), vec![0xa1]].concat();
        assert_eq!(watch.see(&both), Sight::Broken);
    }

    #[test]
    fn the_first_byte_over_the_limit_is_too_much() {
        assert_eq!(FrameWatch::new(200).see(&frame(200)), Sight::Fine);
        assert_eq!(FrameWatch::new(200).see(&frame(201)), Sight::TooLarge);
    }
}
