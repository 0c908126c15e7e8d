//! Named limits of what the store accepts and of what it believes when it reads.

/// Most rows of one page.
pub const MAX_PAGE_ROWS: u16 = 200;
/// Rows of a page when the caller does not say.
pub const DEFAULT_PAGE_ROWS: u16 = 50;
/// Longest cursor, in characters.
pub const MAX_CURSOR_CHARS: usize = 256;
/// Most writes of one [`crate::Store::apply`].
pub const MAX_WRITES_PER_APPLY: usize = 64;
/// Most nodes that can be registered.
pub const MAX_NODES: usize = 1_000;
/// Longest name, id or other short text, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest description, address or error message, in bytes.
pub const MAX_TEXT_BYTES: usize = 4_096;
/// Most tags of one key.
pub const MAX_TAGS: usize = 32;
/// Longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 64;
/// Longest free-form JSON (metadata, details, capabilities, progress), in bytes.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// Longest result JSON of a session or an intent, in bytes.
pub const MAX_RESULT_BYTES: usize = 4 * 1024 * 1024;
/// Longest epoch certificate, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 256 * 1024;
/// Longest signed intent, in bytes: the largest message of the API.
pub const MAX_INTENT_BYTES: usize = 4 * 1024 * 1024;
/// Longest stored response, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// Longest signature, in bytes (DER included).
pub const MAX_SIGNATURE_BYTES: usize = 128;
/// Latest time that is believed: the end of the year 9999, in Unix milliseconds.
pub const MAX_TIME_MILLIS: u64 = 253_402_300_799_999;
/// Most expired rows that one [`crate::Store::prune`] deletes from each table.
pub const MAX_PRUNED_ROWS: usize = 10_000;
/// Most open intents or open sessions that one page returns after a restart.
pub const MAX_OPEN_ROWS: u16 = 200;
