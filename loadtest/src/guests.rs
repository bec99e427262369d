//! Signing in: agents online, visitors with an open conversation, as the measurements need them.
//!
//! At a real desk they come through its REST door; at the bare relay beside it (`floor`) any token will do.

use crate::frames::{kind, text_of};
use rushdesk::rehearsal::http::{Ask, Http, HttpError, text_at};
use rushdesk::rehearsal::line::{Door, Gone, Line};
use rushdesk::rehearsal::plan::SignIn;
use rushdesk::rehearsal::setup::{Administrator, Staff};
use rushdesk::rehearsal::stage::Record;
use rushdesk::rehearsal::target::Target;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Other nodes read a changed configuration within a second.
const KNOWN_EVERYWHERE_AFTER: Duration = Duration::from_secs(3);

/// Why the measurement cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSeated {
    #[error("REST: {0}")]
    Http(#[from] HttpError),
    #[error("socket: {0}")]
    Gone(#[from] Gone),
    #[error("waited {ANSWER_WITHIN:?} for `{wanted}`; the last frame was: {last}")]
    NoAnswer { wanted: &'static str, last: String },
    #[error("the desk refused: {0}")]
    Refused(String),
}

/// Who lets people in.
#[derive(Debug, Clone)]
pub(crate) enum House {
    /// A desk, with the node to which agents connect and the administrator's sign-in.
    Desk { target: Target, agents_at: Target, admin: SignIn },
    /// The bare relay.
    Floor { target: Target },
}

impl House {
    pub(crate) const fn target(&self) -> Target {
        match self {
            Self::Desk { target, .. } | Self::Floor { target } => *target,
        }
    }

    pub(crate) const fn agents_at(&self) -> Target {
        match self {
            Self::Desk { agents_at: target, .. } | Self::Floor { target } => *target,
        }
    }

    /// Tokens of `count` agents with `capacity` seats each.
    pub(crate) async fn agents(&self, count: u64, capacity: u32) -> Result<Vec<String>, NotSeated> {
        let Self::Desk { target, agents_at, admin } = self else {
            return Ok((0..count).map(|number| format!("agent {number}")).collect());
        };
        let mut administrator = Administrator::sign_in(*target, &admin.login, &admin.password).await?;
        let name = format!("load{capacity}-");
        let staff = Staff { count, name: &name, groups: &["general"], capacity };
        let mut tokens = Vec::new();
        for sign_in in administrator.hire(&staff, &Record::not_kept()).await? {
            let body = json!({"login": sign_in.login, "password": sign_in.password});
            let made = administrator.http().post("/api/v1/auth/login", None, body).await?;
            tokens.push(text_at(&made, "/token").ok_or(HttpError::Malformed("a log-in without a token"))?);
        }
        if agents_at != target {
            tokio::time::sleep(KNOWN_EVERYWHERE_AFTER).await;
        }
        Ok(tokens)
    }

    /// Tokens of `count` new visitors.
    pub(crate) async fn visitors(&self, count: u64) -> Result<Vec<String>, NotSeated> {
        let Self::Desk { target, .. } = self else {
            return Ok((0..count).map(|number| format!("visitor {number}")).collect());
        };
        let mut http = Http::new(*target);
        let mut tokens = Vec::new();
        for _ in 0..count {
            tokens.push(sign_up(&mut http).await?);
        }
        Ok(tokens)
    }
}

/// Waits where the desk says that sign-ups come too fast.
async fn sign_up(http: &mut Http) -> Result<String, NotSeated> {
    loop {
        let body = Some(json!({"channel": "web"}));
        let path = "/api/v1/visitors";
        let answer = http.ask(&Ask { method: "POST", path, token: None, headers: &[], body }).await?;
        match answer.status {
            200..300 => {
                let token = text_at(&answer.json(), "/token");
                return token.ok_or(NotSeated::Http(HttpError::Malformed("a visitor without a token")));
            }
            429 => tokio::time::sleep(Duration::from_millis(50)).await,
            status => return Err(NotSeated::Refused(format!("{status}: {}", answer.text()))),
        }
    }
}

/// A signed-in agent with the presence that `status` names.
pub(crate) async fn seat_agent(target: Target, token: &str, status: &str) -> Result<Line, NotSeated> {
    let mut line = greet(target, Door::Agent, token).await?;
    line.say(format!(r#"{{"type":"presence","id":"seated","status":"{status}"}}"#)).await?;
    await_kind(&mut line, "ack").await?;
    Ok(line)
}

/// A signed-in visitor.
pub(crate) async fn seat_visitor(target: Target, token: &str) -> Result<Line, NotSeated> {
    greet(target, Door::Visitor, token).await
}

/// Opens a conversation; its id.
pub(crate) async fn open(line: &mut Line) -> Result<String, NotSeated> {
    line.say(r#"{"type":"open","id":"open"}"#.to_owned()).await?;
    let opened = await_kind(line, "opened").await?;
    text_of(&opened, r#""conversation":""#)
        .map(str::to_owned)
        .ok_or_else(|| NotSeated::Refused(format!("no conversation in {opened}")))
}

async fn greet(target: Target, door: Door, token: &str) -> Result<Line, NotSeated> {
    let mut line = Line::connect(target, door).await?;
    // Tokens are base64url or, at the bare relay, plain words: nothing to escape.
    line.say(format!(r#"{{"type":"hello","id":"hello","token":"{token}"}}"#)).await?;
    await_kind(&mut line, "welcome").await?;
    Ok(line)
}

/// The next frame of `wanted`; others are passed over, an error ends it.
pub(crate) async fn await_kind(line: &mut Line, wanted: &'static str) -> Result<String, NotSeated> {
    let mut last = String::new();
    let wait = async {
        loop {
            let frame = line.hear().await?;
            match kind(&frame) {
                found if found == wanted => return Ok(frame.to_string()),
                "error" => return Err(NotSeated::Refused(frame.to_string())),
                _ => last = frame.to_string(),
            }
        }
    };
    match timeout(ANSWER_WITHIN, wait).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(NotSeated::NoAnswer { wanted, last }),
    }
}
