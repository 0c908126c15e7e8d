//! Metadata, sessions, idempotency and audit index: the only SQL.
