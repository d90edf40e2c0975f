//! How much work a check may still be.

use super::STEPS_MAX;

/// Counts down; what is spent does not come back, whatever becomes of the branch it was spent on.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
}

/// Nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Default for Budget {
    fn default() -> Self {
        Self { left: STEPS_MAX }
    }
}

impl Budget {
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }
}
