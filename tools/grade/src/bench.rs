//! What does a check have at hand?

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cargo::build_chapter;
use crate::chance::Chance;
use crate::exercise::{Exercise, Number};
use crate::run::{Folder, succeeds};
use crate::verdict::Verdict;
use crate::{chapter1, chapter2, chapter3};

/// What a check works with: the program that is judged, and what is needed to judge it.
pub(crate) struct Bench {
    pub(crate) program: PathBuf,
    pub(crate) grade: PathBuf,
    pub(crate) chance: Chance,
}

/// Judges one exercise.
pub(crate) type Check = fn(&mut Bench) -> Result<Verdict>;

/// The check of an exercise.
pub(crate) fn check_of(number: Number) -> Option<Check> {
    let Number { chapter, place } = number;
    Some(match (chapter, place) {
        (1, 1) => chapter1::endings,
        (1, 2) => chapter1::orphans,
        (1, 3) => chapter1::leak,
        (1, 4) => chapter1::environment,
        (2, 1) => chapter2::members_of_one,
        (2, 2) => chapter2::join,
        (2, 3) => chapter2::hold,
        (3, 1) => chapter3::one_user,
        (3, 2) => chapter3::one_group,
        (3, 3) => chapter3::range,
        (3, 4) => chapter3::nest,
        _ => return None,
    })
}

/// Judges a program as the work on an exercise.
pub(crate) fn judge(exercise: &Exercise, program: PathBuf, chance: Chance) -> Result<Verdict> {
    let number = exercise.number;
    let check = check_of(number);
    let check = check.with_context(|| format!("exercise {number} has no check"))?;
    let mut bench = Bench { program, grade: own_program()?, chance };
    check(&mut bench)
}

/// Where this program is. When it was built anew meanwhile, the kernel says that what we are was
/// deleted; the new one at the same place does as well.
fn own_program() -> Result<PathBuf> {
    let path = text(&std::env::current_exe()?);
    Ok(path.strip_suffix(" (deleted)").unwrap_or(&path).into())
}

impl Bench {
    /// The words that start the program which waits to be looked at and then ends with `code`.
    pub(crate) fn here(&self, folder: &Folder, code: u8) -> Vec<String> {
        words([&text(&self.grade), "here", &text(folder.path()), "--exit", &code.to_string()])
    }

    /// The words that run a program in namespaces of its own, by chapter 2.
    pub(crate) fn unshare(&self, kinds: &[&str]) -> Result<Vec<String>> {
        let chapter2 = build_chapter("chapter2")?;
        let mut unshare = words([&text(&chapter2), "--trace", "off", "unshare"]);
        unshare.extend(kinds.iter().map(|kind| kind.to_string()));
        Ok(unshare)
    }

    /// Why no user namespace can be made on this machine; none when it can.
    pub(crate) fn no_user_namespaces(&self) -> Result<Option<String>> {
        let mut attempt = self.unshare(&["--user", "--map-root", "--uts"])?;
        attempt.push("true".to_string());
        let why =
            "this machine lets nobody make user namespaces (see `cargo run -p lab -- doctor`)";
        Ok((!succeeds(&attempt)).then(|| why.to_string()))
    }
}

/// A path as an argument. Every path that is used here is one that we made ourselves.
pub(crate) fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Words of a command line.
pub(crate) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(String::from).to_vec()
}
