//! Which file is the program that a scene names, and is it up to date?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The binaries of the workspace, by name.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    ours: BTreeMap<String, PathBuf>,
    /// Those that do not compile.
    broken: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Programs {
    /// Asks cargo which binaries there are, and builds those that are named in `wanted`: a stale
    /// binary would be compared with the golden in place of the code that the page cites.
    pub(crate) fn build(root: &Path, wanted: &BTreeSet<String>) -> Result<Programs> {
        let mut programs = Programs { ours: binaries(root)?, broken: BTreeSet::new() };
        let names: Vec<&String> = wanted.iter().filter(|name| programs.is_ours(name)).collect();
        if names.is_empty() || build(root, &names)? {
            return Ok(programs);
        }
        // One chapter that does not compile must not keep the others from being checked.
        for name in names {
            if !build(root, &[name])? {
                programs.broken.insert(name.clone());
            }
        }
        Ok(programs)
    }

    /// Whether the workspace has a binary called `name`.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        self.ours.contains_key(name)
    }

    /// The binary of the workspace called `name`; `None` when the system may have one.
    ///
    /// # Errors
    /// When it is ours and does not compile.
    pub(crate) fn ours(&self, name: &str) -> Result<Option<&Path>> {
        ensure!(!self.broken.contains(name), "`{name}` does not compile");
        Ok(self.ours.get(name).map(PathBuf::as_path))
    }
}

fn binaries(root: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let metadata = metadata(root)?;
    let folder = metadata.target_directory.join("debug");
    let targets = metadata.packages.into_iter().flat_map(|package| package.targets);
    let binaries = targets.filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    Ok(binaries.map(|target| (target.name.clone(), folder.join(target.name))).collect())
}

/// Whether all binaries called `names` could be built.
fn build(root: &Path, names: &[&String]) -> Result<bool> {
    let mut cargo = cargo(root);
    cargo.args(["build", "--quiet"]);
    for name in names {
        cargo.args(["--bin", name]);
    }
    Ok(cargo.status().context("cargo build")?.success())
}

/// The file that a shell would run for `name`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    SYSTEM_PATH.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Where programs of the system are looked for, the same on every machine.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn metadata(root: &Path) -> Result<Metadata> {
    let args = ["metadata", "--no-deps", "--format-version", "1"];
    let output = cargo(root).args(args).output().context("cargo metadata")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the output of cargo metadata")
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}
