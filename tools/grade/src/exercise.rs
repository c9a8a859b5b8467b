//! Which exercises are there, and what do they ask for?
//!
//! Each is a file `chapters/*/exercises/exN_M.rs`, an example of its chapter's package. The doc
//! comment at its top is the task; the program below it is the solution.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

/// An exercise, by its chapter and its place there: `2.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    pub(crate) chapter: u8,
    pub(crate) place: u8,
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.chapter, self.place)
    }
}

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Number, String> {
        let numbers = || {
            let (chapter, place) = text.split_once('.')?;
            Some((chapter.parse().ok()?, place.parse().ok()?))
        };
        numbers()
            .map(|(chapter, place)| Number { chapter, place })
            .ok_or_else(|| "an exercise is named by chapter and number, as in 2.1".to_string())
    }
}

/// One exercise, as its file describes it.
#[derive(Clone, Debug)]
pub(crate) struct Exercise {
    pub(crate) number: Number,
    pub(crate) title: String,
    pub(crate) minutes: u32,
    pub(crate) hints: Vec<String>,
    /// The reference, from which the starter is made.
    pub(crate) path: PathBuf,
}

impl Exercise {
    /// Its name as a program: `ex2_1`.
    pub(crate) fn name(&self) -> String {
        format!("ex{}_{}", self.number.chapter, self.number.place)
    }

    /// The package in whose examples it is.
    pub(crate) fn package(&self) -> String {
        format!("chapter{}", self.number.chapter)
    }
}

/// The repository that this program was built in.
pub(crate) fn root() -> &'static Path {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR"));
    tool.ancestors().nth(2).expect("this package lies in tools/grade")
}

/// Every exercise of every chapter, in the order of the course.
pub(crate) fn all() -> Result<Vec<Exercise>> {
    let mut exercises = Vec::new();
    for chapter in folder(&root().join("chapters"))? {
        let exercises_of_it = chapter.join("exercises");
        if !exercises_of_it.is_dir() {
            continue;
        }
        for path in folder(&exercises_of_it)? {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let exercise = parse(&text, &path);
            exercises.push(exercise.with_context(|| path.display().to_string())?);
        }
    }
    exercises.sort_by_key(|exercise| exercise.number);
    Ok(exercises)
}

fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn parse(text: &str, path: &Path) -> Result<Exercise> {
    let mut doc = text.lines().map_while(doc_line);
    let (number, title, minutes) = head(doc.next().unwrap_or_default())?;
    let hints = hints(doc);
    ensure!(hints.len() == 3, "an exercise has three hints, this has {}", hints.len());
    let exercise = Exercise { number, title, minutes, hints, path: path.to_path_buf() };
    let file = path.file_stem().unwrap_or_default();
    ensure!(
        file == exercise.name().as_str(),
        "exercise {number} belongs into a file {}.rs",
        exercise.name()
    );
    Ok(exercise)
}

fn doc_line(line: &str) -> Option<&str> {
    let text = line.strip_prefix("//!")?;
    Some(text.strip_prefix(' ').unwrap_or(text))
}

/// `Exercise 2.1: TITLE (10 minutes)`.
fn head(line: &str) -> Result<(Number, String, u32)> {
    let parsed = || {
        let (number, rest) = line.strip_prefix("Exercise ")?.split_once(": ")?;
        let (title, minutes) = rest.strip_suffix(" minutes)")?.rsplit_once(" (")?;
        Some((number.parse().ok()?, title.to_string(), minutes.parse().ok()?))
    };
    parsed().with_context(|| {
        format!("the first line must be `//! Exercise N.M: TITLE (N minutes)`, not `{line}`")
    })
}

fn hints<'a>(doc: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for line in doc {
        match (line.strip_prefix("hint: "), hints.last_mut()) {
            (Some(hint), _) => hints.push(hint.trim().to_string()),
            (None, Some(hint)) if !line.trim().is_empty() => {
                hint.push(' ');
                hint.push_str(line.trim());
            }
            _ => {}
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::{Number, all, parse};
    use crate::bench::check_of;

    #[test]
    fn numbers_are_read_as_they_are_typed() {
        assert_eq!("2.1".parse(), Ok(Number { chapter: 2, place: 1 }));
        assert!("2".parse::<Number>().is_err());
        assert!("two.one".parse::<Number>().is_err());
    }

    #[test]
    fn every_exercise_of_the_course_can_be_read_and_judged() {
        let exercises = all().unwrap();
        assert!(exercises.len() >= 11);
        for exercise in exercises {
            assert!((3..=15).contains(&exercise.minutes), "{}", exercise.number);
            assert!(check_of(exercise.number).is_some(), "{}", exercise.number);
        }
    }

    #[test]
    fn a_head_that_does_not_follow_the_form_is_named() {
        let error = parse("//! A nice exercise\n", "ex1_1.rs".as_ref()).unwrap_err();
        assert!(error.to_string().contains("A nice exercise"), "{error}");
    }
}
