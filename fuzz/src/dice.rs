//! Choices that are the same each time: SplitMix64.

use std::ops::Range;

/// A deterministic source of choices.
pub struct Dice(u64);

impl Dice {
    /// Choices that depend on `data` alone.
    pub fn of(data: &[u8]) -> Self {
        // FNV-1a.
        Self(data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// The next number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        usize::try_from(z % (bound.max(1) as u64)).unwrap_or(0)
    }

    /// Whether a coin shows heads.
    pub fn heads(&mut self) -> bool {
        self.below(2) == 1
    }

    /// A range within `0..len`, seldom a long one.
    pub fn range(&mut self, len: usize) -> Range<usize> {
        let start = self.below(len + 1);
        let longest = if self.below(8) == 0 { len } else { 16 };
        start..len.min(start + self.below(longest + 1))
    }
}
