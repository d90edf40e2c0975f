//! The testkit's own tests: a test that relies on a fixture needs to know that the fixture is right.

mod shim;
mod upstream;
