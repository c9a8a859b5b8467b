//! Where does the trace go, and what if nobody can take it any more?
//!
//! A closed pipe or a full disk must not end the program that is being watched. But a log with a hole
//! that nobody was told of would be a lie: after the first failure nothing more is written, and the
//! end of the program says so.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use trace::layers::{JsonLayer, LogLayer, PrettyLayer};
use trace::{Pretty, Style};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use crate::cards;
use crate::descriptors::out_of_the_way;
use crate::error::{Error, Result};
use crate::seal;
use crate::timestamp;
use crate::window::args::{Form, WindowArgs};

/// Sets up what is shown and where.
pub(crate) fn show(args: &WindowArgs, form: Form) -> Result<()> {
    let out = match &args.trace_file {
        _ if form == Form::Off => return Ok(()),
        Some(path) => trace_file(path, form)?,
        None => standard_error()?,
    };
    let explain = args.explain.then_some(cards::explain as trace::Explain);
    let style = match args.trace_file {
        Some(_) => Style { width: 80, times: true, explain, ..Style::plain() },
        None => on_terminal(explain),
    };
    let layer = match form {
        Form::Json => JsonLayer::new(out).boxed(),
        Form::LogText => LogLayer::new(out, trace::log::text, timestamp::now).boxed(),
        Form::LogJson => LogLayer::new(out, trace::log::json, timestamp::now).boxed(),
        Form::Pretty | Form::Off => PrettyLayer::new(Pretty::new(style), out).boxed(),
    };
    let only_ours = Targets::new().with_target("porthole", tracing::Level::INFO);
    let registry = tracing_subscriber::registry().with(layer.with_filter(only_ours));
    tracing::subscriber::set_global_default(registry)
        .map_err(|_| Error::Unusable("this program has opened the window already".to_string()))
}

fn trace_file(path: &Path, form: Form) -> Result<TraceOut> {
    let unusable = |e: &dyn std::fmt::Display| {
        Error::Unusable(format!("--trace-file {}: {e}", path.display()))
    };
    let mut options = File::options();
    // A program that is run again goes on with what it has begun.
    match form.is_log() || seal::is_run_again() {
        true => options.create(true).append(true),
        false => options.create(true).write(true).truncate(true),
    };
    let file = options.open(path).map_err(|e| unusable(&e))?;
    let high = out_of_the_way(file.into()).map_err(|e| unusable(&e))?;
    Ok(TraceOut(high.into()))
}

fn standard_error() -> Result<TraceOut> {
    let unusable = |e: &dyn std::fmt::Display| Error::Unusable(format!("standard error: {e}"));
    let copy = io::stderr().as_fd().try_clone_to_owned().map_err(|e| unusable(&e))?;
    out_of_the_way(copy).map(|fd| TraceOut(fd.into())).map_err(|e| unusable(&e))
}

/// What suits standard error as it is: colour on a terminal only, and none with `NO_COLOR`.
fn on_terminal(explain: Option<trace::Explain>) -> Style {
    let terminal = io::stderr().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = if terminal { columns().unwrap_or(80) } else { 80 };
    Style { width: width.clamp(40, 120), colour: terminal && !no_color, times: true, explain }
}

fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Why the trace is incomplete, if it is.
static BROKEN: Mutex<Option<String>> = Mutex::new(None);

/// What is wrong with the trace, if anything.
pub(crate) fn why_incomplete() -> Option<String> {
    BROKEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A file that a trace goes to.
#[derive(Debug)]
pub(crate) struct TraceOut(pub(crate) File);

impl Write for TraceOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut broken = BROKEN.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.is_some() {
            return Err(io::Error::from(ErrorKind::BrokenPipe));
        }
        let result = if nobody_reads(self.0.as_fd()) {
            Err(io::Error::from(ErrorKind::BrokenPipe))
        } else {
            self.0.write_all(bytes).map(|()| bytes.len())
        };
        if let Err(error) = &result {
            *broken = Some(error.to_string());
        }
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a pipe has lost its reader. Writing to it would end this process by SIGPIPE, which is right
/// for its output, and wrong for its trace and its messages: it has work to finish.
fn nobody_reads(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::empty())];
    let error = |flags: PollFlags| flags.contains(PollFlags::POLLERR);
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds[0].revents().is_some_and(error)
}

/// Prints a line on standard error, if there is anybody to read it.
pub fn say(line: &str) {
    if !nobody_reads(io::stderr().as_fd()) {
        eprintln!("{line}");
    }
}
