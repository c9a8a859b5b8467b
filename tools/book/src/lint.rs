//! Is every page of the book as a page should be?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::directive::Directive;
use crate::links;
use crate::page::{self, Page};
use crate::sources::{Sources, files, read};
use crate::{check, render};

/// The sections of a chapter, in this order. A chapter may leave some out, but not the first and
/// the last: it is a question, and it leaves the next one.
const SECTIONS: [&str; 11] = [
    "Question",
    "See it",
    "Predict",
    "Build",
    "Step through",
    "Break it",
    "Attack and defend",
    "The professionals",
    "Exercises",
    "Check yourself",
    "What is still wrong",
];

/// Words of a chapter, below and above which `check` warns.
const WORDS: std::ops::RangeInclusive<usize> = 1500..=2500;

/// What was found. Each line begins with `page:line:`, or names a file.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) pages: usize,
    pub(crate) complaints: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Reads all pages of `book/src`.
pub(crate) fn book(sources: &Sources) -> Result<Report> {
    let mut report = Report::default();
    let mut used = BTreeSet::new();
    let mut outlines = BTreeMap::new();
    let mut skipped = BTreeMap::new();
    let folder = sources.root.join("book/src");
    for path in files(&folder, "md")? {
        let name = PathBuf::from(path.file_name().context("a page has a name")?);
        let text = read(&path)?;
        report.pages += 1;
        if name.as_os_str() != "SUMMARY.md" {
            one_page(&name.display().to_string(), &text, sources, &mut used, &mut report);
        }
        if let Ok(page) = page::split(&text) {
            skipped.insert(name.clone(), page.skipped);
            outlines.insert(name.clone(), links::outline(page.body));
        }
    }
    report.complaints.extend(unlisted(&outlines));
    for (page, line, what) in links::broken(&outlines, |path| folder.join(path).exists()) {
        let line = line + skipped.get(&page).copied().unwrap_or_default();
        report.complaints.push(format!("{}:{line}: {what}", page.display()));
    }
    if report.pages > 0 {
        report.complaints.extend(unused(sources, &used));
    }
    for orphan in check::orphans(sources)? {
        let path = orphan.strip_prefix(&sources.root).unwrap_or(&orphan).display().to_string();
        report.complaints.push(format!("{path}: no scene makes this golden"));
    }
    Ok(report)
}

fn one_page(
    name: &str,
    text: &str,
    sources: &Sources,
    used: &mut BTreeSet<String>,
    report: &mut Report,
) {
    report.complaints.extend(page::expand(name, text, sources).complaints);
    let Ok(page) = page::split(text) else { return };
    if page.minutes.is_none() {
        report.complaints.push(format!("{name}:1: no front matter: begin with `minutes: N`"));
    }
    let lines = page::numbered(&page);
    for (number, line, fenced) in &lines {
        if let Ok(Some(directive)) = Directive::parse(line)
            && !fenced
        {
            used.extend(render::scenes_of(&directive, sources));
        }
        if !fenced && let Some(label) = refused_fence(line) {
            report.complaints.push(format!(
                "{name}:{number}: a `{label}` fence: output is not written by hand, use a scene"
            ));
        }
    }
    if is_chapter(name) {
        report.complaints.extend(sections(name, &lines));
        let words = words(&lines);
        if !WORDS.contains(&words) {
            let (low, high) = (WORDS.start(), WORDS.end());
            report.warnings.push(format!("{name}: {words} words, a chapter has {low} to {high}"));
        }
    }
    report.warnings.extend(filler(name, &page));
}

/// Chapters begin with their number: `05-pivot-root.md`. `00` is the prologue.
pub(crate) fn is_chapter(name: &str) -> bool {
    chapter_number(name).is_some_and(|number| number > 0)
}

/// The number that a page's file name begins with.
pub(crate) fn chapter_number(name: &str) -> Option<u32> {
    name.split_once('-').filter(|(number, _)| number.len() == 2)?.0.parse().ok()
}

/// The label of a fence that shows output which somebody typed.
fn refused_fence(line: &str) -> Option<&str> {
    let label = line.trim_start().strip_prefix("```")?.trim_start_matches('`');
    let label = label.split([',', ' ']).next().unwrap_or("");
    ["console", "text", "output", "terminal"].contains(&label).then_some(label)
}

/// Complaints about sections that are missing, or stand in another order.
fn sections(name: &str, lines: &[(usize, &str, bool)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut last = None;
    let mut seen = BTreeSet::new();
    for (number, line, fenced) in lines {
        let question = line.starts_with("> **Question.**").then_some("Question");
        let title = line.strip_prefix("## ").or(question).filter(|_| !fenced);
        let Some(title) = title else { continue };
        let Some(place) = SECTIONS.iter().position(|known| title.trim() == *known) else {
            let known = SECTIONS.join(", ");
            complaints.push(format!("{name}:{number}: section `{title}`; a chapter has {known}"));
            continue;
        };
        if last.is_some_and(|last| place <= last) {
            let before = last.map_or("", |last| SECTIONS[last]);
            complaints.push(format!("{name}:{number}: `{title}` must stand before `{before}`"));
        }
        last = Some(place);
        seen.insert(place);
    }
    for place in [0, SECTIONS.len() - 1].iter().filter(|place| !seen.contains(*place)) {
        complaints.push(format!("{name}:1: no section `{}`", SECTIONS[*place]));
    }
    complaints
}

/// Words of prose: no code, no directives.
fn words(lines: &[(usize, &str, bool)]) -> usize {
    let prose = lines.iter().filter(|(_, line, fenced)| {
        !fenced && !line.trim_start().starts_with("```") && !line.starts_with("{{#")
    });
    let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
    prose.map(|(_, line, _)| line.split_whitespace().filter(is_word).count()).sum()
}

/// Words that tell a reader who is stuck that the fault is theirs.
fn filler(name: &str, page: &Page<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (number, line, fenced) in page::numbered(page) {
        let lower = line.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        let found = words.find(|word| ["simply", "just", "obviously", "easily"].contains(word));
        if let Some(word) = found.filter(|_| !fenced) {
            warnings.push(format!("{name}:{number}: the word `{word}`"));
        }
    }
    warnings
}

/// Complaints about pages that the summary does not list, so that mdBook leaves them out.
fn unlisted(outlines: &BTreeMap<PathBuf, links::Outline>) -> Vec<String> {
    let Some(summary) = outlines.get(Path::new("SUMMARY.md")) else {
        return Vec::new();
    };
    let pages = outlines.keys().filter(|page| *page != Path::new("SUMMARY.md"));
    let missing = pages.filter(|page| !summary.links_to(&page.display().to_string()));
    missing.map(|page| format!("{}:1: SUMMARY.md does not list it", page.display())).collect()
}

/// Complaints about scenes that no page shows.
fn unused(sources: &Sources, used: &BTreeSet<String>) -> Vec<String> {
    let scenes = sources.scenes.keys().filter(|name| !used.contains(*name));
    scenes.map(|name| format!("book/scenes: no page shows scene `{name}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_chapter, refused_fence, sections, words};
    use crate::page;

    fn lines(text: &str) -> Vec<(usize, &str, bool)> {
        page::numbered(&page::split(text).unwrap())
    }

    #[test]
    fn sections_stand_in_order() {
        let good = "> **Question.** Why?\n## See it\n## Build\n## What is still wrong\n";
        assert_eq!(sections("p", &lines(good)), [] as [String; 0]);
        let bad = "> **Question.** Why?\n## Build\n## See it\n## Extras\n";
        let complaints = sections("p", &lines(bad));
        assert!(complaints[0].contains("p:3: `See it` must stand before `Build`"));
        assert!(complaints[1].contains("p:4: section `Extras`"));
        assert!(complaints[2].contains("no section `What is still wrong`"));
    }

    #[test]
    fn prose_is_counted_and_code_is_not() {
        assert_eq!(words(&lines("two words\n```sh\nls -l\n```\n{{#run x}}\n")), 2);
    }

    #[test]
    fn fences_of_output_are_refused() {
        assert_eq!(refused_fence("```console"), Some("console"));
        assert_eq!(refused_fence("```sh"), None);
        assert!(is_chapter("05-pivot-root.md") && !is_chapter("00-lab.md"));
    }
}
