//! Two tenants behind one gateway are as far apart as two gateways.
//!
//! | module | what it shows |
//! |---|---|
//! | `differential` | one tenant's random traffic has the same answers and records, whoever is beside it |

mod differential;
mod house;
mod mask;
mod traffic;
