-- Just-in-time access. Times are milliseconds since the Unix epoch; the tenant comes first in every key.
-- `target` is a kind and a name: `Tool read_file`. A `record` is what the access room wrote, as JSON.

CREATE TABLE access_request (
    tenant     TEXT   NOT NULL,
    request    TEXT   NOT NULL,               -- sorts by time
    state      TEXT   NOT NULL,               -- pending, approved, refused, expired, cancelled, void
    subject    TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    upstream   TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    record     TEXT   NOT NULL,
    grant_id   TEXT,                          -- what came of it
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    ended_ms   BIGINT,
    PRIMARY KEY (tenant, request)
);
CREATE INDEX access_request_by_state ON access_request (tenant, state, request);

-- One approver counts once for a request.
CREATE TABLE access_approval (
    tenant     TEXT   NOT NULL,
    request    TEXT   NOT NULL,
    approver   TEXT   NOT NULL,
    position   BIGINT NOT NULL,               -- the first is 0
    record     TEXT   NOT NULL,
    decided_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, request, approver)
);

CREATE TABLE access_grant (
    tenant     TEXT   NOT NULL,
    grant_id   TEXT   NOT NULL,               -- sorts by time
    request    TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    run        TEXT,                          -- absent: every run of the agent
    upstream   TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    record     TEXT   NOT NULL,
    calls_max  BIGINT,
    calls_used BIGINT NOT NULL,
    bytes_max  BIGINT,
    bytes_used BIGINT NOT NULL,
    open_calls BIGINT NOT NULL,               -- begun and not settled; after a crash, what is not known
    starts_ms  BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    ended_ms   BIGINT,
    end_reason TEXT,
    PRIMARY KEY (tenant, grant_id)
);
CREATE INDEX access_grant_active ON access_grant (tenant, ended_ms, grant_id);

CREATE TABLE access_lock (
    tenant     TEXT   NOT NULL,
    lock_id    TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    set_by     TEXT   NOT NULL,
    set_ms     BIGINT NOT NULL,
    expires_ms BIGINT,                        -- absent: until it is lifted
    PRIMARY KEY (tenant, lock_id)
);
