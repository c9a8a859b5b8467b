//! How does a program come out of a package?

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::exercise::{Exercise, root};

/// Builds the reference solution, which is an example of its chapter.
pub(crate) fn build_solution(exercise: &Exercise) -> Result<PathBuf> {
    let name = exercise.name();
    build(root(), ["-p", &exercise.package(), "--example", &name], &name)
}

/// Builds the program of a chapter, which some checks need to make namespaces.
pub(crate) fn build_chapter(package: &str) -> Result<PathBuf> {
    build(root(), ["-p", package, "--bin", package], package)
}

/// Builds the package of a starter. All that it needs was fetched for the workspace already, so it
/// is not looked for elsewhere.
pub(crate) fn build_starter(folder: &Path, name: &str) -> Result<PathBuf> {
    build(folder, ["--offline", "--bin", name], name)
}

fn build<const N: usize>(folder: &Path, options: [&str; N], name: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--message-format", "json-render-diagnostics"])
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    ensure!(output.status.success(), "{name} does not build: cargo has said above why");
    let messages = String::from_utf8_lossy(&output.stdout);
    let program = messages.lines().find_map(|line| executable(line, name));
    program.with_context(|| format!("cargo has built no program {name}"))
}

/// The program that a message of cargo tells of, if it has this name.
fn executable(line: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = PathBuf::from(message.get("executable")?.as_str()?);
    (path.file_name() == Some(OsStr::new(name))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn the_program_is_found_in_what_cargo_says() {
        let line = r#"{"reason":"compiler-artifact","executable":"/t/debug/ex2_1"}"#;
        assert_eq!(executable(line, "ex2_1"), Some("/t/debug/ex2_1".into()));
        assert_eq!(executable(line, "ex2_2"), None);
        let library = r#"{"reason":"compiler-artifact","executable":null}"#;
        assert_eq!(executable(library, "ex2_1"), None);
    }
}
