//! What must hold for every input, as one plain function per fuzz target; it panics where a rule
//! is broken.
//!
//! The same functions run in libFuzzer (`make fuzz`) and in `crates/mcp/tests/corpus.rs`, which
//! takes this file in by its path and replays the corpus: so whatever was found once is a test.

mod dice;
mod envelope;
mod header;
mod list;
mod naive;
mod param_header;
mod sse;

pub use dice::Dice;
pub use envelope::envelope;
pub use header::header;
pub use list::list;
pub use param_header::param_header;
pub use sse::sse;
