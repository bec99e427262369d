//! Frames as the measuring loops read and write them: by their first bytes, without parsing the whole.
//!
//! The generator shares the machine with the desk; what it spends on JSON the desk does not get. Only the relay loops
//! read like this. What they skip, the mixed play (`check`) parses and judges in full.

/// The `type` of a frame, which our desk writes first; anything else is empty.
pub(crate) fn kind(frame: &str) -> &str {
    frame.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')).map_or("", |(kind, _)| kind)
}

/// The text behind the first `"name":"`, up to the next quote. For names whose values need no escaping.
pub(crate) fn text_of<'a>(frame: &'a str, quoted_name: &str) -> Option<&'a str> {
    let (_, rest) = frame.split_once(quoted_name)?;
    rest.split_once('"').map(|(text, _)| text)
}

/// The moment that `send` wrote into a message, as it comes back in an entry.
pub(crate) fn moment_us(frame: &str) -> Option<u64> {
    let (_, rest) = frame.split_once('@')?;
    rest.split_once('"').and_then(|(us, _)| us.parse().ok())
}

/// A `send` that tells its intended moment, filled up to about `bytes` on the wire.
pub(crate) fn send(id: u64, conversation: &str, intended_us: u64, bytes: usize) -> String {
    let frame = format!(
        r#"{{"type":"send","id":"{id}","conversation":"{conversation}","content":{{"kind":"text","text":"@{intended_us}"}}}}"#
    );
    let words = "where is my parcel? it should have come on monday and the tracking page says nothing new ";
    let missing = bytes.saturating_sub(frame.len());
    let filling: String = words.chars().cycle().take(missing).collect();
    frame.replacen('@', &format!("{filling}@"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_of_the_size_and_tells_its_moment() {
        let frame = send(7, "01900000-0000-7000-8000-000000000001", 1_234_567, 190);
        assert_eq!(frame.len(), 190);
        assert_eq!(kind(&frame), "send");
        assert_eq!(text_of(&frame, r#""id":""#), Some("7"));
        assert_eq!(moment_us(&frame), Some(1_234_567));
    }

    #[test]
    fn other_frames_have_no_kind_and_no_moment() {
        assert_eq!(kind("{}"), "");
        assert_eq!(moment_us(r#"{"type":"ack"}"#), None);
        assert_eq!(text_of("{}", r#""re":""#), None);
    }
}
