//! A store in a folder of its own, the program that works on it, and other tools.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with a store in it.
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { folder: TempDir::with_prefix("porthole-images-").unwrap() }
    }

    /// A place in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image"));
        command.arg("--root").arg(self.root()).args(args).current_dir(self.folder.path());
        command
    }

    /// What the program says when it does something, and it must do it.
    pub(crate) fn does(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "image {args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The error of the program, which must not do it.
    pub(crate) fn refuses(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        let said = said(&output);
        assert!(!output.status.success(), "image {args:?} succeeded: {said}");
        assert!(!said.contains("panicked"), "image {args:?}: {said}");
        said
    }

    /// That nothing is wrong with the store.
    pub(crate) fn is_well(&self) {
        self.does(&["fsck"]);
    }

    /// The names in the store.
    pub(crate) fn names(&self) -> Vec<String> {
        self.does(&["ls", "--quiet"]).lines().map(str::to_string).collect()
    }

    /// The digest that a name stands for.
    pub(crate) fn digest(&self, name: &str) -> String {
        let all: serde_json::Value =
            serde_json::from_str(&self.does(&["ls", "--format", "json"])).unwrap();
        let all = all.as_array().unwrap();
        let found = all.iter().find(|image| image["name"] == name).unwrap();
        found["digest"].as_str().unwrap().to_string()
    }

    /// What another tool says, which must succeed.
    pub(crate) fn tool(&self, name: &str, args: &[&str]) -> String {
        let mut command = Command::new(name);
        command.args(args).current_dir(self.folder.path()).env("TMPDIR", self.folder.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{name} {args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A fresh copy of another bench's store.
    pub(crate) fn copy_of(other: &Bench) -> Bench {
        let bench = Bench::new();
        bench.tool("cp", &["-a", other.root().to_str().unwrap(), "root"]);
        bench
    }

    /// Files and folders below the store that are not finished, or that anybody else may look into.
    pub(crate) fn oddities(&self) -> Vec<String> {
        let mut odd = Vec::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o7777;
            if mode != 0o700 && !folder.starts_with(self.root().join("layers/sha256")) {
                odd.push(format!("{} has mode {mode:o}", folder.display()));
            }
            for entry in fs::read_dir(&folder).unwrap().flatten() {
                let (path, is) = (entry.path(), entry.metadata().unwrap());
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') {
                    odd.push(path.display().to_string());
                }
                match is.is_dir() {
                    true => folders.push(path),
                    false if is.permissions().mode() & 0o7777 != 0o600 => {
                        odd.push(format!(
                            "{} has mode {:o}",
                            path.display(),
                            is.permissions().mode()
                        ));
                    }
                    false => {}
                }
            }
        }
        odd
    }
}

/// All that a program has said.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?} {}{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// Whether a program is here. Where nothing may be skipped it must be.
pub(crate) fn has(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    if !found {
        skip(&format!("the program {name}"));
    }
    found
}

/// Whether this is root, who may mount.
pub(crate) fn is_root() -> bool {
    let root = primitives::own_ids().0 == 0;
    if !root {
        skip("root, who may mount");
    }
    root
}

/// Says that a test cannot run here.
pub(crate) fn skip(reason: &str) {
    let required = std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "nothing may be skipped here, but this needs {reason}");
    eprintln!("skipped: needs {reason}");
}

/// Everything in a folder, by its path and content.
pub(crate) fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut all, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    all.push((name, fs::read(&path).unwrap()));
                }
            }
        }
    }
    all.sort();
    all
}
