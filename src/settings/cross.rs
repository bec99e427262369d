//! What must hold between settings, and what is allowed and yet worth a sentence.

use super::bus_url::BusUrl;
use super::forms::GOOD_SECRET_BYTES;
use super::problem::Problem;
use super::secret::Secret;
use super::sections::{Ladder, Settings};
use super::store_url::StoreUrl;
use crate::signin::password;
use crate::signin::visitor::PublicKey;

/// Room that a frame needs beside its text.
const FRAME_ENVELOPE_BYTES: usize = 512;

/// Every broken rule between two keys; `origin` tells where a key's value comes from.
pub(super) fn problems(settings: &Settings, origin: &dyn Fn(&str) -> String) -> Vec<Problem> {
    let rules = [sizes(settings), times(settings), ladder(settings), sign_in(settings), nodes(settings)];
    rules
        .into_iter()
        .flatten()
        .filter(|rule| !rule.holds)
        .map(|rule| {
            Problem::new(
                rule.key,
                origin(rule.key),
                format!("{} ({}: {})", rule.must, rule.other, origin(rule.other)),
            )
        })
        .collect()
}

/// Sentences about settings that are allowed and may surprise.
pub(super) fn notices(settings: &Settings) -> Vec<String> {
    let mut notices = Vec::new();
    if settings.auth.visitor_secret.is_some() && settings.auth.visitor_public_key.is_some() {
        notices.push(
            "auth.visitor_secret and auth.visitor_public_key are both set: shoppers' tokens signed by either are \
             accepted, each with its own algorithm; leave visitor_secret empty if the shop signs with its key alone"
                .to_owned(),
        );
    }
    let secrets = [
        ("auth.visitor_secret", &settings.auth.visitor_secret),
        ("auth.token_secret", &settings.auth.token_secret),
    ];
    for (key, secret) in secrets {
        if secret.as_ref().is_some_and(|secret| secret.expose().len() < GOOD_SECRET_BYTES) {
            notices.push(format!(
                "{key} is shorter than {GOOD_SECRET_BYTES} bytes and so weaker than HS256 itself: take a longer one"
            ));
        }
    }
    let short = |secret: &Secret| password::is_short(secret.expose());
    if settings.bootstrap.admin_password.as_ref().is_some_and(short) {
        notices.push(format!(
            "bootstrap.admin_password has fewer than {} characters: choose a longer one where others reach the desk",
            password::GOOD_PASSWORD_CHARS
        ));
    }
    if settings.store.url == StoreUrl::Memory {
        notices.push("store.url is memory: nothing survives the end of the process".to_owned());
    }
    if settings.bot.enabled {
        notices.push("bot.enabled is true, but this version has no bot: people answer".to_owned());
    }
    notices
}

/// The PEM text of a public key that is given as such or as the path of its file.
///
/// # Errors
/// A sentence: the file cannot be read, or what it holds is no public key that shoppers' tokens can be checked with.
pub(super) fn public_key_pem(given: &str) -> Result<String, String> {
    let pem = if given.trim_start().starts_with("-----BEGIN") {
        given.to_owned()
    } else {
        std::fs::read_to_string(given)
            .map_err(|error| format!("is no PEM text, and no file of that name can be read ({error})"))?
    };
    PublicKey::from_pem(&pem).map(|_| pem)
}

/// One rule between two keys.
struct Rule {
    holds: bool,
    key: &'static str,
    other: &'static str,
    must: String,
}

fn rule(holds: bool, key: &'static str, other: &'static str, must: String) -> Rule {
    Rule { holds, key, other, must }
}

fn sizes(settings: &Settings) -> Vec<Rule> {
    let limits = &settings.limits;
    let journal = &settings.journal;
    let auth = &settings.auth;
    vec![
        rule(
            limits.text_bytes.saturating_add(FRAME_ENVELOPE_BYTES) <= limits.frame_bytes,
            "limits.text_bytes",
            "limits.frame_bytes",
            format!("must leave {FRAME_ENVELOPE_BYTES} bytes of limits.frame_bytes = {}", limits.frame_bytes),
        ),
        rule(
            limits.frame_bytes <= limits.outbox_bytes,
            "limits.outbox_bytes",
            "limits.frame_bytes",
            format!("must hold at least one frame of limits.frame_bytes = {}", limits.frame_bytes),
        ),
        rule(
            limits.fetch_default <= limits.fetch_max,
            "limits.fetch_default",
            "limits.fetch_max",
            format!("must be at most limits.fetch_max = {}", limits.fetch_max),
        ),
        rule(
            limits.page_default <= limits.page_max,
            "limits.page_default",
            "limits.page_max",
            format!("must be at most limits.page_max = {}", limits.page_max),
        ),
        rule(
            journal.batch_entries <= journal.queue_entries,
            "journal.batch_entries",
            "journal.queue_entries",
            format!("must be at most journal.queue_entries = {}", journal.queue_entries),
        ),
        rule(
            settings.attachments.max_bytes <= settings.attachments.bytes_per_h,
            "attachments.bytes_per_h",
            "attachments.max_bytes",
            format!(
                "must hold at least one file of attachments.max_bytes = {}",
                settings.attachments.max_bytes
            ),
        ),
        rule(
            auth.argon2_memory_kib >= auth.argon2_lanes.saturating_mul(8),
            "auth.argon2_memory_kib",
            "auth.argon2_lanes",
            format!("must be at least 8 for each of auth.argon2_lanes = {}", auth.argon2_lanes),
        ),
    ]
}

fn times(settings: &Settings) -> Vec<Rule> {
    let conversation = &settings.conversation;
    let reminder = "conversation.reminder_before_s";
    vec![
        rule(
            conversation.reminder_before_s < conversation.idle_end_s,
            reminder,
            "conversation.idle_end_s",
            format!("must be less than conversation.idle_end_s = {}", conversation.idle_end_s),
        ),
        rule(
            conversation.reminder_before_s < conversation.idle_end_promotion_s,
            reminder,
            "conversation.idle_end_promotion_s",
            format!(
                "must be less than conversation.idle_end_promotion_s = {}",
                conversation.idle_end_promotion_s
            ),
        ),
        rule(
            settings.server.drain_s < settings.server.shutdown_s,
            "server.drain_s",
            "server.shutdown_s",
            format!("must be less than server.shutdown_s = {}", settings.server.shutdown_s),
        ),
        rule(
            settings.limits.heartbeat_answer_s < settings.limits.heartbeat_s,
            "limits.heartbeat_answer_s",
            "limits.heartbeat_s",
            format!("must be less than limits.heartbeat_s = {}", settings.limits.heartbeat_s),
        ),
        rule(
            settings.overload.target_ms < settings.overload.interval_ms,
            "overload.target_ms",
            "overload.interval_ms",
            format!("must be less than overload.interval_ms = {}", settings.overload.interval_ms),
        ),
        rule(
            settings.routing.sticky_hard_h <= settings.routing.sticky_soft_h,
            "routing.sticky_hard_h",
            "routing.sticky_soft_h",
            format!("must be at most routing.sticky_soft_h = {}", settings.routing.sticky_soft_h),
        ),
    ]
}

/// A level that were left above where it is entered would swing.
fn ladder(settings: &Settings) -> Vec<Rule> {
    let Ladder { enter_percent, leave_percent, .. } = &settings.ladder;
    let holds = leave_percent.iter().zip(enter_percent).all(|(leave, enter)| leave < enter);
    let must = format!("must each be less than the same place of ladder.enter_percent = {enter_percent:?}");
    vec![rule(holds, "ladder.leave_percent", "ladder.enter_percent", must)]
}

fn sign_in(settings: &Settings) -> Vec<Rule> {
    let auth = &settings.auth;
    vec![rule(
        auth.token_secret.is_none() || auth.token_secret != auth.visitor_secret,
        "auth.token_secret",
        "auth.visitor_secret",
        "must differ from auth.visitor_secret: who may sign shoppers in must not be able to sign agents in"
            .to_owned(),
    )]
}

fn nodes(settings: &Settings) -> Vec<Rule> {
    vec![
        rule(
            settings.bus.url == BusUrl::Memory || matches!(settings.store.url, StoreUrl::Postgres(_)),
            "bus.url",
            "store.url",
            "lets several nodes be one desk, and they need one store: set store.url to \"postgres://...\" too, or \
             bus.url to \"memory\""
                .to_owned(),
        ),
        rule(
            settings.limits.frame_bytes <= settings.bus.queue_bytes,
            "bus.queue_bytes",
            "limits.frame_bytes",
            format!("must hold at least one frame of limits.frame_bytes = {}", settings.limits.frame_bytes),
        ),
    ]
}
