//! The cases of the runtime specification, from the command line: a list, a table, one case.

use std::process::ExitCode;

use clap::Parser;
use tests::conformance::runtimes::Runtime;
use tests::conformance::verdict::judge;
use tests::conformance::{cases, clean_up, host, matrix};
use tests::places::Place;
use tests::programs;

/// Tries runtimes against the runtime specification.
#[derive(Parser)]
struct Cli {
    /// Print a table in Markdown: every runtime of this machine, root and an ordinary user
    #[arg(long)]
    matrix: bool,
    /// Print the cases and the sections that they are about
    #[arg(long, conflicts_with = "matrix")]
    list: bool,
    /// porthole, runc or crun
    #[arg(long, default_value = "porthole", value_parser = runtime)]
    runtime: Runtime,
    /// As an ordinary user
    #[arg(long)]
    rootless: bool,
    /// Only cases whose names begin so
    #[arg(default_value = "")]
    filter: String,
}

fn runtime(name: &str) -> Result<Runtime, String> {
    Runtime::of_name(name).ok_or_else(|| format!("{name} is none of porthole, runc, crun"))
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let code = match (cli.matrix, cli.list) {
        (true, _) => {
            matrix::print(&cli.filter);
            ExitCode::SUCCESS
        }
        (_, true) => list(&cli.filter),
        _ => run(&cli),
    };
    clean_up();
    programs::clean_up();
    code
}

fn list(filter: &str) -> ExitCode {
    for case in cases::all().iter().filter(|case| case.name.starts_with(filter)) {
        println!("{:<40} {}", case.name, case.section);
    }
    ExitCode::SUCCESS
}

/// What came out of each case, also what is listed.
fn run(cli: &Cli) -> ExitCode {
    let place = if cli.rootless { Place::User } else { Place::possible()[0] };
    let mut code = ExitCode::SUCCESS;
    for case in cases::all().iter().filter(|case| case.name.starts_with(&cli.filter)) {
        if !case.is_for(place) || (case.lacks)().is_some() {
            continue;
        }
        let verdict = judge(case, cli.runtime, place);
        let name = format!("{}/{}/{}", host(place), cli.runtime.name, case.name);
        match verdict.complaint() {
            Some(complaint) => {
                println!("FAILED {name} ({})\n{complaint}", case.section);
                code = ExitCode::FAILURE;
            }
            None => println!("ok     {name}"),
        }
        for (failure, entry) in &verdict.listed {
            println!("  listed: {failure}\n    because {}", entry.why);
        }
    }
    code
}
