-- What people approved of the definitions of servers, and what waits for that. Times are milliseconds since the Unix
-- epoch; the tenant comes first in every key. `kind` is tool, prompt, template or instructions; `digest` the SHA-256
-- of the definition's canonical form (RFC 8785).

CREATE TABLE registry_pin (
    tenant      TEXT   NOT NULL,
    upstream    TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    digest      BLOB   NOT NULL,
    definition  TEXT   NOT NULL,              -- as the server spelt it
    approved_by TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    approved_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, upstream, kind, name)
);

-- The latest unapproved definition under each name.
CREATE TABLE registry_quarantine (
    tenant     TEXT   NOT NULL,
    upstream   TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    digest     BLOB,                          -- absent: there is no canonical form, so nobody can approve it
    definition TEXT   NOT NULL,
    state      TEXT   NOT NULL,               -- waiting, rejected
    decided_by TEXT,
    reason     TEXT,
    seen_ms    BIGINT NOT NULL,
    PRIMARY KEY (tenant, upstream, kind, name)
);

-- Which servers the gateway has looked at as a whole.
CREATE TABLE registry_survey (
    tenant      TEXT   NOT NULL,
    upstream    TEXT   NOT NULL,
    surveyed_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, upstream)
);

-- What was decided, for the process that writes the log and decides about calls.
CREATE TABLE registry_note (
    note     TEXT NOT NULL PRIMARY KEY,       -- sorts by time
    tenant   TEXT NOT NULL,
    upstream TEXT NOT NULL,
    event    TEXT NOT NULL,
    detail   TEXT NOT NULL
);
