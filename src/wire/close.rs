//! WebSocket close codes: why a connection ends, and what the client shall do (protocol 9).

/// The desk's own close codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    BadProtocol = 4400,
    NotSignedIn = 4401,
    NotAllowed = 4403,
    NoHello = 4408,
    Replaced = 4409,
    FrameTooLarge = 4413,
    SlowReader = 4420,
    TooFast = 4429,
    Draining = 4503,
}

impl CloseCode {
    pub const ALL: [Self; 9] = [
        Self::BadProtocol,
        Self::NotSignedIn,
        Self::NotAllowed,
        Self::NoHello,
        Self::Replaced,
        Self::FrameTooLarge,
        Self::SlowReader,
        Self::TooFast,
        Self::Draining,
    ];

    pub const fn number(self) -> u16 {
        self as u16
    }

    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The short text that goes with the code; a close frame's reason holds at most 123 bytes.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadProtocol => "bad protocol: text frames with one JSON object each, hello first",
            Self::NotSignedIn => "not signed in: the token is missing, expired or forged",
            Self::NotAllowed => "not allowed here",
            Self::NoHello => "no hello in time",
            Self::Replaced => "replaced by a newer connection of the same device",
            Self::FrameTooLarge => "frame too large",
            Self::SlowReader => "slow reader: reconnect and resume by position",
            Self::TooFast => "too fast",
            Self::Draining => "this node is going away: reconnect now and resume",
        }
    }

    /// What the client shall do, in one sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::BadProtocol => "Do not reconnect before the client is mended.",
            Self::NotSignedIn => "Get a fresh token, then reconnect.",
            Self::NotAllowed => "Do not reconnect with this token or to this endpoint.",
            Self::NoHello => "Reconnect with a growing delay and send hello at once.",
            Self::Replaced => "Do not reconnect: another connection of this device has taken over.",
            Self::FrameTooLarge => "Reconnect, resume, and keep frames below limits.frame_bytes.",
            Self::SlowReader => "Reconnect and resume by position; nothing acknowledged is lost.",
            Self::TooFast => "Reconnect after a delay of some seconds and keep below limits.frames_per_s.",
            Self::Draining => "Reconnect at once, to any node, and resume by position.",
        }
    }

    /// Whether the same client may come back with the same token.
    pub const fn may_reconnect(self) -> bool {
        !matches!(self, Self::BadProtocol | Self::NotSignedIn | Self::NotAllowed | Self::Replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_number_and_their_reasons_fit_a_close_frame() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_number(code.number()), Some(code));
            assert!(code.reason().len() <= 123, "{code:?}");
        }
        assert_eq!(CloseCode::from_number(1000), None);
    }
}
