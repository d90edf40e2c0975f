-- Which requests a receiver was told of: what is not here is told again after a restart.
CREATE TABLE access_notice (
    tenant   TEXT   NOT NULL,
    receiver TEXT   NOT NULL,
    notice   TEXT   NOT NULL,
    told_ms  BIGINT NOT NULL,
    PRIMARY KEY (tenant, receiver, notice)
);
