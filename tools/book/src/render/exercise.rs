//! `{{#exercise N.M}}`: what is there to do, and what helps when it does not work?
//!
//! An exercise is a file `chapters/*/exercises/*.rs`. The doc comment at its top is its text:
//!
//! ```text
//! //! Exercise 2.1: A name of your own (10 minutes)
//! //!
//! //! Make a process whose host name is `box`, and …
//! //!
//! //! hint: Which flag of clone3 is about names?
//! //! hint: The name is set after the namespace is there.
//! //! hint: `clone_newuts`, then `sethostname`, in the child.
//! ```
//!
//! A hint goes on in the next lines until a blank one or the next hint.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::html::escape;
use crate::directive::Directive;
use crate::sources::{Sources, files, read};

/// The text of one exercise.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exercise {
    /// `2.1`.
    pub(crate) number: String,
    pub(crate) title: String,
    pub(crate) minutes: u32,
    /// Markdown.
    task: String,
    hints: Vec<String>,
    /// The file, relative to the repository's root.
    path: String,
}

/// The exercise with its commands, and its hints folded into one another.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&[])?;
    let number = directive.subject()?;
    let exercises = all(sources)?;
    let exercise = exercises.iter().find(|exercise| exercise.number == number);
    let exercise = exercise.with_context(|| {
        format!("no file in chapters/*/exercises begins with `//! Exercise {number}: `")
    })?;
    Ok(text(exercise, sources))
}

fn text(exercise: &Exercise, sources: &Sources) -> String {
    let Exercise { number, title, minutes, task, hints, path } = exercise;
    let mut out = format!(
        "<div class=\"exercise\">\n\n**Exercise {number}: {title}** (about {minutes} minutes)\n\n\
         {task}\n\n```sh\ncargo run -p grade -- start {number}\ncargo run -p grade -- check {number}\n```\n\n"
    );
    for (index, hint) in hints.iter().enumerate() {
        let which = ["A hint", "Another hint", "The last hint"].get(index).unwrap_or(&"One more");
        out.push_str(&format!("<details>\n<summary>{which}</summary>\n\n{hint}\n\n"));
    }
    out.push_str(&"</details>\n".repeat(hints.len()));
    out.push_str(&format!(
        "\n<p class=\"solution\"><a href=\"{}\">a solution</a>, for afterwards</p>\n\n</div>\n",
        escape(&sources.link(path))
    ));
    out
}

/// Every exercise of every chapter.
pub(crate) fn all(sources: &Sources) -> Result<Vec<Exercise>> {
    let mut exercises = Vec::new();
    let chapters = sources.root.join("chapters");
    let Ok(entries) = std::fs::read_dir(&chapters) else {
        return Ok(exercises);
    };
    for entry in entries {
        for path in files(&entry?.path().join("exercises"), "rs")? {
            let shown = path.strip_prefix(&sources.root).unwrap_or(&path);
            let exercise = parse(&read(&path)?, shown);
            exercises.push(exercise.with_context(|| shown.display().to_string())?);
        }
    }
    exercises.sort_by(|a, b| a.number.cmp(&b.number));
    Ok(exercises)
}

fn parse(text: &str, path: &Path) -> Result<Exercise> {
    let doc = text.lines().map_while(|line| line.strip_prefix("//!"));
    let mut doc = doc.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let (number, title, minutes) = head(doc.next().unwrap_or(""))?;
    let (mut task, mut hints, mut in_hint) = (String::new(), Vec::<String>::new(), false);
    for line in doc {
        if let Some(hint) = line.strip_prefix("hint:") {
            hints.push(hint.trim().to_string());
            in_hint = true;
        } else if let (true, Some(hint)) = (in_hint && !line.is_empty(), hints.last_mut()) {
            hint.push(' ');
            hint.push_str(line.trim());
        } else {
            in_hint = false;
            task.push_str(line);
            task.push('\n');
        }
    }
    ensure!(!task.trim().is_empty(), "the exercise has no task");
    ensure!(hints.len() == 3, "an exercise has three hints, this has {}", hints.len());
    let path = path.display().to_string();
    Ok(Exercise { number, title, minutes, task: task.trim().to_string(), hints, path })
}

/// `Exercise 2.1: TITLE (10 minutes)`.
fn head(line: &str) -> Result<(String, String, u32)> {
    let parsed = || {
        let (number, rest) = line.strip_prefix("Exercise ")?.split_once(": ")?;
        let (title, minutes) = rest.strip_suffix(')')?.rsplit_once(" (")?;
        let minutes = minutes.split(' ').next()?.parse().ok()?;
        Some((number.to_string(), title.to_string(), minutes))
    };
    parsed().with_context(|| {
        format!("the first line must be `//! Exercise N.M: TITLE (N minutes)`, not `{line}`")
    })
}
