//! What does each directive become?

mod cards;
mod compare;
mod exercise;
mod guide;
mod html;
mod listing;
mod predict;
mod statediff;
mod svg;
mod timeline;
mod transcript;

use anyhow::{Context, Result, bail};

use crate::directive::Directive;
use crate::golden;
use crate::sources::{Sources, read};

/// The Markdown and HTML that stands in place of `directive`.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    match directive.name.as_str() {
        "listing" => listing::render(directive, sources),
        "run" => transcript::run(directive, sources),
        "trace" => transcript::trace(directive, sources),
        "without" => transcript::without(directive, sources),
        "attack" => transcript::attack(directive, sources),
        "statediff" => statediff::render(directive, sources),
        "timeline" => timeline::render(directive, sources),
        "card" => cards::render(directive, sources),
        "predict" => predict::render(directive, sources),
        "compare" => compare::render(directive, sources),
        "exercise" => exercise::render(directive, sources),
        "guide" => guide::render(directive, sources),
        "doctor" => doctor(directive, sources),
        other => bail!("there is no directive `{other}`"),
    }
}

/// The scenes that `directive` shows, so that a scene which nobody shows can be found.
pub(crate) fn scenes_of(directive: &Directive, sources: &Sources) -> Vec<String> {
    let subject = directive.subject().unwrap_or("");
    match directive.name.as_str() {
        "run" | "trace" | "without" | "statediff" | "timeline" => vec![subject.to_string()],
        "attack" => {
            let scenes = ["before", "after"].map(|key| directive.option(key).unwrap_or(""));
            scenes.map(str::to_string).to_vec()
        }
        "predict" => sources.predict(subject).map_or_else(
            |_| Vec::new(),
            |quiz| quiz.option.iter().map(|choice| choice.check.scene.clone()).collect(),
        ),
        "compare" => sources.compare(subject).map_or_else(
            |_| Vec::new(),
            |table| table.beside.iter().chain([&table.ours]).cloned().collect(),
        ),
        _ => Vec::new(),
    }
}

/// What `lab doctor` says of the machine on which it was blessed.
fn doctor(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.no_subject()?;
    directive.allow_options(&[])?;
    let path = golden::folder(&sources.root).join("doctor.md");
    read(&path).context("run `cargo run -p book -- bless doctor`")
}
