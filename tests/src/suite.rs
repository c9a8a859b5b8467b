//! How do tests that are made out of a list report, and how does one say that it was skipped?
//!
//! A test that cannot run here says so, with the reason, and is counted as ignored. Where nothing may
//! be skipped, as in CI (`PORTHOLE_REQUIRE_ALL=1`), it fails instead.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::programs;

/// A test of this name; `body` panics when it fails.
pub fn test(name: impl Into<String>, body: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        body();
        Ok(())
    })
}

/// A test that cannot run here, and why.
pub fn skipped(name: impl Into<String>, reason: &str) -> Trial {
    let reason = reason.to_string();
    if std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1") {
        return Trial::test(name, move || {
            Err(Failed::from(format!("nothing may be skipped here, but this needs {reason}")))
        });
    }
    let name: String = name.into();
    eprintln!("skipped: {name}: needs {reason}");
    Trial::test(name, || Ok(()))
        .with_kind(format!("skipped, needs {reason}"))
        .with_ignored_flag(true)
}

/// Runs the tests that the command line asks for.
pub fn run(trials: Vec<Trial>) -> ExitCode {
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, trials);
    programs::clean_up();
    conclusion.exit_code()
}
