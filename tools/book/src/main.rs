//! How does a book stay true? Every listing, transcript and figure in it is made, not written.
//!
//! Without a subcommand this is an mdBook preprocessor: it expands the directives of the pages from
//! goldens, and runs nothing. `check` runs every scene again and fails on any drift; `bless`
//! accepts what it sees.

mod canon;
mod check;
mod directive;
mod events;
mod golden;
mod links;
mod lint;
mod page;
mod preprocess;
mod programs;
mod redact;
mod render;
mod run;
mod scene;
mod sources;
mod strace;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The book's machinery. Without a subcommand: an mdBook preprocessor.
#[derive(Parser)]
#[command(name = "mdbook-porthole")]
struct Cli {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Asked by mdBook: can pages for this renderer be prepared?
    Supports {
        /// The renderer's name.
        renderer: String,
    },
    /// Run every scene again and check every page; fail on any difference.
    Check(check::CheckArgs),
    /// Run scenes and keep what they show as the new goldens.
    Bless(check::BlessArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().action {
        None => preprocess::run().map(|()| ExitCode::SUCCESS),
        Some(Action::Supports { renderer }) => Ok(preprocess::supports(&renderer)),
        Some(Action::Check(args)) => check::check(&args),
        Some(Action::Bless(args)) => check::bless(&args),
    };
    done.unwrap_or_else(|error| {
        // Not as `Result` from `main`: where RUST_BACKTRACE is set, that prints a page of our own
        // functions below the one line that somebody who writes a page is looking for.
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
