//! `{{#listing PATH:ANCHOR}}`: how does a page quote code that cannot drift away from the program?

use anyhow::{Result, bail, ensure};

use super::html::{escape, fence};
use crate::directive::Directive;
use crate::sources::{Sources, read};

/// A longer listing is not read on a page; it is a sign that the anchor is around too much.
const MOST_LINES: usize = 25;

/// The fence and its caption.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&[])?;
    let subject = directive.subject()?;
    let Some((path, anchor)) = subject.rsplit_once(':') else {
        bail!("`{subject}`: a listing is PATH:ANCHOR")
    };
    let text = read(&sources.root.join(path))?;
    let cut = cut(&text, anchor)?;
    let (count, lines) = (cut.lines.len(), dedent(&cut.lines));
    ensure!(count > 0, "`{subject}` is empty");
    ensure!(count <= MOST_LINES, "`{subject}` has {count} lines, at most {MOST_LINES}");
    let (first, last) = (cut.first, cut.last);
    let link = sources.link(path);
    let fence = fence(label(path), &lines);
    Ok(format!(
        "<figure class=\"listing\">\n\n{fence}\n\n\
         <figcaption><a href=\"{}#L{first}-L{last}\">{}, lines {first}–{last}</a></figcaption>\n\n\
         </figure>\n",
        escape(&link),
        escape(path),
    ))
}

/// The lines between the marks, and their numbers in the file.
struct Cut<'a> {
    first: usize,
    last: usize,
    lines: Vec<&'a str>,
}

fn cut<'a>(text: &'a str, anchor: &str) -> Result<Cut<'a>> {
    let mut cut: Option<Cut<'a>> = None;
    for (index, line) in text.lines().enumerate() {
        let (starts, ends) = (mark(line, "ANCHOR:"), mark(line, "ANCHOR_END:"));
        if ends == Some(anchor) {
            let Some(cut) = cut else { bail!("anchor `{anchor}` ends before it starts") };
            return Ok(cut);
        } else if starts == Some(anchor) {
            cut = Some(Cut { first: index + 2, last: index + 1, lines: Vec::new() });
        } else if let Some(cut) = &mut cut
            && starts.or(ends).is_none()
        {
            cut.lines.push(line);
            cut.last = index + 1;
        }
    }
    match cut {
        Some(_) => bail!("anchor `{anchor}` has no `ANCHOR_END: {anchor}`"),
        None => bail!("there is no `ANCHOR: {anchor}`"),
    }
}

/// The name behind a mark in a comment of any language.
fn mark<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let (before, name) = line.split_once(word)?;
    let comment = before.trim().chars().all(|c| !c.is_alphanumeric() && c != '_');
    comment.then(|| name.split_whitespace().next().unwrap_or(""))
}

/// The lines without the indentation that all of them have.
fn dedent(lines: &[&str]) -> String {
    let full = lines.iter().filter(|line| !line.trim().is_empty());
    let indents = full.map(|line| line.len() - line.trim_start().len());
    let common = indents.min().unwrap_or(0);
    let cut: Vec<&str> = lines.iter().map(|line| line.get(common..).unwrap_or("")).collect();
    cut.join("\n")
}

/// The fence's label. `ignore` keeps `mdbook test` from compiling a part of a file.
fn label(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("rs") => "rust,ignore",
        Some("toml") => "toml",
        Some("json") => "json",
        Some("sh") => "sh",
        Some("c") => "c",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, dedent};

    #[test]
    fn an_anchor_is_cut_out_and_dedented() {
        let text = "a\n    // ANCHOR: x\n    if b {\n    // ANCHOR: y\n        c\n    }\n    // ANCHOR_END: x\nd\n";
        let cut = cut(text, "x").unwrap();
        assert_eq!((cut.first, cut.last), (3, 6));
        assert_eq!(dedent(&cut.lines), "if b {\n    c\n}");
    }

    #[test]
    fn marks_must_be_whole() {
        let error = |text| cut(text, "x").err().unwrap().to_string();
        assert_eq!(error("// ANCHOR: xy\n"), "there is no `ANCHOR: x`");
        assert_eq!(error("// ANCHOR: x\n"), "anchor `x` has no `ANCHOR_END: x`");
    }
}
