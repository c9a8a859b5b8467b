//! Does our runtime work where people will use it: below Docker, Podman and containerd?

mod engine;

use std::process::ExitCode;

use libtest_mimic::Trial;
use tests::engines::{self, Engine, Kind};
use tests::places::{Place, has_program};
use tests::suite;

/// A case, under its name.
type Named = (&'static str, fn(&'static Engine));

fn main() -> ExitCode {
    let trials = Kind::ALL.into_iter().flat_map(trials).collect();
    let code = suite::run(trials);
    let left = engines::end();
    left.iter().for_each(|what| eprintln!("left behind by {what}"));
    match left.is_empty() {
        true => code,
        false => ExitCode::FAILURE,
    }
}

fn trials(kind: Kind) -> Vec<Trial> {
    let cases = match kind {
        Kind::Docker => [&engine::cli::CASES[..], &engine::docker::CASES].concat(),
        Kind::Podman => [&engine::cli::CASES[..], &engine::podman::CASES].concat(),
        Kind::Containerd => engine::ctr::CASES.to_vec(),
    };
    cases.into_iter().map(|(name, case)| trial(kind, name, case)).collect()
}

fn trial(kind: Kind, name: &str, case: fn(&'static Engine)) -> Trial {
    let name = format!("engines/{}/{name}", kind.name());
    let (programs, package) = kind.needs();
    match (programs.iter().all(|program| has_program(program)), Place::possible()[0]) {
        (false, _) => suite::skipped(name, package),
        (true, Place::User) => suite::skipped(name, "root"),
        (true, Place::Root) => suite::test(name, move || case(kind.engine())),
    }
}
