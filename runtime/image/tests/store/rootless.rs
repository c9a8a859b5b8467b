//! Somebody who is not root has a store of their own.

use std::os::unix::fs::{PermissionsExt, chown};

use crate::bench::{Bench, is_root};
use crate::samples::three;

const NOBODY: u32 = 65534;

#[test]
fn another_user_has_another_store() {
    if !is_root() {
        return;
    }
    let bench = Bench::new();
    let home = bench.path("");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
    three().write(&bench.path("layout"));
    // The program may lie where that user cannot look.
    std::fs::copy(env!("CARGO_BIN_EXE_image"), bench.path("image")).unwrap();
    let data = bench.path("data");
    std::fs::create_dir(&data).unwrap();
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    let run = |words: &[&str]| {
        let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-i"];
        let home = format!("XDG_DATA_HOME={}", data.display());
        bench.tool("setpriv", &[&user[..], &[&home, "./image"], words].concat())
    };
    run(&["load", "layout"]);
    assert!(run(&["ls"]).contains("host.example/one:1"));
    assert!(data.join("porthole/index.json").exists());
    run(&["rm", "host.example/one:1"]);
    assert!(run(&["fsck"]).contains("all is well"));
    // Root does not work in a store that somebody else could change under its hands.
    let theirs = data.join("porthole");
    let words = ["-c", "exec 2>&1; ./image --root \"$0\" ls", theirs.to_str().unwrap()];
    let said = std::process::Command::new("sh").args(words).current_dir(home).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("belongs to somebody else"), "{said}");
}
