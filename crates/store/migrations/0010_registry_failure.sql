-- Why the gateway could not look at a server, the last time that it tried since it last could.
CREATE TABLE registry_failure (
    tenant    TEXT   NOT NULL,
    upstream  TEXT   NOT NULL,
    detail    TEXT   NOT NULL,
    failed_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, upstream)
);
