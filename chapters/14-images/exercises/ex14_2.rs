//! Exercise 14.2: For this machine (10 minutes)
//!
//! One name, several machines: an index lists a manifest for each. Write a program that chooses.
//!
//! - Read the index in `INDEX`, which is JSON, and find the manifest for `OS/ARCHITECTURE`.
//! - Write its digest into `FILE`, and nothing else: no line feed either.
//! - Both have to fit. There may be the same architecture with another system before it, and entries without a
//!   `platform`.
//! - If there is none for this machine, end with an error that names those which are there, and make no file.
//!
//! Your program is started as `ex14_2 --index INDEX --platform OS/ARCHITECTURE --output FILE`. The grader draws
//! the machines and their order.
//!
//! hint: `index["manifests"]` is a list of descriptors. Which two texts in each of them decide?
//! hint: `manifest["platform"]["os"]` of an entry without a platform is null, and null is no text. With
//!       `as_str()` it becomes `None`, and fits nothing.
//! hint: `manifests.iter().find(|it| name(it).as_deref() == Some(platform))` with a function `name` that gives
//!       `Some(format!("{os}/{architecture}"))` where both are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{Error, Form, Result, Status, WindowArgs, create, step};
use serde_json::Value;

/// Chooses the manifest for a machine.
#[derive(Parser)]
#[command(name = "ex14_2")]
struct Cli {
    /// The index
    #[arg(long, value_name = "INDEX")]
    index: PathBuf,
    /// For which machine
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    platform: String,
    /// Where the digest goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, choose)
}

fn choose(cli: &Cli) -> Result<Status> {
    let index = read(&cli.index)?;
    let none = Vec::new();
    let manifests = index["manifests"].as_array().unwrap_or(&none);
    let digest = digest_for(manifests, &cli.platform).ok_or_else(|| {
        let there: Vec<String> = manifests.iter().filter_map(name).collect();
        Error::Unusable(format!("not for {}, but for {}", cli.platform, there.join(", ")))
    })?;
    step("write the digest", || create(&cli.output, digest.as_bytes(), 0o644, "say what to get"))?;
    Ok(Status::Exited(0))
}

fn read(index: &Path) -> Result<Value> {
    let unread = |error: &dyn std::error::Error| {
        Error::Unusable(format!("{} cannot be read: {error}", index.display()))
    };
    let bytes = fs::read(index).map_err(|error| unread(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| unread(&error))
}

/// For which machine a manifest is.
fn name(manifest: &Value) -> Option<String> {
    let of = |what: &str| manifest["platform"][what].as_str();
    Some(format!("{}/{}", of("os")?, of("architecture")?))
}

fn digest_for(manifests: &[Value], platform: &str) -> Option<String> {
    // STARTER: // The first one is for somebody.
    // STARTER: let _ = platform;
    // STARTER: let chosen = manifests.first()?;
    // SOLUTION
    let chosen = manifests.iter().find(|it| name(it).as_deref() == Some(platform))?;
    // END SOLUTION
    chosen["digest"].as_str().map(String::from)
}
