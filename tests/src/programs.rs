//! Where are the programs that are tested?
//!
//! `PORTHOLE_BIN` names a folder with all of them; without it they are built, once, as `cargo build`
//! would, so that a test never runs against yesterday's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use crate::places::Place;

static BUILT: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os("PORTHOLE_BIN") {
    Some(folder) => PathBuf::from(folder),
    None => build(),
});

/// A folder with copies that every user may run: the workspace may lie in somebody's private home.
static SHARED: OnceLock<PathBuf> = OnceLock::new();

/// The program of this name, where somebody in `place` may run it.
pub fn program(name: &str, place: Place) -> PathBuf {
    match place.is_other_user() {
        true => shared(name),
        false => BUILT.join(name),
    }
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("this package lies in the workspace").to_path_buf()
}

/// Removes what was copied. Called once, at the end of a suite.
pub fn clean_up() {
    if let Some(folder) = SHARED.get() {
        let _ = fs::remove_dir_all(folder);
    }
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--bins", "--workspace"])
        .current_dir(workspace())
        .status()
        .expect("cargo can be run, as it runs this test");
    assert!(status.success(), "the programs that are to be tested do not build");
    let own = std::env::current_exe().expect("a program has a path");
    // target/PROFILE/PROGRAM, or target/PROFILE/deps/TEST
    let folder = own.parent().expect("a program lies in a folder");
    let above = folder.parent().filter(|_| folder.ends_with("deps"));
    above.unwrap_or(folder).to_path_buf()
}

/// The copy of a program, made when somebody asks for it first: all of them do not fit into a small lab.
fn shared(name: &str) -> PathBuf {
    static COPYING: Mutex<()> = Mutex::new(());
    let _alone = COPYING.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = SHARED.get_or_init(make_folder).join(name);
    if !copy.exists() {
        // By another process: a file that is open for writing, be it in a child of another thread that
        // has not become its program yet, cannot be run.
        let status = Command::new("cp").arg("--").arg(BUILT.join(name)).arg(&copy).status();
        assert!(status.is_ok_and(|status| status.success()), "{name} cannot be copied for others");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("the copy is ours");
    }
    copy
}

fn make_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("porthole-tests-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files is there");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}
