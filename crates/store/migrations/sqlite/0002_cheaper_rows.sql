-- Fewer pages change with every signature; nothing is stored differently for the program.

-- Responses lie in the order in which they came. In a table without row numbers they lay in the
-- order of random keys, so that every answer rewrote and split a page of old ones.
CREATE TABLE idempotency_rows (
    credential       TEXT    NOT NULL,
    idempotency_key  TEXT    NOT NULL,
    body_hash        BLOB    NOT NULL,
    state            TEXT    NOT NULL,
    status_code      INTEGER,
    response         BLOB,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    PRIMARY KEY (credential, idempotency_key)
) STRICT;
INSERT INTO idempotency_rows SELECT credential, idempotency_key, body_hash, state, status_code,
    response, created_at, expires_at FROM idempotency;
DROP TABLE idempotency;
ALTER TABLE idempotency_rows RENAME TO idempotency;
CREATE INDEX idempotency_expires ON idempotency (expires_at);
CREATE INDEX idempotency_in_progress ON idempotency (state) WHERE state = 'in_progress';

-- An id is part of the record's hash, which the chain check recomputes: an index that enforces
-- that ids differ protects nothing, and nobody looks a record up by it.
CREATE TABLE audit_rows (
    sequence       INTEGER NOT NULL PRIMARY KEY,
    id             TEXT    NOT NULL,
    timestamp      INTEGER NOT NULL,
    event_type     TEXT    NOT NULL,
    user_id        TEXT,
    key_id         TEXT,
    node_id        TEXT,
    session_id     TEXT,
    operation      TEXT    NOT NULL,
    result         TEXT    NOT NULL,
    details        TEXT    NOT NULL,
    ip_address     TEXT,
    user_agent     TEXT,
    request_id     TEXT,
    previous_hash  BLOB    NOT NULL,
    hash           BLOB    NOT NULL
) STRICT;
INSERT INTO audit_rows SELECT sequence, id, timestamp, event_type, user_id, key_id, node_id,
    session_id, operation, result, details, ip_address, user_agent, request_id, previous_hash, hash
    FROM audit_logs ORDER BY sequence;
DROP TABLE audit_logs;
ALTER TABLE audit_rows RENAME TO audit_logs;
CREATE INDEX audit_logs_time ON audit_logs (timestamp DESC, sequence DESC);
CREATE INDEX audit_logs_key ON audit_logs (key_id, timestamp DESC, sequence DESC) WHERE key_id IS NOT NULL;
CREATE INDEX audit_logs_session ON audit_logs (session_id, timestamp DESC, sequence DESC) WHERE session_id IS NOT NULL;
CREATE INDEX audit_logs_event ON audit_logs (event_type, timestamp DESC, sequence DESC);
CREATE INDEX audit_logs_user ON audit_logs (user_id, timestamp DESC, sequence DESC) WHERE user_id IS NOT NULL;

-- Every list is one tenant's.
DROP INDEX signing_sessions_created;
