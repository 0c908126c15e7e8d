-- Rows of a signature lie in the order of time, in tables and in nearly all indexes: those of one
-- transaction share their pages. Only intents and requests with an Idempotency-Key are still found
-- by a random name.

-- Sessions point at their intent by this number.
CREATE TABLE intent_rows (
    number         INTEGER NOT NULL PRIMARY KEY,
    intent_digest  BLOB    NOT NULL UNIQUE,
    kind           TEXT    NOT NULL,
    key_id         TEXT    NOT NULL,
    signed_intent  BLOB    NOT NULL,
    state          TEXT    NOT NULL,
    result         TEXT,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL
) STRICT;
INSERT INTO intent_rows (intent_digest, kind, key_id, signed_intent, state, result, created_at,
    updated_at, expires_at)
    SELECT intent_digest, kind, key_id, signed_intent, state, result, created_at, updated_at,
    expires_at FROM intents ORDER BY rowid;

CREATE TABLE session_rows (
    session_id           TEXT    NOT NULL PRIMARY KEY,
    tenant               TEXT    NOT NULL,
    key_id               TEXT    NOT NULL REFERENCES keys (key_id),
    kind                 TEXT    NOT NULL,
    protocol             TEXT    NOT NULL,
    status               TEXT    NOT NULL,
    threshold            INTEGER NOT NULL,
    total_nodes          INTEGER NOT NULL,
    participating_nodes  TEXT    NOT NULL,
    current_round        INTEGER NOT NULL,
    total_rounds         INTEGER NOT NULL,
    attempt              INTEGER NOT NULL,
    intent               INTEGER NOT NULL REFERENCES intent_rows (number),
    intent_digest        BLOB    NOT NULL,
    request_id           TEXT,
    message_hash         BLOB,
    signature            BLOB,
    progress             TEXT,
    result               TEXT,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    completed_at         INTEGER,
    duration_ms          INTEGER,
    error_message        TEXT
) STRICT;
INSERT INTO session_rows SELECT session_id, tenant, signing_sessions.key_id, signing_sessions.kind,
    protocol, status, threshold, total_nodes, participating_nodes, current_round, total_rounds,
    attempt, number, signing_sessions.intent_digest, request_id, message_hash, signature, progress,
    signing_sessions.result, signing_sessions.created_at, signing_sessions.updated_at, completed_at,
    duration_ms, error_message
    FROM signing_sessions LEFT JOIN intent_rows USING (intent_digest)
    ORDER BY signing_sessions.rowid;
DROP TABLE signing_sessions;
DROP TABLE intents;
ALTER TABLE intent_rows RENAME TO intents;
ALTER TABLE session_rows RENAME TO signing_sessions;
CREATE INDEX intents_open ON intents (created_at, intent_digest) WHERE state = 'open';
CREATE UNIQUE INDEX signing_sessions_attempt ON signing_sessions (intent, attempt);
CREATE INDEX signing_sessions_key_created ON signing_sessions (key_id, created_at, session_id);
CREATE INDEX signing_sessions_tenant_created ON signing_sessions (tenant, created_at, session_id);
CREATE INDEX signing_sessions_open ON signing_sessions (created_at, session_id)
    WHERE completed_at IS NULL;

-- Answers expire in the order in which they came, but for a few: no index has to find them.
CREATE TABLE idempotency_rows (
    number           INTEGER NOT NULL PRIMARY KEY,
    credential       TEXT    NOT NULL,
    idempotency_key  TEXT    NOT NULL,
    body_hash        BLOB    NOT NULL,
    state            TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    status_code      INTEGER,
    response         BLOB,
    UNIQUE (credential, idempotency_key)
) STRICT;
INSERT INTO idempotency_rows (credential, idempotency_key, body_hash, state, created_at, expires_at,
    status_code, response)
    SELECT credential, idempotency_key, body_hash, state, created_at, expires_at, status_code,
    response FROM idempotency ORDER BY expires_at;
DROP TABLE idempotency;
ALTER TABLE idempotency_rows RENAME TO idempotency;
CREATE INDEX idempotency_in_progress ON idempotency (state) WHERE state = 'in_progress';

-- The writer has all nonces in memory, and refuses a replay by them. These rows are what it reads
-- at the next start.
CREATE TABLE nonce_rows (
    number      INTEGER NOT NULL PRIMARY KEY,
    credential  TEXT    NOT NULL,
    nonce       TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;
INSERT INTO nonce_rows (credential, nonce, expires_at)
    SELECT credential, nonce, expires_at FROM request_nonces ORDER BY expires_at;
DROP TABLE request_nonces;
ALTER TABLE nonce_rows RENAME TO request_nonces;

-- Indexes by time ascend, and lists read them backwards. SQLite packs pages from the left: where new
-- rows come first they find full pages, and more of them are split.
DROP INDEX audit_logs_time;
DROP INDEX audit_logs_key;
DROP INDEX audit_logs_session;
CREATE INDEX audit_logs_time ON audit_logs (timestamp, sequence);
CREATE INDEX audit_logs_key ON audit_logs (key_id, timestamp, sequence) WHERE key_id IS NOT NULL;
CREATE INDEX audit_logs_session ON audit_logs (session_id, timestamp, sequence) WHERE session_id IS NOT NULL;
DROP INDEX keys_chain_status_created;
DROP INDEX keys_tenant_created;
DROP INDEX keys_status_created;
DROP INDEX keys_algorithm_created;
DROP INDEX keys_created;
CREATE INDEX keys_chain_status_created ON keys (chain_type, status, created_at, key_id);
CREATE INDEX keys_tenant_created ON keys (tenant, created_at, key_id);
CREATE INDEX keys_status_created ON keys (status, created_at, key_id);
CREATE INDEX keys_algorithm_created ON keys (algorithm, created_at, key_id);
CREATE INDEX keys_created ON keys (created_at, key_id);
