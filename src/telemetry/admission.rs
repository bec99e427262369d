//! What a node counts about work that it takes in and refuses.

use super::metrics::Page;
use crate::admission::door::Admission;
use crate::desk::rush::Rush;
use std::sync::atomic::Ordering;

pub(super) fn admission(page: &mut Page, door: &Admission) -> std::fmt::Result {
    let by_class = |pick: fn((u64, u64)) -> u64| {
        door.counts().map(move |(class, admitted, refused)| (class.name(), pick((admitted, refused))))
    };
    page.by(
        "rushdesk_admission_admitted_total",
        "Requests and hints taken in, by class of work",
        "class",
        by_class(|(admitted, _)| admitted),
    )?;
    page.by(
        "rushdesk_admission_refused_total",
        "Requests refused with `overloaded` and hints dropped, by class of work",
        "class",
        by_class(|(_, refused)| refused),
    )?;
    page.gauge(
        "rushdesk_admission_level",
        "Classes of work that are refused, the least important first",
        door.level(),
    )?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a delay in a float lose what nobody reads"
    )]
    let delay_s = door.delay_us() as f64 / 1e6;
    page.gauge(
        "rushdesk_journal_lane_delay_seconds",
        "Time that operations wait before their batch begins",
        delay_s,
    )?;
    page.counter(
        "rushdesk_resumes_refused_total",
        "Connections sent away because too many resumed at once",
        &door.resumes_refused,
    )
}

pub(super) fn ladder(page: &mut Page, rush: &Rush) -> std::fmt::Result {
    page.gauge(
        "rushdesk_ladder_level",
        "Level of the burst ladder: 0 normal, 1 bot_first, 2 more_seats, 3 call_back, 4 notice",
        rush.level(),
    )?;
    let changes = [("up", &rush.ups), ("down", &rush.downs)];
    page.by(
        "rushdesk_ladder_changes_total",
        "Changes of the level that this node saw",
        "direction",
        changes.into_iter().map(|(direction, counter)| (direction, counter.load(Ordering::Relaxed))),
    )?;
    page.by("rushdesk_ladder_seconds_total", "Time in each level", "level", rush.seconds())?;
    page.counter(
        "rushdesk_ladder_called_back_total",
        "Openings taken as messages to be called back, because they would have waited too long",
        &rush.called_back,
    )?;
    page.counter("rushdesk_ladder_noticed_total", "Openings that were told of the rush", &rush.noticed)
}
