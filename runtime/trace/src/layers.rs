//! Where does a trace go? Layers for `tracing-subscriber`: to a terminal, or as lines of JSON.

use std::io::Write;
use std::sync::Mutex;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::{Pretty, current, json, log};

/// Prints each event as a person reads it.
pub struct PrettyLayer<W> {
    out: Mutex<(Pretty, W)>,
}

impl<W: Write> PrettyLayer<W> {
    /// A layer that prints to `out` as `pretty` says.
    pub fn new(pretty: Pretty, out: W) -> Self {
        PrettyLayer { out: Mutex::new((pretty, out)) }
    }
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for PrettyLayer<W> {
    fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
        current(|event| {
            let Ok(mut guard) = self.out.lock() else {
                return;
            };
            let (pretty, out) = &mut *guard;
            send(out, &pretty.render(event));
        });
    }
}

/// Writes each event as one line of JSON ([`json`]).
pub struct JsonLayer<W> {
    out: Mutex<W>,
}

impl<W: Write> JsonLayer<W> {
    /// A layer that writes to `out`, one `write` an event.
    pub fn new(out: W) -> Self {
        JsonLayer { out: Mutex::new(out) }
    }
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for JsonLayer<W> {
    fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
        current(|event| {
            let Ok(mut out) = self.out.lock() else { return };
            let mut line = json::line(event);
            line.push('\n');
            send(&mut *out, &line);
        });
    }
}

/// Writes each event as a line of a container runtime's log ([`log`]).
pub struct LogLayer<W> {
    out: Mutex<W>,
    line: fn(&str, &str, &str) -> String,
    now: fn() -> String,
}

impl<W: Write> LogLayer<W> {
    /// A layer that writes to `out`, each event in the form of `line`: [`log::text`] or [`log::json`].
    /// `now` says what time it is.
    pub fn new(out: W, line: fn(&str, &str, &str) -> String, now: fn() -> String) -> Self {
        LogLayer { out: Mutex::new(out), line, now }
    }
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for LogLayer<W> {
    fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
        current(|event| {
            let Ok(mut out) = self.out.lock() else { return };
            let line = (self.line)("debug", &log::message(event), &(self.now)());
            send(&mut *out, &line);
        });
    }
}

/// Writes all of `text` at once, so that lines of several processes stay whole in one file.
///
/// A failure is passed over here: whoever opened `out` knows what it means, and keeps it in mind.
fn send(out: &mut impl Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
