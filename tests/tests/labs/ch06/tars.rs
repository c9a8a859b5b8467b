//! Is a layer that was packed and laid down again the same, and do others read it as we do?

use std::fs;
use std::io::Write;

use tests::places::Place;
use tests::running::Run;

use super::tree::{Chance, assert_same, copy, grow, read};
use super::{Folder, Named};

pub(super) const TESTS: &[Named] = &[
    ("tar/generated-trees", generated_trees),
    ("tar/same-bytes", same_bytes),
    ("tar/gnu-reads-ours", gnu_reads_ours),
    ("tar/we-read-gnu", we_read_gnu),
    ("tar/over-another", over_another),
    ("tar/killed", killed),
    ("tar/not-overwritten", not_overwritten),
];

/// Trees that nobody has thought of, there and back.
fn generated_trees(place: Place) {
    for seed in 0..24 {
        let folder = Folder::new(place);
        let (tree, back) = (folder.directory("tree"), folder.directory("back"));
        grow(&folder, &tree, &mut Chance(seed));
        folder.layer(&["commit", &folder.text("tree"), "-o", &folder.text("layer.tar")]);
        folder.layer(&["apply", &folder.text("layer.tar"), &folder.text("back")]);
        assert_same(&tree, &back, &format!("seed {seed}"));
    }
}

fn same_bytes(place: Place) {
    let folder = Folder::new(place);
    let tree = folder.directory("tree");
    grow(&folder, &tree, &mut Chance(99));
    copy(&tree, &folder.path("other"));
    for name in ["tree", "other"] {
        let layer = folder.text(&format!("{name}.tar"));
        folder.layer(&["commit", &folder.text(name), "-o", &layer]);
    }
    let bytes = |name: &str| fs::read(folder.path(name)).unwrap();
    assert!(bytes("tree.tar") == bytes("other.tar"), "the same tree, in the same bytes");
}

fn gnu_reads_ours(place: Place) {
    let folder = Folder::new(place);
    let (tree, back) = (folder.directory("tree"), folder.directory("back"));
    grow(&folder, &tree, &mut Chance(7));
    folder.layer(&["commit", &folder.text("tree"), "-o", &folder.text("layer.tar")]);
    let (layer, to) = (folder.text("layer.tar"), folder.text("back"));
    folder.other(&["tar", "-xpf", &layer, "--xattrs", "--xattrs-include=*", "-C", &to]);
    assert_same(&tree, &back, "unpacked by GNU tar");
}

fn we_read_gnu(place: Place) {
    let folder = Folder::new(place);
    let tree = folder.directory("tree");
    grow(&folder, &tree, &mut Chance(7));
    let xattrs = ["--format=posix", "--xattrs", "--xattrs-include=*"];
    let from = folder.text("tree");
    let pack = |name: &str, options: &[&str]| {
        let layer = folder.text(name);
        let mut words = vec!["tar", "-cf", &layer];
        words.extend(options);
        words.extend(["-C", &from, "."]);
        folder.other(&words);
        folder.directory(&format!("{name}.d"));
        folder.layer(&["apply", &layer, &folder.text(&format!("{name}.d"))]);
    };
    pack("posix.tar", &xattrs);
    assert_same(&tree, &folder.path("posix.tar.d"), "packed by GNU tar");
    pack("posix.tar.gz", &[&xattrs[..], &["-z"]].concat());
    assert_same(&tree, &folder.path("posix.tar.gz.d"), "packed and compressed by GNU tar");
    // The older format has no room for nanoseconds and attributes; all files are there.
    pack("old.tar", &["--format=gnu"]);
    let names = |name: &str| read(&folder.path(name)).into_keys().collect::<Vec<_>>();
    assert_eq!(names("tree"), names("old.tar.d"));
}

/// A tree over another one: where both have something, the layer's is left.
fn over_another(place: Place) {
    for seed in 50..58 {
        let folder = Folder::new(place);
        let (below, above) = (folder.directory("below"), folder.directory("above"));
        grow(&folder, &below, &mut Chance(seed));
        grow(&folder, &above, &mut Chance(seed + 1000));
        folder.layer(&["commit", &folder.text("above"), "-o", &folder.text("layer.tar")]);
        folder.layer(&["apply", &folder.text("layer.tar"), &folder.text("below")]);
        let (laid, wanted) = (read(&below), read(&above));
        for (path, about) in &wanted {
            assert_eq!(laid.get(path), Some(about), "seed {seed}: {path:?}");
        }
        folder.layer(&["apply", &folder.text("layer.tar"), &folder.text("below")]);
        assert_eq!(read(&below), laid, "seed {seed}: applied twice");
    }
}

/// Killed at any of its requests, it leaves the whole layer or nothing, and no other file.
fn killed(place: Place) {
    let folder = Folder::new(place);
    let upper = folder.directory("upper");
    folder.file("upper/file", "content");
    let mut whole = 0;
    for number in 1..=8 {
        let at = format!("parent:{number}");
        let run = Run::new(place, "chapter6").flags(["--kill-at", &at]);
        let output = run.folder().join("layer.tar").to_string_lossy().into_owned();
        let args = ["layer", "commit", &upper.to_string_lossy(), "-o", &output];
        let (ran, kept) = run.args(args).go_and_keep();
        let named = kept.path().join("layer.tar").exists();
        let others = ran.left_behind.iter().filter(|what| *what != "file layer.tar");
        assert_eq!(others.count(), 0, "killed at {at}: {:?}", ran.left_behind);
        assert_eq!(named, ran.code == 0, "killed at {at}: exit code {}", ran.code);
        whole += usize::from(named);
    }
    assert!((1..8).contains(&whole), "{whole} of 8 runs were not killed");
}

fn not_overwritten(place: Place) {
    let folder = Folder::new(place);
    folder.directory("upper");
    let layer = folder.path("layer.tar");
    fs::File::create(&layer).unwrap().write_all(b"precious").unwrap();
    let ran = folder.try_layer(&["commit", &folder.text("upper"), "-o", &folder.text("layer.tar")]);
    assert_eq!(ran.code, 125);
    assert!(ran.error().contains("is there already"), "{}", ran.stderr);
    assert_eq!(fs::read(&layer).unwrap(), b"precious");
}
