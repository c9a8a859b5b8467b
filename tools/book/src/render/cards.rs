//! `{{#card NAME}}`: what is there to know about one interface of the kernel?

use anyhow::{Context, Result};
use primitives::cards::{Card, find};

use super::html::{escape, fence};
use crate::directive::Directive;
use crate::sources::Sources;

/// The card of the primitive called NAME.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&[])?;
    let name = directive.subject()?;
    let card = find(name).with_context(|| format!("`primitives` has no card `{name}`"))?;
    Ok(text(card, sources))
}

fn text(card: &Card, sources: &Sources) -> String {
    let path = format!("runtime/primitives/src/{}", card.source);
    let mut out = format!(
        "<div class=\"card\">\n\n**`{}`** {}\n\n{}\n\n",
        card.primitive,
        card.summary,
        fence("rust,ignore", card.signature),
    );
    out.push_str(&format!(
        "<div class=\"card-facts\">\n\nman {} · since {} · <a href=\"{}\">{}</a>\n\n</div>\n\n",
        card.man,
        card.since,
        escape(&sources.link(&path)),
        escape(&path),
    ));
    if !card.errnos.is_empty() {
        out.push_str("| error | here it means |\n|---|---|\n");
        for (errno, meaning) in card.errnos {
            out.push_str(&format!("| `{errno}` | {} |\n", meaning.replace('|', "\\|")));
        }
        out.push('\n');
    }
    out.push_str("</div>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::{Card, text};
    use crate::tests::fixture;

    #[test]
    fn a_card_has_all_its_facts() {
        let card = Card {
            primitive: "pivot_root",
            summary: "Swaps the root mount.",
            signature: "fn pivot_root(new: &Path, old: &Path, why: Why) -> Result<()>",
            man: "pivot_root(2)",
            since: "Linux 2.3.41",
            errnos: &[("EINVAL", "the new root is not a mount point")],
            source: "mount.rs",
        };
        insta::assert_snapshot!(text(&card, &fixture()));
    }
}
