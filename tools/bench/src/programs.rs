//! What does it cost to watch a whole program, beside strace?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{head, row};

/// The program that is watched: nine requests in two processes, then `true`.
const ARGS: [&str; 5] = ["unshare", "-rpf", "--mount-proc", "--", "true"];

/// Prints the table.
pub(crate) fn compare(rounds: usize) -> Result<()> {
    let chapter2 = beside_me("chapter2")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("out").to_string_lossy().into_owned();
    let ours = |flags: &[&str]| command(&chapter2, flags);
    let strace = ["strace", "-f", "-o", &file].map(str::to_string).to_vec();
    let rows: Vec<(&str, Vec<String>)> = vec![
        (
            "unshare of util-linux",
            command("unshare", &[])[..1].iter().chain(&args()).cloned().collect(),
        ),
        ("chapter2, --trace off", ours(&["--trace", "off"])),
        ("chapter2, --trace json", ours(&["--trace", "json", "--trace-file", &file])),
        ("chapter2, --trace pretty", ours(&["--trace", "pretty", "--trace-file", &file])),
        ("chapter2, --trace off, strace -f", [strace, ours(&["--trace", "off"])].concat()),
    ];
    let mut samples = vec![Vec::new(); rows.len()];
    for _ in 0..rounds {
        for ((name, words), samples) in rows.iter().zip(&mut samples) {
            samples.push(time(words, folder.path()).with_context(|| (*name).to_string())?);
        }
    }
    head(&format!("chapter2 {}", ARGS.join(" ")));
    let mut base = 0.0;
    for ((name, _), samples) in rows.iter().zip(&mut samples) {
        let median = row(name, samples, "ms", base);
        base = if base == 0.0 { median } else { base };
    }
    Ok(())
}

/// What `unshare` of util-linux takes: the same, without the name of the subcommand.
fn args() -> Vec<String> {
    ARGS[1..].iter().map(|arg| arg.to_string()).collect()
}

fn command(program: &str, flags: &[&str]) -> Vec<String> {
    [program].iter().chain(flags).chain(&ARGS).map(|word| word.to_string()).collect()
}

/// Another program of the workspace, built with the same profile.
pub(crate) fn beside_me(name: &str) -> Result<String> {
    let path: PathBuf = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} is not built: cargo build --release", path.display());
    Ok(path.to_string_lossy().into_owned())
}

/// How long a program takes in a folder, in milliseconds; it must end with 0.
pub(crate) fn time(words: &[String], folder: &Path) -> Result<f64> {
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}
