//! Hostile and good servers, identity provider and harness; for tests only
