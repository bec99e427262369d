//! The forms that text settings may have. Each check answers with a sentence that says what may stand there.

use super::bus_url::BusUrl;
use super::store_url::StoreUrl;
use crate::ident::{GroupId, NodeId};
use std::net::SocketAddr;

/// Shortest secret that is taken.
const MIN_SECRET_BYTES: usize = 16;
/// Length from which on a secret is worth HS256: that of its digest (RFC 7518 section 3.2).
pub(super) const GOOD_SECRET_BYTES: usize = 32;
const MAX_TEXT_BYTES: usize = 4_096;
const MAX_PREFIX_BYTES: usize = 64;
/// Longest text that visitors are told.
const MAX_NOTICE_BYTES: usize = 1_000;

pub(super) fn listen(text: &str) -> Result<(), String> {
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    let allowed = "write ADDRESS:PORT with a numeric address, as 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080";
    Err(format!("is no address; {allowed}"))
}

pub(super) fn origin(text: &str) -> Result<(), String> {
    let allowed = "write scheme://host or scheme://host:port without a path, as https://shop.example, or *";
    if text == "*" {
        return Ok(());
    }
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']) => Ok(()),
        Some(_) | None => Err(format!("holds `{text}`, which is no origin; {allowed}")),
    }
}

pub(super) fn store_url(text: &str) -> Result<(), String> {
    StoreUrl::parse(text).map(drop)
}

pub(super) fn bus_url(text: &str) -> Result<(), String> {
    BusUrl::parse(text).map(drop)
}

/// Braces would change which slot of a Redis Cluster a channel falls to.
pub(super) fn bus_prefix(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    if (1..=MAX_PREFIX_BYTES).contains(&text.len()) && text.chars().all(fits) {
        Ok(())
    } else {
        Err(format!(
            "is no beginning for the names of channels; write 1 to {MAX_PREFIX_BYTES} of the letters a to z, digits, \
             `.`, `_`, `-` and `:`, as rushdesk"
        ))
    }
}

pub(super) fn node_id(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { NodeId::new(text).map(drop).map_err(|error| error.to_string()) }
}

pub(super) fn advertised(text: &str) -> Result<(), String> {
    if text.len() <= MAX_TEXT_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Ok(())
    } else {
        Err(format!(
            "is no address; write one without spaces, of at most {MAX_TEXT_BYTES} bytes, as 10.0.0.7:8080"
        ))
    }
}

pub(super) fn group_id(text: &str) -> Result<(), String> {
    GroupId::new(text).map(drop).map_err(|error| error.to_string())
}

/// A signing secret; the sentence tells its length, never its text.
pub(super) fn secret(text: &str) -> Result<(), String> {
    match text.len() {
        0 => Ok(()),
        MIN_SECRET_BYTES..=MAX_TEXT_BYTES => Ok(()),
        bytes if bytes > MAX_TEXT_BYTES => {
            Err(format!("is {bytes} bytes long; at most {MAX_TEXT_BYTES} are allowed"))
        }
        bytes => Err(format!(
            "is {bytes} bytes long; at least {MIN_SECRET_BYTES} are needed ({GOOD_SECRET_BYTES} are good; `openssl rand -hex 32` makes one), or \
             leave it empty"
        )),
    }
}

/// Longer passwords would let a log-in attempt buy hashing time with its length. A short one is the operator's choice.
pub(super) fn password(text: &str) -> Result<(), String> {
    let most = crate::signin::password::MAX_PASSWORD_BYTES;
    if text.len() <= most {
        Ok(())
    } else {
        Err(format!("is {} bytes long; at most {most} are allowed", text.len()))
    }
}

pub(super) fn public_key(text: &str) -> Result<(), String> {
    if text.len() <= MAX_TEXT_BYTES * 4 {
        Ok(())
    } else {
        Err("is too long for a public key in PEM".to_owned())
    }
}

pub(super) fn path(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_TEXT_BYTES || text.contains('\0') {
        Err(format!("is no path; write the path of a folder, at most {MAX_TEXT_BYTES} bytes"))
    } else {
        Ok(())
    }
}

pub(super) fn notice(text: &str) -> Result<(), String> {
    let is_shown = |c: char| !c.is_control() || c == '\n';
    if (1..=MAX_NOTICE_BYTES).contains(&text.len()) && text.chars().all(is_shown) {
        Ok(())
    } else {
        Err(format!("cannot be told; write 1 to {MAX_NOTICE_BYTES} bytes of text without control characters"))
    }
}

pub(super) fn media_type(text: &str) -> Result<(), String> {
    let token = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c))
    };
    match text.split_once('/') {
        Some((family, kind)) if token(family) && (kind == "*" || token(kind)) => Ok(()),
        Some(_) | None => {
            Err(format!("holds `{text}`, which is no media type; write as image/png or image/*"))
        }
    }
}

pub(super) fn log_level(text: &str) -> Result<(), String> {
    crate::telemetry::log::check_level(text)
}

pub(super) fn log_format(text: &str) -> Result<(), String> {
    text.parse::<crate::telemetry::log::Format>().map(drop)
}
