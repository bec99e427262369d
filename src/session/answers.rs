//! Outcomes as frames on a connection's outbox.

use super::meters::SessionMeters;
use crate::desk::{ErrandAnswer, Served, promised};
use crate::fanout::outbox::{Item, Outbox};
use crate::refusal::Refusal;
use crate::wire::Text;
use crate::wire::server::{Ack, ErrorFrame, Opened, ServerFrame};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Puts the one answer to request `re` on the outbox, and frees its place among the requests in flight.
pub(super) fn answer(
    outbox: &Arc<Outbox>,
    re: Arc<str>,
    in_flight: &Arc<AtomicUsize>,
    meters: &Arc<SessionMeters>,
) -> ErrandAnswer {
    let (outbox, in_flight, meters) = (outbox.clone(), in_flight.clone(), meters.clone());
    in_flight.fetch_add(1, Ordering::AcqRel);
    promised(move |outcome| {
        in_flight.fetch_sub(1, Ordering::AcqRel);
        let re = Text::from(&*re);
        let frame = match &outcome {
            Ok(Served::Ack { conversation, seq, at }) => {
                ServerFrame::Ack(Ack { re, conversation: *conversation, seq: *seq, at: *at })
            }
            Ok(Served::Opened { conversation, state, created, seq, .. }) => ServerFrame::Opened(Opened {
                re,
                conversation: *conversation,
                state: *state,
                created: *created,
                seq: *seq,
            }),
            Err(refusal) => return refuse(&outbox, refusal, Some(&re), &meters),
        };
        outbox.push(Item::Frame(frame.encode()));
    })
}

/// Puts a refusal on the outbox.
pub(super) fn refuse(outbox: &Outbox, refusal: &Refusal, re: Option<&str>, meters: &SessionMeters) {
    meters.refused(refusal.code);
    outbox.push(Item::Frame(ServerFrame::Error(ErrorFrame::new(refusal, re)).encode()));
}
