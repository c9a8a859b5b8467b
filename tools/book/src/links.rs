//! Does every link inside the book lead somewhere?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A link as it stands on a page.
pub(crate) struct Link {
    /// Its line, from 1, in the text that was parsed.
    line: usize,
    target: String,
}

/// What can be linked to on a page, and what it links to.
#[derive(Default)]
pub(crate) struct Outline {
    anchors: BTreeSet<String>,
    links: Vec<Link>,
}

/// Finds anchors and links of a page without its front matter.
pub(crate) fn outline(body: &str) -> Outline {
    let options = Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM;
    let mut outline = Outline::default();
    let mut title: Option<(Option<String>, String)> = None;
    for (event, range) in Parser::new_ext(body, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { id, .. }) => {
                title = Some((id.map(|id| id.to_string()), String::new()));
            }
            Event::Start(Tag::DefinitionListTitle) => title = Some((None, String::new())),
            Event::End(TagEnd::Heading(_) | TagEnd::DefinitionListTitle) => {
                if let Some((id, text)) = title.take() {
                    outline.add_anchor(id.unwrap_or_else(|| id_of(&text)));
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, title)) = &mut title {
                    title.push_str(&text);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = 1 + body[..range.start].matches('\n').count();
                outline.links.push(Link { line, target: dest_url.to_string() });
            }
            Event::Html(html) | Event::InlineHtml(html) => outline.add_ids(&html),
            _ => {}
        }
    }
    outline
}

impl Outline {
    /// Whether a link leads to `target` as it is written.
    pub(crate) fn links_to(&self, target: &str) -> bool {
        self.links.iter().any(|link| link.target.trim_start_matches("./") == target)
    }

    /// mdBook numbers titles that occur twice.
    fn add_anchor(&mut self, id: String) {
        let numbered = (1..).map(|n| format!("{id}-{n}"));
        let mut names = std::iter::once(id.clone()).chain(numbered);
        let free = names.find(|name| !self.anchors.contains(name));
        self.anchors.extend(free);
    }

    fn add_ids(&mut self, html: &str) {
        let ids = html.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next());
        self.anchors.extend(ids.map(str::to_string));
    }
}

/// The anchor that mdBook makes of a title.
fn id_of(title: &str) -> String {
    let kept = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    title.trim().to_lowercase().chars().filter_map(kept).collect()
}

/// Complaints about links of `pages` that lead nowhere: page, line (in the body), what is wrong.
pub(crate) fn broken(
    pages: &BTreeMap<PathBuf, Outline>,
    exists: impl Fn(&Path) -> bool,
) -> Vec<(PathBuf, usize, String)> {
    let mut complaints = Vec::new();
    for (page, outline) in pages {
        for link in &outline.links {
            if let Some(what) = wrong(page, &link.target, pages, &exists) {
                complaints.push((page.clone(), link.line, what));
            }
        }
    }
    complaints
}

fn wrong(
    page: &Path,
    target: &str,
    pages: &BTreeMap<PathBuf, Outline>,
    exists: impl Fn(&Path) -> bool,
) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match path {
        "" => page.to_path_buf(),
        path => resolve(&page.parent().unwrap_or(Path::new("")).join(path)),
    };
    match pages.get(&path) {
        Some(_) if anchor.is_empty() => None,
        Some(outline) if outline.anchors.contains(anchor) => None,
        Some(_) => Some(format!("link `{target}`: {} has no anchor `#{anchor}`", path.display())),
        None if path.extension().is_some_and(|end| end == "md") => {
            Some(format!("link `{target}`: {} is not a page of the book", path.display()))
        }
        None if exists(&path) => None,
        None => Some(format!("link `{target}`: there is no {}", path.display())),
    }
}

/// The path without `.` and `..`.
fn resolve(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{broken, outline};

    #[test]
    fn links_and_anchors_are_followed() {
        let glossary = "# Glossary\n\nmount point\n: A place.\n\n## See also {#more}\n";
        let page = "[a](glossary.md#mount-point) [b](glossary.md#more) [c](glossary.md#nope)\n\
                    [d](gone.md) [e](https://x.org/y.md) [f](#title)\n\n# Title\n";
        let pages = BTreeMap::from([
            ("glossary.md".into(), outline(glossary)),
            ("page.md".into(), outline(page)),
        ]);
        let found: Vec<(usize, String)> =
            broken(&pages, |_| false).into_iter().map(|(_, line, what)| (line, what)).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].1.contains("no anchor `#nope`") && found[0].0 == 1);
        assert!(found[1].1.contains("gone.md is not a page") && found[1].0 == 2);
    }
}
