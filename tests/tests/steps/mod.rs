//! Each step of each program that can be left out, and what is seen to hold while it is there.

mod ch01;
mod ch02;
mod ch03;
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

use crate::checks::Step;

/// All of them.
pub(crate) fn steps() -> impl Iterator<Item = Step> {
    let lists = [
        ch01::STEPS,
        ch02::STEPS,
        ch03::STEPS,
        ch04::STEPS,
        ch05::STEPS,
        ch06::STEPS,
        ch07::STEPS,
        ch08::STEPS,
        ch09::STEPS,
        ch10::STEPS,
        ch11::STEPS,
        ch12::STEPS,
        ch13::STEPS,
        ch14::STEPS,
    ];
    lists.into_iter().flatten().copied()
}
