-- Signed registries: which was taken last of each key, and how many were made here.
CREATE TABLE registry_manifest (
    tenant   TEXT   NOT NULL,
    key_id   TEXT   NOT NULL,                 -- the public key; empty for those that were made here
    serial   BIGINT NOT NULL,
    taken_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, key_id)
);
