-- What the authorization server has to remember. Times are seconds since the Unix epoch; secrets are
-- here as SHA-256 hashes alone, passwords as argon2id. The tenant comes first in every key of a thing
-- that belongs to one.

CREATE TABLE account (
    tenant        TEXT   NOT NULL,
    subject       TEXT   NOT NULL,
    groups        TEXT   NOT NULL,            -- a JSON array of texts
    password_hash TEXT,                       -- PHC string; absent until the link was used
    created_s     BIGINT NOT NULL,
    PRIMARY KEY (tenant, subject)
);

-- One-time links by which a person sets a password.
CREATE TABLE setup_link (
    link_hash BLOB   NOT NULL PRIMARY KEY,
    tenant    TEXT   NOT NULL,
    subject   TEXT,                           -- absent: the tenant's first account names itself
    expires_s BIGINT NOT NULL
);

CREATE TABLE login_session (
    session_hash BLOB   NOT NULL PRIMARY KEY,
    tenant       TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    login        TEXT   NOT NULL,             -- how it came to be, as JSON
    expires_s    BIGINT NOT NULL
);
CREATE INDEX login_session_of ON login_session (tenant, subject);

CREATE TABLE consent (
    tenant       TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    client       TEXT   NOT NULL,
    redirect_uri TEXT   NOT NULL,
    resource     TEXT   NOT NULL,
    scope        TEXT   NOT NULL,
    granted_s    BIGINT NOT NULL,
    PRIMARY KEY (tenant, subject, client, redirect_uri, resource, scope)
);

-- Authorization codes. A used one stays until its tokens have ended: its second use ends them.
CREATE TABLE code (
    code_hash    BLOB   NOT NULL PRIMARY KEY,
    tenant       TEXT   NOT NULL,
    approval     TEXT   NOT NULL,             -- what was approved, as JSON
    family       TEXT   NOT NULL,
    good_until_s BIGINT NOT NULL,
    used_s       BIGINT,
    expires_s    BIGINT NOT NULL
);

-- A family is everything that came of one authorization.
CREATE TABLE family (
    tenant    TEXT   NOT NULL,
    family    TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    client    TEXT   NOT NULL,
    approval  TEXT   NOT NULL,
    run       TEXT   NOT NULL,
    active_s  BIGINT NOT NULL,
    revoked_s BIGINT,
    expires_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, family)
);
CREATE INDEX family_of ON family (tenant, subject);

CREATE TABLE refresh_token (
    token_hash BLOB   NOT NULL PRIMARY KEY,
    tenant     TEXT   NOT NULL,
    family     TEXT   NOT NULL,
    used_s     BIGINT,
    expires_s  BIGINT NOT NULL
);

-- Access tokens that have not ended, so that a family can take back its own.
CREATE TABLE access_token (
    tenant    TEXT   NOT NULL,
    family    TEXT   NOT NULL,
    token_id  TEXT   NOT NULL,
    revoked_s BIGINT,
    expires_s BIGINT NOT NULL,
    PRIMARY KEY (tenant, family, token_id)
);

CREATE TABLE device (
    device_hash BLOB   NOT NULL PRIMARY KEY,
    user_hash   BLOB   NOT NULL UNIQUE,
    client      TEXT   NOT NULL,
    request     TEXT   NOT NULL,              -- what the device asked for, as JSON
    approval    TEXT,                         -- what was approved, as JSON
    state       TEXT   NOT NULL,              -- pending, approved, denied
    polled_s    BIGINT NOT NULL,
    interval_s  BIGINT NOT NULL,
    expires_s   BIGINT NOT NULL
);

CREATE TABLE registration (
    client    TEXT   NOT NULL PRIMARY KEY,
    metadata  TEXT   NOT NULL,
    created_s BIGINT NOT NULL,
    expires_s BIGINT NOT NULL
);

-- Things that may happen once: the ids of client assertions, transactions, proofs.
CREATE TABLE once (
    kind      TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    expires_s BIGINT NOT NULL,
    PRIMARY KEY (kind, value)
);

-- What another process did, for the one that writes the log.
CREATE TABLE note (
    note    TEXT NOT NULL PRIMARY KEY,        -- sorts by time
    tenant  TEXT NOT NULL,
    subject TEXT NOT NULL,
    what    TEXT NOT NULL
);
