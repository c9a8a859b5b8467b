//! Does a container stand in its own root, whatever the root was made to be?
//!
//! Run with `in BUNDLE`, this program is the runtime itself: nothing but the root of a container, and
//! a program in it. Each case runs it on a bundle that it has made.
#![expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod bed;
mod hostile;
mod ordinary;
mod races;
mod run;
mod sharing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use libtest_mimic::{Arguments, Trial};
use primitives::WindowArgs;

/// Runs the program of a bundle in its root.
#[derive(Parser)]
struct In {
    #[command(flatten)]
    window: WindowArgs,
    #[arg(long)]
    no_pivot: bool,
    /// Mounts two hierarchies of cgroup v1 where the configuration asks for cgroups.
    #[arg(long)]
    cgroups_v1: bool,
    bundle: PathBuf,
    program: Vec<String>,
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("in") => run::main(&In::parse_from(std::env::args().skip(1))),
        _ => test(),
    }
}

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$(Trial::test(concat!(stringify!($module), "::", stringify!($name)), || {
            $module::$name();
            Ok(())
        })),*]
    };
}

fn test() -> ExitCode {
    let cases = cases![
        ordinary::the_mounts_of_runc,
        ordinary::devices_and_links,
        ordinary::devices_of_the_configuration,
        ordinary::covered_paths,
        ordinary::an_ordinary_user,
        ordinary::an_ordinary_user_without_a_network_of_its_own,
        ordinary::sources_that_the_user_namespace_cannot_reach,
        ordinary::what_the_host_forbids_stays_forbidden,
        ordinary::binds,
        ordinary::a_link_to_what_is_not_there,
        ordinary::other_owners,
        ordinary::a_tmpfs_that_begins_with_what_it_hides,
        ordinary::a_tmpfs_has_the_mode_of_what_it_hides,
        ordinary::what_is_filled_is_closed,
        ordinary::a_second_word_on_a_mount,
        ordinary::options_longer_than_fsconfig_takes,
        ordinary::nothing_comes_over_proc,
        ordinary::no_pivot,
        ordinary::a_root_that_is_no_directory,
        ordinary::a_wrong_option_is_told_in_the_words_of_the_kernel,
        sharing::a_root_that_is_shared,
        sharing::other_propagations_of_the_root,
        sharing::cgroups_of_version_one,
        ordinary::a_dev_of_the_host_is_left_alone,
        ordinary::devices_stay_where_dev_is_the_roots_own,
        hostile::every_path_is_something_else,
        hostile::every_path_is_something_else_in_a_user_namespace,
        hostile::a_null_that_is_none,
        races::between_any_two_requests,
        races::between_any_two_requests_in_a_user_namespace,
    ];
    let cases = cases.into_iter().map(|case| match missing(case.name()) {
        None => case,
        Some(reason) => skipped(case.name(), reason),
    });
    libtest_mimic::run(&Arguments::from_args(), cases.collect()).exit_code()
}

/// What a case needs that is not here.
fn missing(case: &str) -> Option<&'static str> {
    let no_v1 = || !Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists();
    if primitives::own_ids().0 != 0 {
        return Some("root, to make devices and files of other owners");
    }
    match case {
        "sharing::cgroups_of_version_one" if no_v1() => Some("hierarchies of cgroup v1"),
        "ordinary::other_owners" if !ordinary::owners_can_be_shown() => {
            Some("a file system for temporary files that can show other owners")
        }
        _ => None,
    }
}

fn skipped(name: &str, reason: &str) -> Trial {
    let reason = reason.to_string();
    if std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1") {
        return Trial::test(name, move || Err(format!("nothing may be skipped: {reason}").into()));
    }
    eprintln!("skipped: {name}: needs {reason}");
    Trial::test(name, || Ok(())).with_ignored_flag(true)
}
