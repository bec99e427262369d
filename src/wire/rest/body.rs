//! Reading a request body, with errors that name the field and, for an unknown one, the name that was meant.

use super::objects::Strict;
use crate::refusal::Refusal;
use crate::settings::nearest;
use crate::wire::fields::{plain, shown};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

/// Reads one JSON body. The refusal is `bad_frame` and says which field and what it takes.
pub fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let mut from = serde_json::Deserializer::from_slice(body);
    let read = T::deserialize(Strict(&mut from)).and_then(|read| from.end().map(|()| read));
    read.map_err(|error| {
        let reached = reached(body, &error);
        let message = match field_at(reached) {
            Some(field) if error.is_data() => format!("`{}`: {}", shown(&field), plain(&error)),
            _ => format!("the body must be one JSON object: {}", plain(&error)),
        };
        Refusal::bad_frame(match meant(&message) {
            Some(name) => format!("{message}; did you mean `{name}`?"),
            None => message,
        })
    })
}

/// Tells a field that was left out (`None`) from one that was set to `null` (`Some(None)`), for patches.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

/// The known name nearest to the unknown one that serde complains about.
fn meant(message: &str) -> Option<&str> {
    let (_, rest) =
        message.split_once("unknown field `").or_else(|| message.split_once("unknown variant `"))?;
    let (unknown, rest) = rest.split_once('`')?;
    nearest(unknown, rest.split('`').skip(1).step_by(2))
}

/// The part of `body` that was read when `error` was found.
fn reached<'b>(body: &'b [u8], error: &serde_json::Error) -> &'b [u8] {
    let lines_before = body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let read = lines_before.map(<[u8]>::len).sum::<usize>() + error.column();
    let reached = body.get(..read).unwrap_or(body);
    // serde_json reads an object to its end before it reports a value in it; a missing field is the object's own fault.
    match reached.strip_suffix(b"}") {
        Some(inside) if !plain(error).starts_with("missing field") => inside,
        _ => reached,
    }
}

/// The dotted path of the field in which `reached` ends.
fn field_at(reached: &[u8]) -> Option<String> {
    let mut path: Vec<String> = Vec::new();
    let (mut text, mut in_text, mut escaped) = (Vec::new(), false, false);
    let mut value_comes = false;
    for byte in reached {
        match byte {
            _ if escaped => {
                escaped = false;
                text.push(*byte);
            }
            b'\\' if in_text => escaped = true,
            b'"' => {
                in_text = !in_text;
                if in_text {
                    text.clear();
                } else if let Some(last) = path.last_mut().filter(|_| !value_comes) {
                    *last = String::from_utf8_lossy(&text).into_owned();
                }
            }
            _ if in_text => text.push(*byte),
            b'{' => {
                path.push(String::new());
                value_comes = false;
            }
            b'}' => {
                path.pop();
                value_comes = true;
            }
            b'[' | b':' => value_comes = true,
            b',' => value_comes = false,
            _ => {}
        }
    }
    let named: Vec<String> = path.into_iter().filter(|name| !name.is_empty()).collect();
    (!named.is_empty()).then(|| named.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rest::{AgentBody, CloseBody, GroupBody, RatingBody, VisitorBody};
    use std::fmt::Debug;

    fn refused<T: DeserializeOwned + Debug>(body: &str) -> String {
        read_body::<T>(body.as_bytes()).expect_err(body).message.into_owned()
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_one_that_was_meant() {
        let message = refused::<GroupBody>(r#"{"id":"a","name":"A","polcy":"longest_idle"}"#);
        assert!(message.contains("unknown field `polcy`"), "{message}");
        assert!(message.ends_with("did you mean `policy`?"), "{message}");
        let message = refused::<GroupBody>(r#"{"id":"a","name":"A","policy":"longest_idel"}"#);
        assert!(message.ends_with("did you mean `longest_idle`?"), "{message}");
    }

    #[test]
    fn a_wrong_type_names_the_field_however_deep() {
        for (body, names) in [
            (r#"{"id":"a","name":"A","offer_s":"soon"}"#, "`offer_s`: "),
            (r#"{"id":"a","name":7}"#, "`name`: "),
            (
                "{\"id\":\"a\",\n \"name\":\"A\",\n \"overflow\":{\"queued\":{\"after_s\":-1,\"to\":\"b\"}}}",
                "`overflow.queued.after_s`: ",
            ),
            (r#"{"id":"two words","name":"A"}"#, "`id`: "),
            (
                r#"{"id":"a","name":"A","hours":{"zone":"Asia/Shanghai","week":{"mon":["9-5"]}}}"#,
                "`hours.week.mon`: ",
            ),
        ] {
            let message = refused::<GroupBody>(body);
            assert!(message.starts_with(names), "{message}");
        }
        let message = refused::<AgentBody>(
            r#"{"login":"a","name":"A","password":"long enough","role":"agent","groups":[],"skills":{"returns":9}}"#,
        );
        assert!(message.starts_with("`skills.returns`: "), "{message}");
        for body in [r#"{"score":6}"#, r#"{"score":6,"comment":"x"}"#, r#"{"comment":"x","score":6}"#] {
            let message = refused::<RatingBody>(body);
            assert!(message.starts_with("`score`: "), "{message}");
        }
        let message = refused::<GroupBody>(r#"{"id":"a","name":"A","overflow":{"queued":{"after_s":1}}}"#);
        assert!(message.starts_with("`overflow.queued`: missing field `to`"), "{message}");
        let message = refused::<VisitorBody>(r#"{"attributes":{"a":[]}}"#);
        assert!(message.contains("attributes.a"), "{message}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "[]", "{", "nul", "{\"score\":1}}"] {
            let message = refused::<RatingBody>(body);
            assert!(message.contains("JSON object"), "{body}: {message}");
        }
    }

    #[test]
    fn a_list_is_no_object_at_any_depth_and_no_type_of_the_program_is_named() {
        for (body, expected) in [
            (r#"["a","A"]"#, "the body must be one JSON object: invalid type: sequence, expected an object"),
            ("7", "the body must be one JSON object: invalid type: integer `7`, expected an object"),
            (
                r#"{"id":"a","name":"A","overflow":[]}"#,
                "`overflow`: invalid type: sequence, expected an object",
            ),
            (
                r#"{"id":"a","name":"A","overflow":{"queued":[1,"b"]}}"#,
                "`overflow.queued`: invalid type: sequence, expected an object",
            ),
            (
                r#"{"id":"a","name":"A","hours":{"zone":"Asia/Shanghai","week":[["09:00-18:00"]]}}"#,
                "`hours.week`: invalid type: sequence, expected an object",
            ),
            (
                r#"{"id":"a","name":"A","bump":"soon"}"#,
                "`bump`: invalid type: string \"soon\", expected an object",
            ),
        ] {
            assert_eq!(refused::<GroupBody>(body), expected, "{body}");
        }
    }

    #[test]
    fn a_body_may_leave_out_what_is_optional() {
        let close: CloseBody = read_body(b"{}").expect("an empty close");
        assert_eq!(close, CloseBody::default());
    }
}
