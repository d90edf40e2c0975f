-- Servers that were added at a terminal, beside those of the configuration.
CREATE TABLE registry_server (
    tenant      TEXT   NOT NULL,
    upstream    TEXT   NOT NULL,
    record      TEXT   NOT NULL,              -- what it is, as JSON; no secrets
    added_by    TEXT   NOT NULL,
    added_ms    BIGINT NOT NULL,
    approved_by TEXT,                         -- absent: nobody has, and it is neither started nor called
    reason      TEXT,
    PRIMARY KEY (tenant, upstream)
);
