//! Where is a learner's work, and how far is it?

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::build_starter;
use crate::exercise::{Exercise, all, root};
use crate::starter;
use crate::verdict::Verdict;

/// The file that says when the work was last found to be right.
const SOLVED: &str = "solved";

fn folder(exercise: &Exercise) -> PathBuf {
    root().join("work").join(exercise.name())
}

/// Prints all exercises.
pub(crate) fn list() -> Result<ExitCode> {
    let exercises = all()?;
    let widest = exercises.iter().map(|exercise| exercise.title.chars().count()).max();
    let width = widest.unwrap_or_default();
    for exercise in exercises {
        let Exercise { number, title, minutes, .. } = &exercise;
        println!("{number:<5} {title:<width$}  {minutes:>2} min  {}", state(&exercise));
    }
    Ok(ExitCode::SUCCESS)
}

fn state(exercise: &Exercise) -> &'static str {
    let changed = |file: &str| -> Option<SystemTime> {
        fs::metadata(folder(exercise).join(file)).ok()?.modified().ok()
    };
    match (changed("src/main.rs"), changed(SOLVED)) {
        (None, _) => "",
        (Some(_), None) => "started",
        (Some(work), Some(solved)) if work > solved => "solved, changed since",
        (Some(_), Some(_)) => "solved",
    }
}

/// The exercises that were started.
pub(crate) fn started() -> Result<Vec<Exercise>> {
    let mut exercises = all()?;
    exercises.retain(|exercise| folder(exercise).is_dir());
    Ok(exercises)
}

/// Makes the package to work in, and never over work that is there.
pub(crate) fn start(exercise: &Exercise, force: bool) -> Result<ExitCode> {
    let folder = folder(exercise);
    if folder.exists() && !force {
        bail!("{} is there already; --force throws it away and begins again", folder.display());
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    starter::make(exercise, &folder)?;
    let Exercise { number, title, .. } = exercise;
    println!("Exercise {number}: {title}");
    println!("The task and your part of it: {}", folder.join("src/main.rs").display());
    println!("When you think it is done:    cargo run -p grade -- check {number}");
    Ok(ExitCode::SUCCESS)
}

/// Builds the learner's program.
pub(crate) fn build(exercise: &Exercise) -> Result<PathBuf> {
    let folder = folder(exercise);
    ensure!(
        folder.is_dir(),
        "exercise {number} was not started yet: cargo run -p grade -- start {number}",
        number = exercise.number
    );
    renew_lock(&folder)?;
    build_starter(&folder, &exercise.name())
}

/// The workspace may have got other dependencies since the work was started; then its lock file is
/// the one that knows them.
fn renew_lock(folder: &std::path::Path) -> Result<()> {
    let (ours, theirs) = (root().join("Cargo.lock"), folder.join("Cargo.lock"));
    let time = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified());
    if time(&ours)? > time(&theirs).unwrap_or(SystemTime::UNIX_EPOCH) {
        fs::copy(&ours, &theirs).context("the lock file cannot be copied")?;
    }
    Ok(())
}

/// Writes down whether the work was found to be right.
pub(crate) fn remember(exercise: &Exercise, verdict: &Verdict) -> Result<()> {
    let file = folder(exercise).join(SOLVED);
    match verdict.is_met() {
        Some(true) => Ok(fs::write(file, "")?),
        Some(false) if file.exists() => Ok(fs::remove_file(file)?),
        _ => Ok(()),
    }
}
