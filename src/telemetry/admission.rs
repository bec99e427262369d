//! What a node counts about work that it takes in and refuses.

use super::metrics::Page;
use crate::admission::door::Admission;

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
