//! How is what a scene showed kept, so that it can be compared, reviewed and drawn?
//!
//! Up to four files below `book/golden`, each absent when it would be empty: `NAME.stdout`,
//! `NAME.stderr`, `NAME.trace.jsonl` (the trace in its canonical form: [`crate::events`]) and
//! `NAME.calls` (for scenes under strace). The exit status is not kept: the scene states it, and a
//! run that ends otherwise is never blessed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use similar::TextDiff;
use trace::Event;

use crate::events;

/// What a run of a scene showed, with everything taken out that differs from run to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Golden {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) events: Vec<Event>,
    /// Calls of a program under strace, one a line.
    pub(crate) calls: String,
}

const ENDINGS: [&str; 4] = ["stdout", "stderr", "trace.jsonl", "calls"];

/// The folder of all goldens.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("book/golden")
}

impl Golden {
    /// The golden of the scene called `name`; `None` when it was never blessed.
    pub(crate) fn load(root: &Path, name: &str) -> Result<Option<Golden>> {
        let mut found = false;
        let mut texts = ENDINGS.map(|_| String::new());
        for (text, ending) in texts.iter_mut().zip(ENDINGS) {
            let path = file(root, name, ending);
            match fs::read_to_string(&path) {
                Ok(read) => (*text, found) = (read, true),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        let [stdout, stderr, trace, calls] = texts;
        let events = trace::json::parse_all(&trace).map_err(anyhow::Error::msg);
        let events = events.with_context(|| format!("golden trace of `{name}`"))?;
        Ok(found.then_some(Golden { stdout, stderr, events, calls }))
    }

    /// Writes the golden of the scene called `name` in place of the one before.
    pub(crate) fn save(&self, root: &Path, name: &str) -> Result<()> {
        let texts = [&self.stdout, &self.stderr, &events::to_lines(&self.events), &self.calls];
        // A run that shows nothing at all still leaves a file, which says that it was blessed.
        let silent = texts.iter().all(|text| text.is_empty());
        for (text, ending) in texts.into_iter().zip(ENDINGS) {
            let path = file(root, name, ending);
            if text.is_empty() && !(silent && ending == ENDINGS[0]) {
                remove(&path)?;
                continue;
            }
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// The whole trace in golden form.
    pub(crate) fn trace(&self) -> String {
        events::text(&self.events.iter().collect::<Vec<_>>())
    }

    /// What is different in `now`, as a person reads it; empty when nothing is.
    pub(crate) fn diff(&self, now: &Golden) -> String {
        let mut out = String::new();
        let traces = (self.trace(), now.trace());
        out.push_str(&unified("stdout", &self.stdout, &now.stdout));
        out.push_str(&unified("stderr", &self.stderr, &now.stderr));
        out.push_str(&unified("trace", &traces.0, &traces.1));
        out.push_str(&unified("calls", &self.calls, &now.calls));
        if out.is_empty() && self.events != now.events {
            let lines = (events::to_lines(&self.events), events::to_lines(&now.events));
            out.push_str(&unified("trace.jsonl", &lines.0, &lines.1));
        }
        out
    }
}

/// The golden files that belong to none of `names`.
pub(crate) fn orphans(root: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let mut orphans = Vec::new();
    let mut folders = vec![folder(root)];
    while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let below = path.strip_prefix(self::folder(root)).unwrap_or(&path).to_string_lossy();
            let name = ENDINGS.iter().find_map(|end| below.strip_suffix(&format!(".{end}")));
            match name {
                None if path.is_dir() => folders.push(path),
                Some(name) if !names.contains(&name) => orphans.push(path),
                _ => {}
            }
        }
    }
    orphans.sort();
    Ok(orphans)
}

fn file(root: &Path, name: &str, ending: &str) -> PathBuf {
    folder(root).join(format!("{name}.{ending}"))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

fn unified(what: &str, before: &str, now: &str) -> String {
    if before == now {
        return String::new();
    }
    let diff = TextDiff::from_lines(before, now);
    let text = diff.unified_diff().context_radius(2).to_string();
    format!("  {what}:\n{}", indent(&text))
}

/// More lines of a difference are not read, they are scrolled past.
const MOST_LINES: usize = 80;

fn indent(text: &str) -> String {
    let lines = text.lines().take(MOST_LINES);
    let mut out: String = lines.map(|line| format!("    {line}\n")).collect();
    let more = text.lines().count().saturating_sub(MOST_LINES);
    if more > 0 {
        out.push_str(&format!("    … and {more} more lines\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Golden, orphans};

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let golden = Golden { stdout: "hi\n".into(), ..Golden::default() };
        golden.save(folder.path(), "ch02/x").unwrap();
        assert_eq!(Golden::load(folder.path(), "ch02/x").unwrap(), Some(golden));
        assert_eq!(Golden::load(folder.path(), "ch02/y").unwrap(), None);
        assert!(orphans(folder.path(), &["ch02/x"]).unwrap().is_empty());
        assert_eq!(orphans(folder.path(), &[]).unwrap().len(), 1);
    }

    #[test]
    fn a_difference_is_shown_as_lines() {
        let one = Golden { stdout: "a\nb\n".into(), ..Golden::default() };
        let two = Golden { stdout: "a\nc\n".into(), ..Golden::default() };
        assert_eq!(one.diff(&one), "");
        assert!(one.diff(&two).contains("    -b\n    +c\n"), "{}", one.diff(&two));
    }
}
