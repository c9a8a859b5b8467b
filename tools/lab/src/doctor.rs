//! What does this machine offer to somebody who wants to build containers on it?
//!
//! [`crate::probes`] finds the facts; here they become a table for people, for the book or for
//! programs, and a yes or no for scripts (`--require`).

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde_json::json;

use crate::probes::{Fact, State, cgroups, identity, kernel, labs};

/// What was found is wrapped at this many characters, so that a table fits into 120.
const FOUND_WIDTH: usize = 44;

/// How the table is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// columns for a terminal
    Text,
    /// a table for the book
    Markdown,
    /// one array of objects
    Json,
}

/// Prints the table; 1 if something of `required` is not there, otherwise 0.
pub(crate) fn report(form: Form, required: &[String]) -> Result<u8> {
    let rooms = [identity::facts(), kernel::facts(), cgroups::facts(), labs::facts()];
    let facts: Vec<Fact> = rooms.into_iter().flatten().collect();
    let missing = missing(&facts, required)?;
    let text = match form {
        Form::Text => text(&facts),
        Form::Markdown => markdown(&facts),
        Form::Json => format!("{:#}\n", json(&facts)),
    };
    // A reader that has seen enough (`| head`) is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    for fact in &missing {
        eprintln!("lab: {} is required: {}. {}", fact.name, fact.found, advice(fact));
    }
    Ok(u8::from(!missing.is_empty()))
}

/// The required facts that are not fully there.
fn missing<'a>(facts: &'a [Fact], required: &[String]) -> Result<Vec<&'a Fact>> {
    let mut missing = Vec::new();
    for name in required {
        let fact = facts.iter().find(|fact| fact.name == name).with_context(|| {
            let names: Vec<&str> = facts.iter().map(|fact| fact.name).collect();
            format!("the doctor knows no {name:?}; it knows {}", names.join(", "))
        })?;
        if fact.state != State::Yes {
            missing.push(fact);
        }
    }
    Ok(missing)
}

fn advice(fact: &Fact) -> String {
    match fact.fix.as_str() {
        "" => "Nothing that can be installed changes this.".to_owned(),
        fix => format!("Try: {fix}"),
    }
}

/// A word, because a colour or a sign alone is not for everybody.
fn word(state: State) -> &'static str {
    match state {
        State::Yes => "yes",
        State::Partly => "partly",
        State::No => "no",
        State::Unknown => "?",
    }
}

fn text(facts: &[Fact]) -> String {
    let mut table = row("", "what", "found", "what it is for");
    for fact in facts {
        let mut lines = wrap(&fact.found, FOUND_WIDTH).into_iter();
        let first = lines.next().unwrap_or_default();
        table += &row(word(fact.state), fact.name, &first, fact.means);
        for line in lines {
            table += &row("", "", &line, "");
        }
        if !fact.fix.is_empty() {
            table += &row("", "", &format!("→ {}", fact.fix), "");
        }
    }
    table
}

fn row(state: &str, name: &str, found: &str, means: &str) -> String {
    let line = format!("{state:7} {name:17} {found:FOUND_WIDTH$} {means}");
    format!("{}\n", line.trim_end())
}

/// Lines of at most `width` characters, cut between words where that is possible.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.chars().count() + word.len() < width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn markdown(facts: &[Fact]) -> String {
    let mut table = String::from("| | what | found | what it is for | if it is missing |\n");
    table += "|---|---|---|---|---|\n";
    for fact in facts {
        let fix = match fact.fix.as_str() {
            "" => String::new(),
            fix => format!("`{fix}`"),
        };
        let cells = [word(fact.state), fact.name, &fact.found, fact.means, &fix];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        table += &format!("| {} |\n", cells.join(" | "));
    }
    table
}

fn json(facts: &[Fact]) -> serde_json::Value {
    let objects = facts.iter().map(|fact| {
        json!({
            "name": fact.name,
            "state": if fact.state == State::Unknown { "unknown" } else { word(fact.state) },
            "found": fact.found,
            "means": fact.means,
            "fix": fact.fix,
        })
    });
    objects.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Vec<Fact> {
        vec![
            Fact::new("kernel", State::Yes, "6.1", "the kernel"),
            Fact::new("strace", State::No, "not a|there", "a witness").or_else("install it"),
        ]
    }

    #[test]
    fn what_is_required_must_be_there() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(missing(&facts(), &names(&["kernel"])).unwrap().is_empty());
        assert_eq!(missing(&facts(), &names(&["kernel", "strace"])).unwrap().len(), 1);
        assert!(missing(&facts(), &names(&["nonsense"])).is_err());
    }

    #[test]
    fn the_text_has_a_line_a_fact_and_one_for_the_fix() {
        let text = text(&facts());
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("→ install it"));
    }

    #[test]
    fn a_table_for_the_book_escapes_its_bars() {
        assert!(
            markdown(&facts())
                .ends_with("| no | strace | not a\\|there | a witness | `install it` |\n")
        );
    }

    #[test]
    fn long_lines_are_cut_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("averyveryverylongword", 5), ["", "averyveryverylongword"]);
    }
}
