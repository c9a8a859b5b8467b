//! Makes the interface cards out of the doc comments of the primitives.
//!
//! A doc comment that has a line `- man: …` is a card. It is read here once, at build time, so that
//! rustdoc, the book, `--explain` and the hints of error messages all say the same words.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=src");
    let mut files: Vec<_> = fs::read_dir("src")
        .expect("cargo runs build scripts in the package's folder")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect();
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let text = fs::read_to_string(file).expect("a source file is text");
        let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
        cards_of(&text, &name, &mut table);
    }
    table.push_str("]\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("cards.rs"), table).expect("OUT_DIR can be written");
}

/// Appends a card for each documented function of `text` that names its man page.
fn cards_of(text: &str, file: &str, table: &mut String) {
    let mut doc: Vec<&str> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("///") {
            doc.push(words.strip_prefix(' ').unwrap_or(words));
        } else if line.starts_with("pub fn ") {
            let signature = signature(line, &mut lines);
            card(&doc, &signature, file, table);
            doc.clear();
        } else if !line.starts_with("#[") {
            doc.clear();
        }
    }
}

/// The declaration that starts in `first`, on one line and without its body.
fn signature<'a>(first: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> String {
    let mut words = first.to_string();
    while !words.contains('{') {
        let Some(line) = rest.next() else { break };
        let line = line.trim();
        let blank = if words.ends_with('(') || line.starts_with(')') { "" } else { " " };
        write!(words, "{blank}{line}").expect("writing to a String cannot fail");
    }
    words.split('{').next().unwrap_or_default().trim().replace(",)", ")")
}

fn card(doc: &[&str], signature: &str, file: &str, table: &mut String) {
    let Some(man) = item(doc, "man") else { return };
    let since = item(doc, "since").unwrap_or_default();
    let name: String = signature["pub fn ".len()..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let summary: Vec<&str> = doc.iter().copied().take_while(|line| !line.is_empty()).collect();
    let errnos: Vec<(&str, String)> = doc
        .iter()
        .filter_map(|line| line.strip_prefix("- E"))
        .filter_map(|line| line.split_once(": "))
        .map(|(errno, _)| (errno, item(doc, &format!("E{errno}")).unwrap_or_default()))
        .collect();
    let errnos: Vec<(String, String)> =
        errnos.into_iter().map(|(errno, text)| (format!("E{errno}"), text)).collect();
    let summary = summary.join(" ");
    writeln!(
        table,
        "Card {{ primitive: {name:?}, summary: {summary:?}, signature: {signature:?}, man: {man:?}, \
         since: {since:?}, errnos: &{errnos:?}, source: {file:?} }},",
    )
    .expect("writing to a String cannot fail");
}

/// The text after `- NAME: `, with the lines that go on below it.
fn item(doc: &[&str], name: &str) -> Option<String> {
    let start = doc.iter().position(|line| line.starts_with(&format!("- {name}: ")))?;
    let mut text = doc[start][name.len() + 4..].to_string();
    for line in &doc[start + 1..] {
        let Some(more) = line.strip_prefix("  ") else {
            break;
        };
        write!(text, " {}", more.trim()).expect("writing to a String cannot fail");
    }
    Some(text)
}
