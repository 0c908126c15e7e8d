-- Every signature paid for these, and no query needs them.

-- No query asks for the intents of a key.
DROP INDEX intents_key;

-- Lists of sessions are one tenant's: they follow signing_sessions_tenant_created or, for one key,
-- signing_sessions_key_created, and pass over rows of another status.
DROP INDEX signing_sessions_status_created;

-- Nearly all records are of few kinds and few users. A filter by them follows audit_logs_time and
-- passes over the rest.
DROP INDEX audit_logs_event;
DROP INDEX audit_logs_user;
