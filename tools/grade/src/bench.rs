//! What does a check have at hand?

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cargo::build_chapter;
use crate::chance::Chance;
use crate::exercise::{Exercise, Number};
use crate::run::{Folder, succeeds};
use crate::verdict::Verdict;
use crate::{
    chapter1, chapter2, chapter3, chapter4, chapter5, chapter6, chapter7, chapter8, chapter9,
    chapter10, chapter11, chapter12, chapter13, chapter14,
};

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
    let checks = match number.chapter {
        1 => chapter1::CHECKS,
        2 => chapter2::CHECKS,
        3 => chapter3::CHECKS,
        4 => chapter4::CHECKS,
        5 => chapter5::CHECKS,
        6 => chapter6::CHECKS,
        7 => chapter7::CHECKS,
        8 => chapter8::CHECKS,
        9 => chapter9::CHECKS,
        10 => chapter10::CHECKS,
        11 => chapter11::CHECKS,
        12 => chapter12::CHECKS,
        13 => chapter13::CHECKS,
        14 => chapter14::CHECKS,
        _ => return None,
    };
    checks.get(usize::from(number.place).checked_sub(1)?).copied()
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
