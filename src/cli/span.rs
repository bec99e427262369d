//! Spans of time as people write them: `90d`, `36h`, `1h 30m`, `2 weeks`.

use jiff::{Span, SpanRelativeTo};

/// Whole seconds of a span; a day has 24 hours. Months and years have no fixed length and are refused.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let advice = "write a span as 90d, 36h or 45m";
    let span: Span = text.parse().map_err(|error| format!("{error}; {advice}"))?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| format!("{error}; {advice}"))?;
    match u64::try_from(duration.as_secs()) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        Ok(_) | Err(_) => Err(format!("must be at least a second; {advice}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_in_seconds() {
        for (text, expected) in [
            ("90d", 7_776_000),
            ("36h", 129_600),
            ("45m", 2_700),
            ("1h 30m", 5_400),
            ("1s", 1),
            ("2 weeks", 1_209_600),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_fixed_span_is_refused() {
        for text in ["", "90", "d", "0s", "-1d", "1mo", "1y", "soon"] {
            assert!(seconds(text).unwrap_err().contains("write a span"), "{text}");
        }
    }
}
