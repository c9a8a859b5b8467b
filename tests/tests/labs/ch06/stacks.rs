//! What lies where after a program has worked in a stack?

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use primitives::{lgetxattr, lsetxattr};
use tests::places::Place;
use tests::running::Run;

use super::tree::{assert_same, copy};
use super::{Folder, Named};

pub(super) const TESTS: &[Named] = &[
    ("stack/classic", |place| names_with_commas(place, "classic")),
    ("stack/new", |place| names_with_commas(place, "new")),
    ("stack/the-uppermost-wins", the_uppermost_wins),
    ("stack/as-util-linux", as_util_linux),
    ("stack/shared-lower", shared_lower),
    ("stack/copy-up-on-a-disk", copy_up_on_a_disk),
    ("diff/letters", letters),
    ("diff/whiteouts-as-attributes", whiteouts_as_attributes),
    ("turn/diff-commit-apply", there_and_back),
    ("turn/apply-overlay-stack", marked_and_stacked),
];

/// Directories whose names would end an option or a layer.
fn names_with_commas(place: Place, api: &str) {
    let folder = Folder::new(place);
    for (name, file) in [("a,b", "one"), ("c:d", "two"), ("e\\f", "three")] {
        folder.directory(name);
        folder.file(&format!("{name}/{file}"), file);
    }
    let upper = folder.directory("u,p:p\\er");
    let work = folder.directory("w,o:r\\k");
    let lowers = ["a,b", "c:d", "e\\f"].map(|name| folder.text(name));
    let mut args = vec!["stack", "--api", api];
    args.extend(lowers.iter().map(String::as_str));
    let (upper_text, work_text) = (upper.to_string_lossy(), work.to_string_lossy());
    args.extend(["--upper", &upper_text, "--work", &work_text, "--", "sh", "-c"]);
    args.push("cat one two three; echo ONE > one; rm two; echo new > new");
    let ran = folder.layer(&args);
    assert_eq!(ran.stdout, "onetwothree");
    assert_eq!(fs::read_to_string(upper.join("one")).unwrap(), "ONE\n");
    assert_eq!(fs::read_to_string(folder.path("a,b/one")).unwrap(), "one", "it was only read");
    let two = upper.join("two").symlink_metadata().unwrap();
    assert!(two.file_type().is_char_device() && two.rdev() == 0, "a whiteout");
    assert!(folder.path("c:d/two").exists(), "it was only hidden");
    assert!(!upper.join("three").exists(), "nobody touched it");
}

fn the_uppermost_wins(place: Place) {
    let folder = Folder::new(place);
    for name in ["high", "low"] {
        folder.directory(name);
        folder.file(&format!("{name}/who"), name);
    }
    for api in ["classic", "new"] {
        let (high, low) = (folder.text("high"), folder.text("low"));
        let ran = folder.layer(&["stack", "--api", api, &high, &low, "--", "cat", "who"]);
        assert_eq!(ran.stdout, "high");
        let ran = folder.layer(&["stack", "--api", api, &low, &high, "--", "cat", "who"]);
        assert_eq!(ran.stdout, "low");
    }
}

/// The one mount(2) of util-linux and ours, as strace sees them.
fn as_util_linux(place: Place) {
    let folder = Folder::new(place);
    let names = ["lower", "upper", "work", "merged"].map(|name| {
        folder.directory(name);
        folder.text(name)
    });
    let [lower, upper, work, merged] = &names;
    let log = folder.file("log", "").to_string_lossy().into_owned();
    let watch = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=mount", "-o", &log];
    let seen = || {
        let text = fs::read_to_string(&log).unwrap();
        let line = text.lines().find(|line| line.contains("\"overlay\"")).unwrap_or("").to_string();
        let options = line.rsplit_once(", \"").map_or("", |(_, rest)| rest).to_string();
        assert!(options.ends_with("\") = 0"), "{text}");
        options
    };
    let args = ["layer", "stack", lower, "--upper", upper, "--work", work, "--", "true"];
    let run = Run::new(place, "chapter6").untraced().flags(["--trace", "off"]);
    let ran = run.under(watch).args(args).go();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ours = seen();
    let mut options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    if place == Place::User {
        options.push_str(",userxattr");
    }
    let mut words: Vec<&str> = watch.to_vec();
    words.extend(["unshare", "--mount"]);
    words.extend(["mount", "-t", "overlay", "overlay", "-o", &options, merged]);
    folder.other(&words);
    assert_eq!(ours, seen());
}

/// Two containers on one lower layer, on a disk: what one writes, the other does not see.
fn shared_lower(place: Place) {
    let folder = Folder::new(place);
    folder.directory("lower");
    folder.file("lower/file", "lower");
    for name in ["one", "two"] {
        folder.directory(&format!("{name}-upper"));
        folder.directory(&format!("{name}-work"));
        let [lower, upper, work] = ["lower", &format!("{name}-upper"), &format!("{name}-work")]
            .map(|name| folder.text(name));
        let script = format!("cat file; printf {name} > file");
        let ran = folder.layer(&[
            "stack", &lower, "--upper", &upper, "--work", &work, "--", "sh", "-c", &script,
        ]);
        assert_eq!(ran.stdout, "lower");
    }
    assert_eq!(fs::read_to_string(folder.path("lower/file")).unwrap(), "lower");
    assert_eq!(fs::read_to_string(folder.path("one-upper/file")).unwrap(), "one");
    assert_eq!(fs::read_to_string(folder.path("two-upper/file")).unwrap(), "two");
}

/// On a disk too, the whole file is written for one byte, and none of it for being read.
fn copy_up_on_a_disk(place: Place) {
    let folder = Folder::new(place);
    folder.directory("lower");
    folder.file("lower/big", &"a".repeat(4 << 20));
    let (upper, _) = (folder.directory("upper"), folder.directory("work"));
    let [lower, up, work] = ["lower", "upper", "work"].map(|name| folder.text(name));
    let stack = |script: &str| {
        let args = ["stack", &lower, "--upper", &up, "--work", &work, "--", "sh", "-c", script];
        folder.layer(&args);
    };
    stack("cat big > /dev/null");
    assert!(!upper.join("big").exists());
    stack("printf b | dd of=big conv=notrunc status=none");
    let big = upper.join("big").metadata().unwrap();
    assert_eq!(big.len(), 4 << 20);
    assert!(big.blocks() * 512 >= 4 << 20, "{} blocks", big.blocks());
}

/// A lower layer, and what a program makes of it.
fn changed(folder: &Folder) {
    for name in ["lower", "lower/d", "lower/kept", "upper", "work"] {
        folder.directory(name);
    }
    for name in ["lower/changed", "lower/gone", "lower/d/old", "lower/kept/below"] {
        folder.file(name, name);
    }
    let script = "echo more >> changed; rm gone; rm -r d; mkdir d; echo new > d/new; \
                  ln -s changed link; ln d/new again; chmod 4711 changed; cp -a . ../../../$1";
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| folder.text(name));
    let merged = folder.text("merged");
    let script = script.replace("../../../$1", &merged);
    folder.layer(&["stack", &lower, "--upper", &upper, "--work", &work, "--", "sh", "-c", &script]);
}

fn letters(place: Place) {
    let folder = Folder::new(place);
    changed(&folder);
    let opaque =
        if place == Place::Root { "trusted.overlay.opaque" } else { "user.overlay.opaque" };
    assert_eq!(lgetxattr(&folder.path("upper/d"), opaque).unwrap().as_deref(), Some(&b"y"[..]));
    let ran = folder.layer(&["diff", &folder.text("lower"), &folder.text("upper")]);
    assert_eq!(
        ran.stdout,
        "A again  (file of 4 bytes)\n\
         C changed  (file of 18 bytes)\n\
         C d  (directory)\n\
         O d  (hides what the layers below have in it)\n\
         A d/new  (another name of again)\n\
         D gone  (whiteout)\n\
         A link  (symbolic link to changed)\n"
    );
    let alone = folder.layer(&["diff", &folder.text("upper")]);
    assert!(alone.stdout.contains("+ changed") && alone.stdout.contains("D gone"), "{alone:?}");
}

/// In a stack that lies in another one no devices can mean deletion: Linux 6.7 has attributes for it.
fn whiteouts_as_attributes(place: Place) {
    let folder = Folder::new(place);
    let upper = folder.directory("upper");
    let (gone, empty) = (folder.file("upper/gone", ""), folder.file("upper/empty", ""));
    lsetxattr(&gone, "user.overlay.whiteout", b"", "mark a file as deleted").unwrap();
    lsetxattr(&empty, "user.other", b"", "have an attribute that says nothing").unwrap();
    let ran = folder.layer(&["diff", &upper.to_string_lossy()]);
    assert_eq!(ran.stdout, "+ empty  (file of 0 bytes)\nD gone  (whiteout)\n");
}

/// What a stack shows is what its upper layer, packed, makes of a copy of the lower one.
fn there_and_back(place: Place) {
    let folder = Folder::new(place);
    changed(&folder);
    folder.layer(&["commit", &folder.text("upper"), "-o", &folder.text("layer.tar")]);
    copy(&folder.path("lower"), &folder.path("copy"));
    folder.layer(&["apply", &folder.text("layer.tar"), &folder.text("copy")]);
    assert_same(&folder.path("merged"), &folder.path("copy"), "applied to a copy");
    assert!(!folder.path("copy/gone").exists() && !folder.path("copy/d/old").exists());
}

/// The same layer, laid down in overlayfs's own form and stacked, shows the same.
fn marked_and_stacked(place: Place) {
    let folder = Folder::new(place);
    changed(&folder);
    folder.layer(&["commit", &folder.text("upper"), "-o", &folder.text("layer.tar")]);
    let marked = folder.directory("marked");
    folder.layer(&["apply", "--overlay", &folder.text("layer.tar"), &marked.to_string_lossy()]);
    let gone = marked.join("gone").symlink_metadata().unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0, "a whiteout");
    let seen = folder.text("seen");
    let copied =
        ["stack", &marked.to_string_lossy(), &folder.text("lower"), "--", "cp", "-a", ".", &seen];
    folder.layer(&copied);
    assert_same(&folder.path("merged"), Path::new(&seen), "stacked");
    let again = folder.text("again.tar");
    folder.layer(&["commit", &marked.to_string_lossy(), "-o", &again]);
    let bytes = |name: &str| fs::read(folder.path(name)).unwrap();
    assert!(bytes("layer.tar") == bytes("again.tar"), "the same layer is the same bytes");
    let listed = Command::new("tar").args(["-tf", &again]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(".wh.gone"));
}
