//! Choices from a seed.

use levqor_model::{Random, SeededRandom};

/// A repeatable sequence of choices.
#[derive(Debug)]
pub struct Dice(SeededRandom);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    /// From 0 to `bound - 1`.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.u64() % bound.max(1)
    }

    /// From `least` to `most`, both included.
    pub fn within(&self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    pub fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        items.get(usize::try_from(self.below(items.len() as u64)).unwrap_or(0))
    }

    pub fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }
}

/// A number that depends on these parts and nothing else.
pub fn hash(seed: u64, parts: &[&str]) -> u64 {
    // FNV-1a over the parts with a mark between them, mixed by one step of the generator.
    let mut hash = 0xCBF2_9CE4_8422_2325_u64 ^ seed;
    for part in parts {
        for byte in part.bytes().chain([0xFF]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    SeededRandom::new(hash).u64()
}
