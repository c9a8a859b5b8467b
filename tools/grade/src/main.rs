//! `grade`: how do you know that an exercise is solved?
//!
//! `grade start 2.1` makes a package to work in, `grade check 2.1` builds it, runs it with values
//! drawn at random and judges it by its trace and by what `/proc` shows from outside. It never
//! believes what the work prints of itself.
//!
//! From here: [`exercise`] reads the exercises, [`starter`] makes what a learner begins with,
//! [`cargo`] builds it; [`run`] runs it and [`seen`] looks at it meanwhile, with [`place`] as the
//! program that waits to be looked at; [`judge`] reads the trace, and [`chapter1`], [`chapter2`]
//! and [`chapter3`] say what each exercise asks for. [`selftest`] proves that all this can tell a
//! solution from a starter.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use crate::chance::Chance;
use crate::exercise::{Exercise, Number};
use crate::verdict::{Verdict, must_have_all};

mod bench;
mod cargo;
mod chance;
mod chapter1;
mod chapter10;
mod chapter11;
mod chapter12;
mod chapter13;
mod chapter14;
mod chapter2;
mod chapter3;
mod chapter4;
mod chapter5;
mod chapter6;
mod chapter7;
mod chapter8;
mod chapter9;
mod exercise;
mod judge;
mod place;
mod run;
mod seen;
mod selftest;
mod starter;
mod subids;
mod verdict;
mod work;

/// Hands out the exercises of the course and judges the work by what the kernel saw.
#[derive(Parser)]
#[command(name = "grade", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show all exercises, how long each takes and how far you are
    List,
    /// Make the package that an exercise begins with, in work/
    Start {
        /// The exercise: CHAPTER.NUMBER
        exercise: Number,
        /// Throw away what is there, and begin again
        #[arg(long)]
        force: bool,
    },
    /// Build an exercise, run it and judge it; exits with 1 when something is missing
    Check(Check),
    /// Show a hint
    Hint {
        /// The exercise: CHAPTER.NUMBER
        exercise: Number,
        /// Which hint: 1 is vague, 3 is almost the answer
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
        level: u8,
    },
    /// Check every exercise that was started
    All {
        /// Check the exercises themselves: every starter must fail and every solution pass
        #[arg(long)]
        selftest: bool,
    },
    /// Be the program that an exercise runs, and wait to be looked at (grade starts this itself)
    #[command(hide = true)]
    Here(place::Here),
    /// Set the stage for an exercise and run it there (grade starts this itself)
    #[command(hide = true)]
    Stage(place::Stage),
}

#[derive(clap::Args)]
struct Check {
    /// The exercise: CHAPTER.NUMBER
    exercise: Number,
    /// Check the reference solution instead of your work
    #[arg(long, conflicts_with = "program")]
    solution: bool,
    /// Check a program that is built already
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Draw the same values as another check did
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    match act(Cli::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn act(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List => work::list(),
        Verb::Start { exercise, force } => work::start(&find(exercise)?, force),
        Verb::Check(wanted) => check(&wanted),
        Verb::Hint { exercise, level } => hint(&find(exercise)?, level),
        Verb::All { selftest: true } => selftest::run(),
        Verb::All { selftest: false } => all(),
        Verb::Here(here) => here.wait(),
        Verb::Stage(stage) => stage.run(),
    }
}

fn find(number: Number) -> Result<Exercise> {
    let all = exercise::all()?;
    let found = all.into_iter().find(|exercise| exercise.number == number);
    found.with_context(|| {
        format!("there is no exercise {number}; `cargo run -p grade -- list` shows those there are")
    })
}

fn hint(exercise: &Exercise, level: u8) -> Result<ExitCode> {
    println!("Exercise {}: {}", exercise.number, exercise.title);
    println!("hint {level} of 3: {}", exercise.hints[usize::from(level) - 1]);
    Ok(ExitCode::SUCCESS)
}

fn check(wanted: &Check) -> Result<ExitCode> {
    let exercise = find(wanted.exercise)?;
    let program = match (&wanted.program, wanted.solution) {
        (Some(program), _) => {
            program.canonicalize().with_context(|| format!("no program {}", program.display()))?
        }
        (None, true) => cargo::build_solution(&exercise)?,
        (None, false) => work::build(&exercise)?,
    };
    let chance = wanted.seed.map_or_else(Chance::new, Chance::from_seed);
    let verdict = bench::judge(&exercise, program, chance)?;
    println!("Exercise {}: {}", exercise.number, exercise.title);
    print!("{verdict}");
    if wanted.program.is_none() && !wanted.solution {
        work::remember(&exercise, &verdict)?;
    }
    if verdict.is_met() == Some(false) {
        println!("The same values again: --seed {}", chance.seed());
        println!("A hint: cargo run -p grade -- hint {}", exercise.number);
    }
    Ok(code(&verdict))
}

fn all() -> Result<ExitCode> {
    let started = work::started()?;
    ensure!(!started.is_empty(), "no exercise was started yet: cargo run -p grade -- start 1.1");
    let mut all_met = true;
    for exercise in started {
        println!("Exercise {}: {}", exercise.number, exercise.title);
        let verdict = bench::judge(&exercise, work::build(&exercise)?, Chance::new())?;
        print!("{verdict}");
        work::remember(&exercise, &verdict)?;
        all_met &= code(&verdict) == ExitCode::SUCCESS;
    }
    Ok(ExitCode::from(u8::from(!all_met)))
}

/// 0 when everything that was asked for is there, or when this machine cannot tell and may not.
fn code(verdict: &Verdict) -> ExitCode {
    match verdict.is_met() {
        Some(met) => ExitCode::from(u8::from(!met)),
        None => ExitCode::from(u8::from(must_have_all())),
    }
}
