//! Can the checks tell a solution from a starter?
//!
//! Every starter must build and fail, every solution must pass. A check that cannot be made on this
//! machine is counted as skipped.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::bench::judge;
use crate::cargo::{build_solution, build_starter};
use crate::chance::Chance;
use crate::exercise::{Exercise, all, root};
use crate::starter;
use crate::verdict::{Criterion, Verdict, must_have_all};

/// What came out for one exercise.
#[derive(PartialEq)]
enum Outcome {
    AsItShould,
    Skipped,
    Wrong,
}

/// Checks every starter and every solution; exits with 1 when one does not do as it should.
pub(crate) fn run() -> Result<ExitCode> {
    let start = Instant::now();
    let exercises = all()?;
    let mut outcomes = Vec::new();
    for exercise in &exercises {
        let outcome = one(exercise);
        outcomes.push(outcome.with_context(|| format!("exercise {}", exercise.number))?);
    }
    let count = |outcome| outcomes.iter().filter(|one| **one == outcome).count();
    let (right, skipped, wrong) =
        (count(Outcome::AsItShould), count(Outcome::Skipped), count(Outcome::Wrong));
    println!(
        "{} exercises: {right} with a starter that fails and a solution that passes, {skipped} \
         skipped, {wrong} wrong ({:.0} s)",
        exercises.len(),
        start.elapsed().as_secs_f32()
    );
    let failed = wrong > 0 || (skipped > 0 && must_have_all());
    Ok(ExitCode::from(u8::from(failed)))
}

fn one(exercise: &Exercise) -> Result<Outcome> {
    let start = Instant::now();
    let chance = Chance::new();
    let number = exercise.number;
    let solution = judge(exercise, build_solution(exercise)?, chance)?;
    if let Verdict::Skipped(why) = &solution {
        println!("{number:<5} skipped: {why}");
        return Ok(Outcome::Skipped);
    }
    let folder = root().join("target/grade").join(exercise.name());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    starter::make(exercise, &folder)?;
    let program = build_starter(&folder, &exercise.name()).context("its starter")?;
    let starter = judge(exercise, program, chance)?;
    let right = starter.is_met() == Some(false) && solution.is_met() == Some(true);
    println!(
        "{number:<5} the starter {}, the solution {} ({:.1} s)",
        said(&starter),
        said(&solution),
        start.elapsed().as_secs_f32()
    );
    if !right {
        println!("--seed {}\nstarter:\n{starter}solution:\n{solution}", chance.seed());
    }
    Ok(if right { Outcome::AsItShould } else { Outcome::Wrong })
}

fn said(verdict: &Verdict) -> String {
    let Verdict::Judged { criteria, .. } = verdict else {
        return "is skipped".to_string();
    };
    let missed = criteria.iter().filter(|one| !Criterion::is_met(one)).count();
    match missed {
        0 => format!("passes all {} criteria", criteria.len()),
        missed => format!("fails {missed} of {} criteria", criteria.len()),
    }
}
