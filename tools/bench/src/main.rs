//! What does the window cost?
//!
//! All figures of one table come from one run, one after the other and round by round, because a
//! machine that others use too is faster or slower from minute to minute: only ratios can be compared.

mod container;
mod gate;
mod image;
mod programs;
mod runtime;
mod timer;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the programs of the workspace beside others. Build it with --release.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One request through the gate, beside the same call without it: nanoseconds
    Gate {
        /// Rounds; the best and the median are shown
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// A whole program, not watched, watched, and under strace: milliseconds
    Programs {
        /// Rounds; the best and the median are shown
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// A container from nothing to its end, beside the least that it can cost: milliseconds. As root
    Container {
        /// Rounds; the best and the median are shown
        #[arg(long, default_value_t = 40)]
        rounds: usize,
    },
    /// Our runtime beside others' and the least that a container can cost: milliseconds, memory. As root
    Runtime(runtime::Wanted),
    /// A pull of a real image, beside other pullers and tar: seconds, memory. As root
    Image(image::Wanted),
    /// Run commands that come on standard input, and print what they cost (used by `runtime`)
    #[command(hide = true)]
    Timer,
    /// Make requests in one way and print how many nanoseconds one took (used by `gate`)
    #[command(hide = true)]
    Loop {
        #[arg(value_enum)]
        way: gate::Way,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().what {
        What::Gate { rounds } => gate::compare(rounds),
        What::Programs { rounds } => programs::compare(rounds),
        What::Container { rounds } => container::compare(rounds),
        What::Runtime(wanted) => runtime::compare(&wanted),
        What::Image(wanted) => image::compare(&wanted),
        What::Timer => timer::serve(),
        What::Loop { way } => gate::run(way),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One row of a table: the best and the median of all rounds.
fn row(name: &str, samples: &mut [f64], unit: &str, base: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let (best, median) = (samples[0], samples[samples.len() / 2]);
    let base = if base == 0.0 { median } else { base };
    println!("{name:<44} {best:>9.2} {median:>9.2} {unit:<3} {:>7.2}×", median / base);
    median
}

fn head(what: &str) {
    println!("{what:<44} {:>9} {:>9} {:<3} {:>8}", "best", "median", "", "ratio");
}
