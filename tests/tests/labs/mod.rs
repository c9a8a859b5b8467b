//! The tests of each chapter.

mod ch04;
mod ch05;
mod ch06;
mod ch07;
mod ch08;
mod ch09;
mod ch10;
mod ch11;
mod ch12;
mod ch13;
mod ch14;

use libtest_mimic::Trial;
use tests::places::Place;

/// All of them, as somebody in `place` would run the programs.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let chapters = [
        ch04::trials,
        ch05::trials,
        ch06::trials,
        ch07::trials,
        ch08::trials,
        ch09::trials,
        ch10::trials,
        ch11::trials,
        ch12::trials,
        ch13::trials,
        ch14::trials,
    ];
    chapters.into_iter().flat_map(|trials| trials(place)).collect()
}
