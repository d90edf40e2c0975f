//! The server as browsers, clients and attackers see it: whole requests, a real store, a clock that
//! the test turns.

mod browsers;
mod clients;
mod grants;
mod house;
mod odd;
mod proofs;
mod refresh;
mod table;

use house::{House, Jar};
