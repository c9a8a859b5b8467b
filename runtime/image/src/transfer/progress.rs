//! What does somebody see who waits?

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::model::Descriptor;

/// What happens to a blob, or to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It belongs to what was asked for.
    Known,
    /// It need not be moved.
    WasHere,
    /// It was had from another repository of the same registry.
    Mounted,
    /// Its bytes begin to move, the first of them with this number.
    Begins {
        /// How many were there before.
        at: u64,
    },
    /// So many bytes more have moved.
    Came(u64),
    /// It is unpacked from what is here.
    Unpacks,
    /// It is where it should be, and verified.
    Done,
    /// It is not.
    Failed,
    /// Everything that it consists of is where it should be.
    Whole,
}

/// Who is told. From several threads at once.
pub trait Audience: Send + Sync {
    /// Something has happened to this.
    fn hear(&self, what: &Descriptor, news: News);
    /// Something is waited for.
    fn waits(&self, why: &str);
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Audience for Nobody {
    fn hear(&self, _: &Descriptor, _: News) {}

    fn waits(&self, _: &str) {}
}

/// Lines, for what is no terminal: one for each thing that has come to an end.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

impl Audience for Lines {
    fn hear(&self, what: &Descriptor, news: News) {
        let digest = what.digest.short();
        match news {
            News::WasHere => say(&format!("{digest}: is there already")),
            News::Mounted => say(&format!("{digest}: taken over from another repository")),
            News::Begins { at: 0 } => say(&format!("{digest}: {} bytes", what.size)),
            News::Begins { at } => say(&format!("{digest}: goes on at {at} of {}", what.size)),
            News::Done => say(&format!("{digest}: done")),
            News::Known | News::Came(_) | News::Unpacks | News::Failed | News::Whole => {}
        }
    }

    fn waits(&self, why: &str) {
        say(why);
    }
}

/// JSON Lines, for programs.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Audience for Json {
    fn hear(&self, what: &Descriptor, news: News) {
        let news = match news {
            News::Came(_) => return,
            News::Begins { .. } => "begins",
            News::Known => "known",
            News::WasHere => "was-here",
            News::Mounted => "mounted",
            News::Unpacks => "unpacks",
            News::Done => "done",
            News::Failed => "failed",
            News::Whole => "whole",
        };
        let line = json!({ "digest": what.digest, "size": what.size, "is": news });
        say(&line.to_string());
    }

    fn waits(&self, why: &str) {
        say(&json!({ "waits": why }).to_string());
    }
}

/// To standard error: what a command prints is its result.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A terminal: a line for each blob, with a rate, and one for what is waited for.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Default for Bars {
    fn default() -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Bars { all, bars: Mutex::default() }
    }
}

impl Bars {
    fn bar(&self, what: &Descriptor) -> ProgressBar {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let style =
                "{prefix} {bar:24} {bytes:>10}/{total_bytes:10} {binary_bytes_per_sec:>12}  {msg}";
            let style = ProgressStyle::with_template(style).expect("the template is a constant");
            let bar = self.all.add(ProgressBar::new(what.size));
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(what.digest.short().to_owned());
            bar
        };
        bars.entry(what.digest.to_string()).or_insert_with(new).clone()
    }
}

impl Audience for Bars {
    fn hear(&self, what: &Descriptor, news: News) {
        if news == News::Whole {
            return;
        }
        let bar = self.bar(what);
        match news {
            News::Known => bar.set_message("waits for its turn"),
            News::WasHere => bar.finish_with_message("is there already"),
            News::Mounted => bar.finish_with_message("taken over from another repository"),
            News::Begins { at } => {
                bar.set_position(at);
                bar.reset_eta();
                bar.set_message("");
                bar.enable_steady_tick(Duration::from_millis(200));
            }
            News::Came(bytes) => {
                bar.inc(bytes);
                if bar.position() >= what.size {
                    bar.set_message("verifies");
                }
            }
            News::Unpacks => bar.set_message("unpacks"),
            News::Done => bar.finish_with_message("done"),
            News::Failed => bar.abandon_with_message("failed"),
            News::Whole => {}
        }
    }

    fn waits(&self, why: &str) {
        let _ = self.all.println(why);
    }
}
