//! The console with the real rooms behind it: real logins, a real store, a clock in the hand.

mod answers;
mod deciding;
mod explaining;
mod furniture;
mod house;
mod listing;
mod programs;
mod servers;
mod table;
mod watching;
