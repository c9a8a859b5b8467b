//! How does a page as written become a page as mdBook gets it?

use anyhow::{Context, Result, bail};

use crate::directive::Directive;
use crate::render;
use crate::sources::Sources;

/// A page without its front matter.
pub(crate) struct Page<'a> {
    /// How long it takes to read and do, as its author says.
    pub(crate) minutes: Option<u32>,
    /// What comes after the front matter.
    pub(crate) body: &'a str,
    /// How many lines the front matter took, so that line numbers stay those of the file.
    pub(crate) skipped: usize,
}

/// A page with its directives expanded, and what was wrong with it.
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Each begins with `page:line:`.
    pub(crate) complaints: Vec<String>,
}

/// Splits off the front matter, the lines between two `---` at the very top.
///
/// # Errors
/// When it is not closed or says anything but `minutes: N`.
pub(crate) fn split(text: &str) -> Result<Page<'_>> {
    let Some(rest) = text.strip_prefix("---\n") else {
        return Ok(Page { minutes: None, body: text, skipped: 0 });
    };
    let (matter, body) = rest.split_once("\n---\n").context("the front matter is not closed")?;
    let mut minutes = None;
    for line in matter.lines() {
        match line.split_once(": ") {
            Some(("minutes", n)) => {
                minutes = Some(n.trim().parse().with_context(|| format!("minutes: `{n}`"))?);
            }
            _ => bail!("front matter knows `minutes: N`, not `{line}`"),
        }
    }
    Ok(Page { minutes, body, skipped: matter.lines().count() + 2 })
}

/// Lines of a page with their numbers in the file, and whether each stands in a fence.
pub(crate) fn numbered<'a>(page: &Page<'a>) -> Vec<(usize, &'a str, bool)> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for (index, line) in page.body.lines().enumerate() {
        let marks = fence_marks(line);
        let inside = fence.is_some();
        match fence {
            Some(open) if marks.len() >= open.len() && marks == line.trim() => fence = None,
            None if !marks.is_empty() => fence = Some(marks),
            _ => {}
        }
        lines.push((page.skipped + index + 1, line, inside));
    }
    lines
}

/// The backticks or tildes that a fence's line begins with; empty when it is no such line.
fn fence_marks(line: &str) -> &str {
    let line = line.trim_start();
    let marks = ['`', '~'].map(|mark| &line[..line.len() - line.trim_start_matches(mark).len()]);
    marks.into_iter().find(|marks| marks.len() >= 3).unwrap_or("")
}

/// Expands every directive of the page called `name`.
pub(crate) fn expand(name: &str, text: &str, sources: &Sources) -> Expanded {
    let page = match split(text) {
        Ok(page) => page,
        Err(error) => return failed(name, text, &error),
    };
    let mut out = String::with_capacity(text.len());
    let mut complaints = Vec::new();
    let mut minutes = page.minutes;
    for (number, line, fenced) in numbered(&page) {
        let expanded = if fenced { Ok(line.to_string()) } else { expand_line(line, sources) };
        match expanded {
            Ok(text) => out.push_str(&text),
            Err(error) => complaints.push(format!("{name}:{number}: {}: {error:#}", line.trim())),
        }
        out.push('\n');
        if let (true, Some(n)) = (line.starts_with("# ") && !fenced, minutes) {
            out.push_str(&format!("\n<p class=\"minutes\">about {n} minutes</p>\n"));
            minutes = None;
        }
    }
    Expanded { text: out, complaints }
}

fn expand_line(line: &str, sources: &Sources) -> Result<String> {
    match Directive::parse(line)? {
        Some(directive) => render::render(&directive, sources),
        None => Ok(line.to_string()),
    }
}

fn failed(name: &str, text: &str, error: &anyhow::Error) -> Expanded {
    Expanded { text: text.to_string(), complaints: vec![format!("{name}:1: {error:#}")] }
}

#[cfg(test)]
mod tests {
    use super::{numbered, split};

    #[test]
    fn front_matter_is_taken_off_and_counted() {
        let page = split("---\nminutes: 22\n---\n# Title\n").unwrap();
        assert_eq!((page.minutes, page.body, page.skipped), (Some(22), "# Title\n", 3));
        assert_eq!(numbered(&page)[0].0, 4);
        assert!(split("---\nauthor: me\n---\n").is_err());
    }

    #[test]
    fn lines_in_fences_are_known() {
        let page = split("a\n````md\n```\n{{#run x}}\n```\n````\nb\n").unwrap();
        let inside: Vec<bool> = numbered(&page).iter().map(|(_, _, inside)| *inside).collect();
        assert_eq!(inside, [false, false, true, true, true, true, false]);
    }
}
