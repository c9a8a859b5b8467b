//! What is there to know about a primitive, for the book, for `--explain` and for error messages?
//!
//! The cards are the doc comments of the primitives themselves, read when this crate is built.

/// What a learner wants to know about one primitive.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// The function of this crate.
    pub primitive: &'static str,
    /// What it does, in a sentence or two.
    pub summary: &'static str,
    /// Its declaration in Rust.
    pub signature: &'static str,
    /// The man pages that say everything, the most important first.
    pub man: &'static str,
    /// The kernel in which it appeared, and what came later.
    pub since: &'static str,
    /// The errors that a learner meets, by errno, and what they mean here.
    pub errnos: &'static [(&'static str, &'static str)],
    /// The file of this crate where it stands.
    pub source: &'static str,
}

static CARDS: &[Card] = include!(concat!(env!("OUT_DIR"), "/cards.rs"));

/// All cards, by file and then in the order of the file.
pub fn all() -> &'static [Card] {
    CARDS
}

/// The card of one primitive.
pub fn find(primitive: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.primitive == primitive)
}

/// What an errno means when this primitive returns it, if its card says so.
pub fn hint(primitive: &str, errno: &str) -> Option<&'static str> {
    let (_, text) = find(primitive)?.errnos.iter().find(|(name, _)| *name == errno)?;
    Some(text)
}

/// The lines that `--explain` adds below a request; also what its errno means, where it failed.
pub fn explain(primitive: &str, errno: Option<&str>) -> Option<String> {
    let card = find(primitive)?;
    let mut text = format!("{}\nman {} · since {}", card.summary, card.man, card.since);
    if let Some(errno) = errno
        && let Some(hint) = hint(primitive, errno)
    {
        text.push_str(&format!("\n{errno} here: {hint}"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{all, find, hint};

    #[test]
    fn every_card_is_whole() {
        for card in all() {
            let name = card.primitive;
            assert!(card.man.contains('('), "{name}: a man page has a section");
            assert!(!card.since.is_empty(), "{name}: since which kernel?");
            assert!(card.summary.ends_with('.'), "{name}: the summary is a sentence");
            for (errno, text) in card.errnos {
                let stop = text.ends_with('.');
                assert!(!text.is_empty() && !stop, "{name}: {errno} is a clause, without a stop");
            }
        }
    }

    #[test]
    fn hints_come_from_the_doc_comment() {
        let card = find("pivot_root").unwrap();
        assert_eq!(card.source, "mount.rs");
        assert!(hint("pivot_root", "EINVAL").unwrap().contains("mount point"));
        assert_eq!(hint("pivot_root", "ENOSPC"), None);
    }
}
