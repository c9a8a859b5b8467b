//! Files of this machine, in layers that GNU tar has made, unpacked by us, by umoci and by podman: every
//! file is the same, to its attributes and its last nanosecond.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::archive::{archive, directory, file, link, symlink};
use crate::bed::{Tree, may_be_anybody, tree};
use crate::image::Made;

/// Layers of this machine's files, and one that changes what they have.
fn layers() -> Vec<Vec<u8>> {
    let tar = |paths: &[&str]| {
        let mut tar = Command::new("tar");
        tar.args(["--format=pax", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", "/"]);
        // Those that only root may read are nobody's business in a test that prints what differs.
        tar.args(["--exclude=etc/shadow*", "--exclude=etc/gshadow*", "--exclude=etc/ssl/private"]);
        let output = tar.args(["-c", "--"]).args(paths).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let changes = archive(&[
        directory("etc"),
        file("etc/.wh.passwd", ""),
        file("etc/hostname", "changed"),
        // Podman gives a directory that a layer only uses the time of now.
        directory("usr/share/zoneinfo"),
        directory("usr/share/zoneinfo/Africa").mode(0o700).owner(5, 6),
        file("usr/share/zoneinfo/Africa/.wh..wh..opq", ""),
        file("usr/share/zoneinfo/Africa/New", "x").mode(0o4755),
        // Podman gives the file what its second name says: so both say the same here.
        link("usr/share/zoneinfo/Africa/Second", "usr/share/zoneinfo/Africa/New").mode(0o4755),
        symlink("usr/share/zoneinfo/Europe", "Africa"),
    ]);
    vec![
        tar(&["etc", "usr/share/zoneinfo"]),
        tar(&["usr/share/perl5/Debian", "bin", "usr/bin/env"]),
        changes,
    ]
}

#[test]
fn others_unpack_the_same() {
    if !may_be_anybody("others_unpack_the_same") {
        return;
    }
    let made = Made::of_archives(&layers(), "{}");
    assert_eq!(made.image(&["unpack", "test", "ours"]), (Some(0), String::new()));
    let ours = tree(&made.path("ours"), false);
    fs::create_dir(made.path("mounted")).unwrap();
    assert_eq!(made.image(&["mount", "test", "mounted"]), (Some(0), String::new()));
    let mounted = tree(&made.path("mounted"), false);
    assert_eq!(made.image(&["umount", "mounted"]), (Some(0), String::new()));
    must_be_same("overlayfs", &ours, &mounted);
    must_be_same("umoci", &ours, &by_umoci(&made));
    must_be_same("podman", &ours, &by_podman(&made));
}

fn by_umoci(made: &Made) -> Tree {
    let image = format!("{}:test", made.store().display());
    run(Command::new("umoci").args(["unpack", "--image", &image]).arg(made.path("umoci")));
    tree(&made.path("umoci/rootfs"), false)
}

fn by_podman(made: &Made) -> Tree {
    let podman = |arguments: &[&str]| {
        let mut podman = Command::new("podman");
        podman.args(["--storage-driver", "vfs", "--root"]).arg(made.path("podman"));
        podman.arg("--runroot").arg(made.path("podman-run")).args(arguments);
        run(&mut podman)
    };
    let to = format!(
        "containers-storage:[vfs@{}+{}]localhost/test:test",
        made.path("podman").display(),
        made.path("podman-run").display()
    );
    let from = format!("oci:{}:test", made.store().display());
    run(Command::new("skopeo").args(["copy", "--quiet", &from, &to]));
    let root = PathBuf::from(podman(&["image", "mount", "localhost/test:test"]));
    let tree = tree(&root, false);
    podman(&["image", "umount", "localhost/test:test"]);
    tree
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// But for the root itself, and directories that no layer has an entry for: they have the time when
/// they were made.
fn must_be_same(by: &str, ours: &Tree, theirs: &Tree) {
    let implied = ["", "usr", "usr/bin", "usr/share", "usr/share/perl5"].map(Path::new);
    for (path, described) in ours {
        if !implied.contains(&path.as_path()) {
            assert_eq!(Some(described), theirs.get(path), "{path:?} by {by}");
        }
    }
    let more: Vec<_> = theirs.keys().filter(|path| !ours.contains_key(*path)).collect();
    assert!(more.is_empty(), "{by} has more: {more:?}");
    assert!(ours.len() > 1000, "this machine has more than {} files", ours.len());
}
