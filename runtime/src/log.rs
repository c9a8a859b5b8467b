//! What is written into the log that an engine asks for?
//!
//! Errors, in the form of runc's log, where engines look for the last one. With `--debug` also each
//! request to the kernel, so that the debug mode of Docker, Podman and containerd shows them.

use std::fs::OpenOptions;
use std::io::Write;

use bundle::Reading;
use primitives::{Error, Form, WindowArgs};

use crate::cli::{Cli, Global, LogFormat};

/// With `--debug` the trace goes to the log, unless the reader has asked for it elsewhere.
pub(crate) fn watch(cli: &Cli, window: &mut WindowArgs) {
    let global = crate::global(cli);
    if !global.debug || window.trace.is_some() {
        return;
    }
    window.trace = Some(match global.log_format {
        LogFormat::Text => Form::LogText,
        LogFormat::Json => Form::LogJson,
    });
    if window.trace_file.is_none() {
        window.trace_file.clone_from(&global.log);
    }
}

/// Tells of a failure: people on standard error, and engines in the log. The exit code.
pub(crate) fn failed(cli: &Cli, error: &Error) -> u8 {
    let global = crate::global(cli);
    record(global, "error", &error.to_string());
    crate::failure_of(&cli.command)
}

/// Tells of what is odd in a configuration, and does not keep it from being carried out: config.md wants
/// warnings for values that mean nothing to the kernel.
pub(crate) fn remarks(global: &Global, reading: &Reading) {
    for remark in &reading.remarks {
        let text = crate::plain(&remark.to_string());
        match global.log {
            Some(_) => record(global, "warning", &text),
            None => primitives::say(&format!("warning: {text}")),
        }
    }
}

fn record(global: &Global, level: &str, message: &str) {
    if let Err(why) = append(global, level, message) {
        primitives::say(&format!("note: the log could not be written: {why}"));
    }
}

fn append(global: &Global, level: &str, message: &str) -> std::io::Result<()> {
    let Some(path) = &global.log else { return Ok(()) };
    let line = match global.log_format {
        LogFormat::Text => trace::log::text(level, message, &primitives::now()),
        LogFormat::Json => trace::log::json(level, message, &primitives::now()),
    };
    append_line(path, &line)
}

// The log is not part of what the runtime does to the machine, but tells of it.
fn append_line(path: &std::path::Path, line: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).open(path)?.write_all(line.as_bytes())
}
