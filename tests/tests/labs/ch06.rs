//! Chapter 6: layers.

#![expect(clippy::unwrap_used, reason = "a test whose own files cannot be read fails")]

mod attacks;
mod stacks;
mod tars;
mod tree;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;
use tempfile::TempDir;
use tests::places::{NOBODY, Place, has_user_namespaces};
use tests::running::{Ran, Run};
use tests::suite;

/// A test of this chapter, under its name.
type Named = (&'static str, fn(Place));

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let named = stacks::TESTS.iter().chain(tars::TESTS).chain(attacks::TESTS);
    let trial = |(name, test): &Named| {
        let (name, test) = (format!("labs/{}/ch6/{name}", place.name()), *test);
        match has_user_namespaces(place) {
            true => suite::test(name, move || test(place)),
            false => suite::skipped(name, "user namespaces"),
        }
    };
    named.map(trial).collect()
}

/// A folder on a disk, for several programs to work in.
struct Folder {
    place: Place,
    folder: TempDir,
}

impl Folder {
    fn new(place: Place) -> Folder {
        let folder = TempDir::with_prefix("porthole-layers-").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let new = Folder { place, folder };
        new.give(new.folder.path());
        new
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A new directory, of whoever runs the programs.
    fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        self.give(&path);
        path
    }

    /// A new file, of whoever runs the programs.
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if self.place.is_other_user() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// Runs chapter6 without a trace, and expects that all goes well.
    fn layer(&self, args: &[&str]) -> Ran {
        let ran = self.try_layer(args);
        assert_eq!(ran.code, 0, "chapter6 layer {args:?}: {}", ran.stderr);
        ran
    }

    fn try_layer(&self, args: &[&str]) -> Ran {
        let run = Run::new(self.place, "chapter6").untraced().flags(["--trace", "off", "layer"]);
        let ran = run.args(args).go();
        assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
        ran
    }

    /// Runs another program as whoever runs the programs; a user is root of their own.
    fn other(&self, words: &[&str]) {
        let mut command = Command::new(if self.place == Place::User { "unshare" } else { "env" });
        if self.place == Place::User {
            command.arg("--map-root-user");
        }
        command.args(words).current_dir(self.folder.path());
        if self.place.is_other_user() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
    }
}
