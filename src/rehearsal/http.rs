//! A very small HTTP/1.1 client for the desk's REST door: one kept connection, JSON both ways.
//!
//! Small on purpose: the rehearsal must not share the server's HTTP code. It knows `content-length` and chunked
//! bodies, nothing else; answers and waits are bounded.

use super::target::Target;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const ANSWER_BYTES: usize = 32 << 20;
const HEADER_BYTES: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    TooLate,
    #[error("connection: {0}")]
    Connection(#[from] std::io::Error),
    #[error("not HTTP: {0}")]
    Malformed(&'static str),
    #[error("{path} answered {status}: {body}")]
    Refused { path: String, status: u16, body: String },
}

/// An answer: its status, headers (names in lower case) and body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; `Null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The text at `pointer` (RFC 6901) of an answer.
pub fn text_at(answer: &Value, pointer: &str) -> Option<String> {
    answer.pointer(pointer)?.as_str().map(str::to_owned)
}

/// A request before it is sent.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub token: Option<&'a str>,
    /// Names and values that stand as they are.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Option<Value>,
}

/// One kept connection to the desk.
#[derive(Debug)]
pub struct Http {
    target: Target,
    kept: Option<BufReader<TcpStream>>,
}

impl Http {
    pub const fn new(target: Target) -> Self {
        Self { target, kept: None }
    }

    /// Asks once; a kept connection that the desk has closed meanwhile is replaced without a word.
    ///
    /// # Errors
    /// Connection failures, time-outs and answers that are not HTTP; a refusal by status is an answer.
    pub async fn ask(&mut self, ask: &Ask<'_>) -> Result<Answer, HttpError> {
        let written = self.written(ask);
        if let Some(kept) = self.kept.take()
            && let Ok(answer) = self.exchange(kept, &written).await
        {
            return Ok(answer);
        }
        let fresh = timeout(ANSWER_WITHIN, TcpStream::connect(self.target.address()))
            .await
            .map_err(|_elapsed| HttpError::TooLate)??;
        self.exchange(BufReader::new(fresh), &written).await
    }

    /// # Errors
    /// As `ask`, and `Refused` for any status but 2xx.
    pub async fn post(&mut self, path: &str, token: Option<&str>, body: Value) -> Result<Value, HttpError> {
        self.wanted(Ask { method: "POST", path, token, body: Some(body), headers: &[] }).await
    }

    /// # Errors
    /// As `ask`, and `Refused` for any status but 2xx.
    pub async fn get(&mut self, path: &str, token: Option<&str>) -> Result<Value, HttpError> {
        self.wanted(Ask { method: "GET", path, token, body: None, headers: &[] }).await
    }

    async fn wanted(&mut self, ask: Ask<'_>) -> Result<Value, HttpError> {
        let answer = self.ask(&ask).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.json());
        }
        let body = answer.text().chars().take(300).collect();
        Err(HttpError::Refused { path: ask.path.to_owned(), status: answer.status, body })
    }

    fn written(&self, ask: &Ask<'_>) -> Vec<u8> {
        let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", ask.method, ask.path, self.target.address());
        if let Some(token) = ask.token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        for (name, value) in ask.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if ask.body.is_some() {
            head.push_str("content-type: application/json\r\n");
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        head.into_bytes()
    }

    async fn exchange(
        &mut self,
        mut stream: BufReader<TcpStream>,
        written: &[u8],
    ) -> Result<Answer, HttpError> {
        let exchange = async {
            stream.get_mut().write_all(written).await?;
            read_answer(&mut stream).await
        };
        let (answer, keep) =
            timeout(ANSWER_WITHIN, exchange).await.map_err(|_elapsed| HttpError::TooLate)??;
        if keep {
            self.kept = Some(stream);
        }
        Ok(answer)
    }
}

/// The answer, and whether the connection can be used again.
async fn read_answer(stream: &mut BufReader<TcpStream>) -> Result<(Answer, bool), HttpError> {
    let status_line = read_line(stream).await?;
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse().ok())
        .ok_or(HttpError::Malformed("the status line"))?;
    let mut headers = Vec::new();
    let mut header_bytes = 0;
    loop {
        let line = read_line(stream).await?;
        header_bytes += line.len();
        if header_bytes > HEADER_BYTES {
            return Err(HttpError::Malformed("more than 64 KiB of headers"));
        }
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(HttpError::Malformed("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    let chunked = answer.header("transfer-encoding").is_some_and(|value| value.contains("chunked"));
    let length = answer.header("content-length").and_then(|value| value.parse::<usize>().ok());
    let keep = !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let keep = match (chunked, length) {
        (true, _) => {
            answer.body = read_chunks(stream).await?;
            keep
        }
        (false, Some(length)) => {
            answer.body = read_exactly(stream, length).await?;
            keep
        }
        (false, None) if status == 204 || status == 304 => keep,
        (false, None) => {
            stream.take(ANSWER_BYTES as u64).read_to_end(&mut answer.body).await?;
            false
        }
    };
    Ok((answer, keep))
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Result<String, HttpError> {
    let mut line = Vec::new();
    stream.take(HEADER_BYTES as u64).read_until(b'\n', &mut line).await?;
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err(HttpError::Malformed("the connection ended inside a line"));
    };
    Ok(String::from_utf8_lossy(text).into_owned())
}

async fn read_exactly(stream: &mut BufReader<TcpStream>, bytes: usize) -> Result<Vec<u8>, HttpError> {
    if bytes > ANSWER_BYTES {
        return Err(HttpError::Malformed("an answer of more than 32 MiB"));
    }
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn read_chunks(stream: &mut BufReader<TcpStream>) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream).await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let bytes =
            usize::from_str_radix(size, 16).map_err(|_error| HttpError::Malformed("a chunk's size"))?;
        if body.len() + bytes > ANSWER_BYTES {
            return Err(HttpError::Malformed("an answer of more than 32 MiB"));
        }
        body.extend(read_exactly(stream, bytes).await?);
        if !read_line(stream).await?.is_empty() {
            return Err(HttpError::Malformed("a chunk without an end"));
        }
        if bytes == 0 {
            return Ok(body);
        }
    }
}
