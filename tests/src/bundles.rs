//! A bundle, and a container made of it, for a program that needs one.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::places::{NOBODY, Place};
use crate::programs::program;

/// The container's name, in all tests.
pub const NAME: &str = "box";

/// A bundle of chapter 12, with the containers that were made of it.
pub struct Bundle {
    folder: TempDir,
    place: Place,
}

impl Bundle {
    /// What these arguments ask for: `{bundle}` is a bundle, `{hooked}` one with a hook at each moment,
    /// `{created}`, `{waiting}` and `{stopped}` are stores with a container in that state, the second
    /// one with hooks.
    pub fn for_args(args: &[&str], place: Place) -> Option<Bundle> {
        let asks = |token: &str| args.iter().any(|arg| arg.contains(token));
        let tokens = ["{bundle}", "{hooked}", "{created}", "{waiting}", "{stopped}"];
        if !tokens.into_iter().any(asks) {
            return None;
        }
        let hooks: &[&str] = if asks("{hooked}") || asks("{waiting}") { &["--hooks"] } else { &[] };
        let bundle = Bundle::make(place, hooks);
        bundle.silence();
        if asks("{created}") || asks("{waiting}") || asks("{stopped}") {
            bundle.create();
        }
        if asks("{stopped}") {
            bundle.oci(&["kill", NAME, "KILL"]);
            bundle.until_it_is("stopped");
        }
        Some(bundle)
    }

    /// A bundle of somebody in `place`, with what `oci spec` and these flags say.
    pub fn make(place: Place, flags: &[&str]) -> Bundle {
        let folder = TempDir::with_prefix("porthole-bundle-").expect("a folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("one's own folder can be opened to others");
        let bundle = Bundle { folder, place };
        let root = bundle.path().join("rootfs");
        fs::create_dir_all(&root).expect("a folder can be made in one's own");
        if place.is_other_user() {
            for path in [bundle.folder.path(), &bundle.path(), &root] {
                chown(path, Some(NOBODY), Some(NOBODY)).expect("root can give a folder away");
            }
        }
        let chapter5 = program("chapter5", place);
        let (chapter5, root) = (chapter5.to_string_lossy(), root.to_string_lossy());
        bundle.run(&[&chapter5, "--trace", "off", "root", "make", &root]);
        let path = bundle.path().to_string_lossy().into_owned();
        let said = bundle.oci(&[&["spec", "--bundle", &path], flags].concat());
        assert_eq!(said.code, 0, "{}", said.text);
        bundle
    }

    /// Lets its hooks say nothing, so that all that is said is said by the program.
    fn silence(&self) {
        let file = self.path().join("config.json");
        let text = fs::read_to_string(&file).expect("oci spec has written it");
        fs::write(&file, text.replace("\necho ", "\n: ").replace("\\necho ", "\\n: "))
            .expect("it can be written");
    }

    /// Makes the container, in the bundle's own store.
    pub fn create(&self) -> Said {
        self.oci(&["create", "--bundle", &self.path().to_string_lossy(), NAME])
    }

    /// An argument, with what its tokens stand for.
    pub fn fill(&self, arg: &str) -> String {
        let (bundle, store) = (self.path(), self.store());
        let (bundle, store) = (bundle.to_string_lossy(), store.to_string_lossy());
        let arg = arg.replace("{bundle}", &bundle).replace("{hooked}", &bundle);
        arg.replace("{created}", &store).replace("{waiting}", &store).replace("{stopped}", &store)
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    /// Where the containers that were made of it are remembered.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The folder of both.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command of chapter 12 on its own store; what it says, and the container meanwhile.
    pub fn oci(&self, words: &[&str]) -> Said {
        self.oci_by(&[&program("chapter12", self.place).to_string_lossy()], words)
    }

    /// The same by another program, which is named with its first arguments.
    pub fn oci_by(&self, by: &[&str], words: &[&str]) -> Said {
        let store = self.store();
        let common = ["--trace", "off", "oci", "--root", &store.to_string_lossy()];
        self.run(&[by, &common, words].concat())
    }

    /// Waits until the container is in this state.
    pub fn until_it_is(&self, status: &str) {
        let word = format!("\"{status}\"");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.oci(&["state", NAME]).text.contains(&word) {
            assert!(Instant::now() < deadline, "it is never {status}");
            sleep(Duration::from_millis(1));
        }
    }

    /// All that was said by now, by commands and by containers.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    fn run(&self, words: &[&str]) -> Said {
        let before = self.said().len();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).current_dir(self.folder.path());
        if self.place.is_other_user() {
            command.uid(NOBODY).gid(NOBODY);
        }
        // A file and no pipe: what `create` makes would keep that open for as long as it lives.
        let said = || {
            let file =
                File::options().create(true).append(true).open(self.folder.path().join("said"));
            file.expect("a file can be made in one's own folder")
        };
        command.stdout(said()).stderr(said());
        let status = command.status().unwrap_or_else(|e| panic!("{} cannot be run: {e}", words[0]));
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Said { code, text: self.said().split_off(before) }
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Said {
    /// Its exit code, as a shell gives it.
    pub code: i32,
    /// Its output, all of it.
    pub text: String,
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.oci(&["delete", "--force", NAME]);
    }
}

/// Takes a container away that was made in this store, however far it came.
pub fn delete(place: Place, store: &Path) {
    let mut command = Command::new(program("chapter12", place));
    let store = store.to_string_lossy();
    command.args(["--trace", "off", "oci", "--root", &store, "delete", "--force", NAME]);
    if place.is_other_user() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let _ = command.stdin(Stdio::null()).stderr(Stdio::null()).status();
}
