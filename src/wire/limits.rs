//! How large a frame and its parts may be. Some sizes are settings; the others belong to the contract.

/// Sizes that a desk may set for itself; the first two are told to each client in `welcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest text frame.
    pub frame_bytes: usize,
    /// Longest text of one message, preview or note, in UTF-8.
    pub text_bytes: usize,
    /// Entries that a `fetch` brings where it names no limit.
    pub fetch_default: u32,
    /// Entries that a `fetch` brings at most; a larger wish is clamped.
    pub fetch_most: u32,
}

impl Limits {
    /// What `docs/PROTOCOL.md` promises where nothing else is set; clients and tests speak under these.
    pub const CONTRACT: Self = Self {
        frame_bytes: 64 * 1024,
        text_bytes: 8 * 1024,
        fetch_default: FETCH_DEFAULT,
        fetch_most: FETCH_MOST,
    };
}

/// Characters of a request's `id`.
pub const ID_CHARS: usize = 64;
/// An `id` beyond [`ID_CHARS`] is refused, and still answered under its own name up to this length.
pub const ECHOED_ID_CHARS: usize = 256;
/// Fields at the top of one frame or content, known or not: bounds the search for doubled names.
pub const FIELDS: usize = 64;
/// A token; large enough for signed attributes.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// One-line texts: reasons, subjects, contacts, dispositions, a file's name.
pub const LINE_BYTES: usize = 500;
/// Words that are matched, not read: intents, devices, locales, tags, attribute names.
pub const WORD_BYTES: usize = 128;
/// An attachment's URL.
pub const URL_BYTES: usize = 2048;
/// Positions in one `hello`.
pub const RESUME_POSITIONS: usize = 500;
/// Attributes of one conversation or visitor.
pub const ATTRIBUTES: usize = 32;
/// One attribute's value.
pub const ATTRIBUTE_VALUE_BYTES: usize = 512;
/// Tags given at one close.
pub const TAGS: usize = 20;
/// A card's `data` as JSON text.
pub const CARD_BYTES: usize = 16 * 1024;
/// Objects and arrays inside one another in a card's `data`.
pub const CARD_DEPTH: usize = 16;
/// Entries that a `fetch` brings where it names no limit, as `docs/PROTOCOL.md` promises.
pub const FETCH_DEFAULT: u32 = 200;
/// Entries that a `fetch` brings at most, as `docs/PROTOCOL.md` promises.
pub const FETCH_MOST: u32 = 500;
