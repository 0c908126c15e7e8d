-- Times are INTEGER Unix milliseconds, JSON is TEXT, bytes are BLOB. See docs/data-model.md.

CREATE TABLE keys (
    key_id         TEXT    NOT NULL PRIMARY KEY,
    tenant         TEXT    NOT NULL,
    public_key     BLOB,
    algorithm      TEXT    NOT NULL,
    curve          TEXT    NOT NULL,
    threshold      INTEGER NOT NULL,
    total_nodes    INTEGER NOT NULL,
    committee      TEXT    NOT NULL,
    chain_type     TEXT    NOT NULL,
    protocol       TEXT    NOT NULL,
    address_kind   TEXT,
    rights         TEXT    NOT NULL,
    address        TEXT,
    chain_code     BLOB,
    epoch          INTEGER,
    certificate    BLOB,
    status         TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    tags           TEXT    NOT NULL,
    metadata       TEXT    NOT NULL,
    intent         BLOB    NOT NULL,
    intent_digest  BLOB    NOT NULL,
    error_message  TEXT,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    deletion_date  INTEGER
) STRICT;
CREATE UNIQUE INDEX keys_public_key ON keys (public_key) WHERE public_key IS NOT NULL;
CREATE UNIQUE INDEX keys_intent_digest ON keys (intent_digest);
CREATE INDEX keys_chain_status_created ON keys (chain_type, status, created_at DESC, key_id DESC);
CREATE INDEX keys_tenant_created ON keys (tenant, created_at DESC, key_id DESC);
CREATE INDEX keys_status_created ON keys (status, created_at DESC, key_id DESC);
CREATE INDEX keys_algorithm_created ON keys (algorithm, created_at DESC, key_id DESC);
CREATE INDEX keys_created ON keys (created_at DESC, key_id DESC);
CREATE INDEX keys_address ON keys (address) WHERE address IS NOT NULL;

-- What keys.tags says, in a form that an index can answer. Written with it, read only to filter.
CREATE TABLE key_tags (
    tag     TEXT NOT NULL,
    key_id  TEXT NOT NULL REFERENCES keys (key_id),
    PRIMARY KEY (tag, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_tags_key ON key_tags (key_id);

CREATE TABLE nodes (
    node_id         TEXT    NOT NULL PRIMARY KEY,
    node_type       TEXT    NOT NULL,
    endpoint        TEXT    NOT NULL,
    public_key      BLOB    NOT NULL,
    status          TEXT    NOT NULL,
    capabilities    TEXT    NOT NULL,
    metadata        TEXT    NOT NULL,
    registered_at   INTEGER NOT NULL,
    last_heartbeat  INTEGER,
    load_factor     INTEGER NOT NULL CHECK (load_factor BETWEEN 0 AND 100)
) STRICT;

CREATE TABLE intents (
    intent_digest  BLOB    NOT NULL PRIMARY KEY,
    kind           TEXT    NOT NULL,
    key_id         TEXT    NOT NULL,
    signed_intent  BLOB    NOT NULL,
    state          TEXT    NOT NULL,
    result         TEXT,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX intents_open ON intents (created_at, intent_digest) WHERE state = 'open';
CREATE INDEX intents_key ON intents (key_id, created_at);

-- No foreign key deletes anything: sessions and audit records outlive what they speak of.
CREATE TABLE signing_sessions (
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
    intent_digest        BLOB    NOT NULL REFERENCES intents (intent_digest),
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
CREATE UNIQUE INDEX signing_sessions_attempt ON signing_sessions (intent_digest, attempt);
CREATE INDEX signing_sessions_key_created ON signing_sessions (key_id, created_at DESC, session_id DESC);
CREATE INDEX signing_sessions_status_created ON signing_sessions (status, created_at DESC, session_id DESC);
CREATE INDEX signing_sessions_tenant_created ON signing_sessions (tenant, created_at DESC, session_id DESC);
CREATE INDEX signing_sessions_created ON signing_sessions (created_at DESC, session_id DESC);
CREATE INDEX signing_sessions_open ON signing_sessions (created_at, session_id)
    WHERE completed_at IS NULL;

-- For the policy issue; nothing reads or writes it yet.
CREATE TABLE policies (
    policy_id   TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    tenant      TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    document    TEXT    NOT NULL,
    signatures  BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (policy_id, version)
) STRICT;
CREATE INDEX policies_tenant_status ON policies (tenant, status);

CREATE TABLE audit_logs (
    sequence       INTEGER NOT NULL PRIMARY KEY,
    id             TEXT    NOT NULL UNIQUE,
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
CREATE INDEX audit_logs_time ON audit_logs (timestamp DESC, sequence DESC);
CREATE INDEX audit_logs_key ON audit_logs (key_id, timestamp DESC, sequence DESC) WHERE key_id IS NOT NULL;
CREATE INDEX audit_logs_session ON audit_logs (session_id, timestamp DESC, sequence DESC) WHERE session_id IS NOT NULL;
CREATE INDEX audit_logs_event ON audit_logs (event_type, timestamp DESC, sequence DESC);
CREATE INDEX audit_logs_user ON audit_logs (user_id, timestamp DESC, sequence DESC) WHERE user_id IS NOT NULL;

CREATE TABLE idempotency (
    credential       TEXT    NOT NULL,
    idempotency_key  TEXT    NOT NULL,
    body_hash        BLOB    NOT NULL,
    state            TEXT    NOT NULL,
    status_code      INTEGER,
    response         BLOB,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    PRIMARY KEY (credential, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires_at);
CREATE INDEX idempotency_in_progress ON idempotency (state) WHERE state = 'in_progress';

CREATE TABLE request_nonces (
    credential  TEXT    NOT NULL,
    nonce       TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (credential, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_nonces_expires ON request_nonces (expires_at);
