//! Two tenants behind one gateway are as far apart as two gateways.
//!
//! | module | what it shows |
//! |---|---|
//! | `differential` | one tenant's random traffic has the same answers and records, whoever is beside it |
//! | `own` | upstreams, issuers and policies of a tenant's own |
//! | `ids` | a server that knows its clients by their request ids alone |
//! | `limits` | one tenant at its limits costs the others nothing |
//! | `audit` | a log for each tenant, and metrics |
//! | `reload` | a tenant that comes, changes and goes is nothing to another |

mod audit;
mod differential;
mod house;
mod ids;
mod limits;
mod mask;
mod own;
mod reload;
mod traffic;
