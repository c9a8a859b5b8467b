//! What does a line `{{#run ch02/see-it step="make a child"}}` ask for?

use anyhow::{Context, Result, bail, ensure};

/// One directive: its name, what it is about, and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    /// `run`, `listing`, `card`.
    pub(crate) name: String,
    /// The words after the name that are not options.
    words: Vec<String>,
    /// `key=value`, in the order in which they stand.
    options: Vec<(String, String)>,
}

/// Directives of mdBook itself, which are not ours to expand.
const MDBOOK: [&str; 5] = ["include", "playground", "playpen", "rustdoc_include", "title"];

impl Directive {
    /// The directive that `line` consists of; `None` when it is text or a directive of mdBook.
    ///
    /// # Errors
    /// When a directive is begun and not ended, or an option's quotes are.
    pub(crate) fn parse(line: &str) -> Result<Option<Directive>> {
        let Some(start) = line.find("{{#") else {
            return Ok(None);
        };
        let before = &line[..start];
        // A backslash or a backtick in front: the page speaks about directives.
        if before.ends_with('\\') || before.contains('`') {
            return Ok(None);
        }
        let (inner, after) =
            line[start + 3..].split_once("}}").context("the directive is not closed by `}}`")?;
        let mut tokens = tokens(inner)?.into_iter();
        let name = tokens.next().context("a directive needs a name")?;
        if MDBOOK.contains(&name.as_str()) {
            return Ok(None);
        }
        ensure!(
            before.trim().is_empty() && after.trim().is_empty(),
            "`{{{{#{name}}}}}` must stand on a line of its own"
        );
        let (options, words): (Vec<_>, Vec<_>) = tokens.partition(|token| token.contains('='));
        let options = options.iter().filter_map(|token| token.split_once('='));
        let options = options.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Ok(Some(Directive { name, words, options }))
    }

    /// The one thing that the directive is about.
    pub(crate) fn subject(&self) -> Result<&str> {
        match self.words.as_slice() {
            [subject] => Ok(subject),
            words => bail!("`{}` takes one name, this has {}", self.name, words.len()),
        }
    }

    /// Refuses words after a directive that is about nothing in particular.
    pub(crate) fn no_subject(&self) -> Result<()> {
        ensure!(self.words.is_empty(), "`{}` takes no name", self.name);
        Ok(())
    }

    /// An option's value.
    pub(crate) fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Refuses every option that is not in `known`: a misspelt one would be passed over in silence.
    pub(crate) fn allow_options(&self, known: &[&str]) -> Result<()> {
        for (key, _) in &self.options {
            ensure!(
                known.contains(&key.as_str()),
                "`{}` has no option `{key}`, it knows: {}",
                self.name,
                known.join(", ")
            );
        }
        Ok(())
    }
}

/// Splits at blanks, except between double quotes, which are dropped.
fn tokens(text: &str) -> Result<Vec<String>> {
    let mut tokens = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => tokens.push(String::new()),
            c => tokens.last_mut().context("there is always a token")?.push(c),
        }
    }
    ensure!(!quoted, "a quote is not closed");
    Ok(tokens.into_iter().filter(|token| !token.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::Directive;

    #[test]
    fn words_and_options_are_told_apart() {
        let line = r#"{{#run ch02/see-it step="make a child" first=3}}"#;
        let directive = Directive::parse(line).unwrap().unwrap();
        assert_eq!(directive.subject().unwrap(), "ch02/see-it");
        assert_eq!(directive.option("step"), Some("make a child"));
        assert_eq!(directive.option("first"), Some("3"));
        let refused = directive.allow_options(&["step"]).unwrap_err().to_string();
        assert_eq!(refused, "`run` has no option `first`, it knows: step");
    }

    #[test]
    fn text_escapes_and_mdbooks_own_are_left_alone() {
        for line in ["text", r"\{{#run x}}", "say `{{#run x}}`", "{{#include a.md}}"] {
            assert_eq!(Directive::parse(line).unwrap(), None, "{line}");
        }
    }

    #[test]
    fn half_a_directive_is_an_error() {
        assert!(Directive::parse("{{#run x").is_err());
        assert!(Directive::parse("see {{#run x}}").is_err());
        assert!(Directive::parse(r#"{{#run x step="a}}"#).is_err());
    }
}
