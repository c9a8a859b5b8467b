//! `{{#statediff SCENE [step=…] [call=…]}}`: what did the requests change in the kernel?

use anyhow::{Result, ensure};
use trace::{Change, Event, Record};

use super::html::cell;
use crate::directive::Directive;
use crate::events::{Selection, show};
use crate::sources::Sources;

/// A table of the changes, each beside the request that it followed.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&Selection::OPTIONS)?;
    let name = directive.subject()?;
    let golden = sources.golden(name)?;
    let picked = Selection::of(directive)?.pick(&golden.events)?;
    let mut rows = String::new();
    let mut asked: Option<&Record> = None;
    for event in picked {
        match event {
            Event::Request(record) => asked = Some(record),
            Event::State(state) => {
                for change in &state.changes {
                    rows.push_str(&row(asked, &state.role, change));
                    // A request stands in the first of its rows only.
                    asked = None;
                }
            }
            Event::Step(_) => {}
        }
    }
    ensure!(
        !rows.is_empty(),
        "`{name}` has no state changes there: run it with `--step` or a probe"
    );
    Ok(format!(
        "<div class=\"statediff\">\n\n| after | in | what | before | now |\n|---|---|---|---|---|\n\
         {rows}\n</div>\n"
    ))
}

fn row(asked: Option<&Record>, role: &str, change: &Change) -> String {
    let value = |arg: &Option<trace::Arg>| match arg {
        Some(arg) => cell(&show(arg)),
        None => "–".to_string(),
    };
    format!(
        "| {} | {role} | {} | {} | {} |\n",
        asked.map_or_else(String::new, |record| cell(&record.call)),
        cell(&show(&change.what)),
        value(&change.before),
        value(&change.after),
    )
}
