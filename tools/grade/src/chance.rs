//! Which values does a check use? Other ones each time: an answer cannot be learned by heart.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;

/// Draws values; from the same seed come the same ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// Draws other values each time.
    pub(crate) fn new() -> Chance {
        // The standard library seeds its hash maps with what the kernel gives it at random. Six
        // digits are enough to tell two checks apart, and can be typed again.
        let drawn = RandomState::new().build_hasher().finish();
        Chance::from_seed(drawn % 1_000_000)
    }

    /// Draws the values that another check with this seed drew.
    pub(crate) fn from_seed(seed: u64) -> Chance {
        Chance { seed, state: seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number of SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `range`.
    pub(crate) fn number(&mut self, range: RangeInclusive<u32>) -> u32 {
        let count = u64::from(range.end() - range.start()) + 1;
        let drawn = u32::try_from(self.next() % count).expect("less than the count of u32 values");
        range.start() + drawn
    }

    /// A different number in `range` for each place of the result, which has `count` of them.
    pub(crate) fn numbers(&mut self, count: usize, range: RangeInclusive<u32>) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let number = self.number(range.clone());
            if !drawn.contains(&number) {
                drawn.push(number);
            }
        }
        drawn
    }

    /// An exit code that a program does not end with by itself: no success, and none that a shell
    /// or our own programs use.
    pub(crate) fn exit_code(&mut self) -> u8 {
        u8::try_from(self.number(2..=119)).expect("below 256")
    }

    /// `prefix` with some letters after it.
    pub(crate) fn word(&mut self, prefix: &str) -> String {
        let letters = b"bcdfghjklmnpqrstvwxz";
        let mut word = prefix.to_string();
        for _ in 0..8 {
            word.push(char::from(*self.one_of(letters)));
        }
        word
    }

    /// One of `choices`, of which there is at least one.
    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let last = u32::try_from(choices.len() - 1).expect("a short list");
        &choices[self.number(0..=last) as usize]
    }

    /// Each of `choices` with the chance of one half.
    pub(crate) fn some_of<T: Copy>(&mut self, choices: &[T]) -> Vec<T> {
        let mut some = choices.to_vec();
        some.retain(|_| self.number(0..=1) == 1);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn the_same_seed_draws_the_same_values() {
        let draw = |seed| {
            let mut chance = Chance::from_seed(seed);
            (chance.word("box-"), chance.numbers(4, 1..=9), chance.exit_code())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn numbers_stay_in_their_range_and_differ() {
        let mut chance = Chance::new();
        let mut drawn = chance.numbers(7, 3..=9);
        drawn.sort_unstable();
        assert_eq!(drawn, [3, 4, 5, 6, 7, 8, 9]);
    }
}
