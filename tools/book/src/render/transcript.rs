//! `{{#run SCENE}}` and its relatives: what was typed, what was printed, and what the kernel was
//! asked meanwhile?

use anyhow::{Context, Result, bail, ensure};

use super::html::{count, escape, fence, quote};
use crate::directive::Directive;
use crate::events::{Selection, requests, text};
use crate::golden::Golden;
use crate::scene::Scene;
use crate::sources::Sources;

/// `{{#run SCENE [step=…] [call=…] [first=N] [trace=no]}}`: command, output and trace.
pub(crate) fn run(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&["step", "call", "first", "trace"])?;
    let (scene, golden) = staged(directive.subject()?, sources)?;
    transcript(scene, &golden, directive)
}

/// `{{#trace SCENE …}}`: the trace alone.
pub(crate) fn trace(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&Selection::OPTIONS)?;
    let (scene, golden) = staged(directive.subject()?, sources)?;
    let part = trace_part(scene, &golden, directive)?;
    Ok(format!("<figure class=\"run\">\n{part}\n</figure>\n"))
}

/// `{{#without SCENE …}}`: a run that fails on purpose, in a caution box.
pub(crate) fn without(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&["step", "call", "first", "trace"])?;
    let (scene, golden) = staged(directive.subject()?, sources)?;
    let refused = golden.events.iter().any(|event| match event {
        trace::Event::Request(record) => !record.outcome.is_success(),
        trace::Event::Step(_) => true,
        trace::Event::State(_) => false,
    });
    // A box that promises a failure over a run in which all went well would teach the wrong thing.
    ensure!(
        refused || scene.exit != 0 || !golden.stderr.is_empty(),
        "nothing in `{}` fails or is left out: use `run`",
        scene.name
    );
    let run = transcript(scene, &golden, directive)?;
    let inner = format!("This fails, and that is the point.\n\n{run}");
    Ok(format!("> [!CAUTION]\n{}\n", quote(&inner)))
}

/// `{{#attack before=SCENE after=SCENE}}`: the same attack twice.
pub(crate) fn attack(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.no_subject()?;
    directive.allow_options(&["before", "after", "step", "call", "first", "trace"])?;
    let mut out = String::new();
    for (key, title) in [("before", "Without the defence"), ("after", "With the defence")] {
        let name =
            directive.option(key).with_context(|| format!("`attack` needs `{key}=SCENE`"))?;
        let (scene, golden) = staged(name, sources)?;
        out.push_str(&format!("**{title}:**\n\n{}\n", transcript(scene, &golden, directive)?));
    }
    Ok(out)
}

fn staged<'a>(name: &str, sources: &'a Sources) -> Result<(&'a Scene, Golden)> {
    Ok((sources.scene(name)?, sources.golden(name)?))
}

fn transcript(scene: &Scene, golden: &Golden, directive: &Directive) -> Result<String> {
    let mut out = format!("<figure class=\"run\">\n{}", command(scene));
    if !golden.stdout.is_empty() {
        out.push_str(&part("prints", &golden.stdout));
    }
    if !golden.stderr.is_empty() {
        // The stepper's questions and what is typed in answer go there.
        let stepped = scene.commands.is_some();
        let title = if stepped { "stops, and is answered" } else { "complains" };
        out.push_str(&part(title, &golden.stderr));
    }
    match directive.option("trace") {
        Some("no") => {}
        None if golden.events.is_empty() => {}
        None => out.push_str(&trace_part(scene, golden, directive)?),
        Some(other) => bail!("`trace={other}`: only `trace=no` is known"),
    }
    if scene.exit != 0 {
        let meaning = exit_meaning(scene.exit);
        let text = format!("ends with exit status <b>{}</b>{meaning}", scene.exit);
        out.push_str(&bar("status", &text));
    }
    out.push_str("\n</figure>\n");
    Ok(out)
}

/// The line that a reader types, with the badge that says where.
fn command(scene: &Scene) -> String {
    let (badge, command) = (scene.badge, escape(&scene.command()));
    let badge = format!("<span class=\"badge badge-{badge}\">{badge}</span>");
    bar("typed", &format!("{badge} <code>{command}</code>"))
}

fn trace_part(scene: &Scene, golden: &Golden, directive: &Directive) -> Result<String> {
    ensure!(!golden.events.is_empty(), "`{}` has no trace", scene.name);
    let picked = Selection::of(directive)?.pick(&golden.events)?;
    let all: Vec<_> = golden.events.iter().collect();
    let (shown, total) = (requests(&picked), requests(&all));
    let title = match shown == total {
        true => "asks the kernel".to_string(),
        false => format!("asks the kernel ({shown} of {})", count(total, "request")),
    };
    Ok(part(&title, &text(&picked)))
}

fn part(title: &str, text: &str) -> String {
    format!("{}\n{}\n", bar("part", title), fence("text", text))
}

/// A line of the frame that is no code.
fn bar(class: &str, html: &str) -> String {
    format!("\n<p class=\"{class}\">{html}</p>\n")
}

fn exit_meaning(code: i32) -> String {
    match code {
        129..=192 => format!(" (128 + signal {})", code - 128),
        _ => String::new(),
    }
}
