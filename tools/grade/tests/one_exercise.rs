//! Does a check work from end to end? The whole self-test is `grade all --selftest`; this is one
//! exercise, and fast.

use std::path::PathBuf;
use std::process::{Command, Output};

/// An example of a chapter, where cargo has built it beside this test's own program.
fn example(name: &str) -> Option<PathBuf> {
    let grade = PathBuf::from(env!("CARGO_BIN_EXE_grade"));
    let path = grade.with_file_name("examples").join(name);
    if path.exists() {
        return Some(path);
    }
    let wanted = std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!wanted, "{name} is not built: cargo build -p chapter1 --examples");
    eprintln!("skipped: {name} is not built (cargo build -p chapter1 --examples)");
    None
}

fn check(exercise: &str, program: &str) -> Output {
    let grade = env!("CARGO_BIN_EXE_grade");
    let mut command = Command::new(grade);
    command.args(["check", exercise, "--program", program]);
    command.output().expect("grade was built for this test")
}

#[test]
fn a_solution_passes() {
    let Some(program) = example("ex1_1") else {
        return;
    };
    let output = check("1.1", program.to_str().unwrap());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("not yet"), "{said}");
}

#[test]
fn a_program_that_does_nothing_does_not() {
    let output = check("1.1", "/bin/true");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not yet  CMD runs in a process of its own"), "{said}");
    assert!(said.contains("--seed"), "{said}");
}
