//! What a play has to tell: a table for people, JSON for programs.

use super::meters::{Meters, Spread};
use serde_json::{Map, Value, json};

/// Counts and times as a table.
pub fn table(meters: &Meters) -> String {
    let mut text = String::new();
    let told = meters.counts();
    for row in told.chunks(6) {
        let cells: Vec<String> = row.iter().map(|(name, count)| format!("{name} {count}")).collect();
        push_line(&mut text, &cells.join(" · "));
    }
    push_line(&mut text, &header());
    for (name, spread) in meters.times() {
        push_line(&mut text, &times_row(name, &spread));
    }
    text
}

/// The heading above `times_row`.
pub fn header() -> String {
    format!(
        "{:<16}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "ms", "count", "mean", "p50", "p90", "p99", "p99.9", "max"
    )
}

/// One distribution in a line.
pub fn times_row(name: &str, s: &Spread) -> String {
    format!(
        "{name:<16}{:>9}{:>10.2}{:>10.2}{:>10.2}{:>10.2}{:>10.2}{:>10.2}",
        s.count, s.mean_ms, s.p50_ms, s.p90_ms, s.p99_ms, s.p999_ms, s.max_ms
    )
}

/// Counts and times as JSON; every time in milliseconds.
pub fn json(meters: &Meters) -> Value {
    let counts: Map<String, Value> =
        meters.counts().iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let times: Map<String, Value> =
        meters.times().iter().map(|(name, spread)| (format!("{name}_ms"), spread_json(spread))).collect();
    json!({"counts": counts, "times": times})
}

/// One distribution as JSON, in milliseconds.
pub fn spread_json(s: &Spread) -> Value {
    json!({"count": s.count, "mean": s.mean_ms, "p50": s.p50_ms, "p90": s.p90_ms, "p99": s.p99_ms,
        "p999": s.p999_ms, "max": s.max_ms})
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn table_and_json_tell_the_same() {
        let meters = Meters::default();
        meters.sends.add(3);
        meters.ack.record(Duration::from_millis(20));
        let (table, json) = (table(&meters), json(&meters));
        assert!(table.contains("sends 3"), "{table}");
        assert!(table.lines().any(|line| line.starts_with("ack") && line.contains("20.0")), "{table}");
        assert_eq!(json["counts"]["sends"], 3);
        assert_eq!(json["times"]["ack_ms"]["count"], 1);
    }
}
