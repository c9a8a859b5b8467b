//! Layers that want out: each is refused with the name of the entry, or stays inside.

use primitives::FileKind;

use crate::archive::{Entry, device, directory, entry, file, link, symlink};
use crate::bed::{Bed, may_be_anybody, words};

/// What comes of a layer.
enum Outcome {
    /// The entry of this name is refused, for a reason with these words in it.
    Refused(&'static str, &'static str),
    /// It is unpacked, and this is in the layer then, of this kind.
    Inside(&'static [(&'static str, FileKind)]),
}

use FileKind::{Directory, Link, Regular};
use Outcome::{Inside, Refused};

/// Cases as data; `CANARY` in a name or a target stands for the absolute path of the canary, less its
/// first slash where it is a name.
fn cases() -> Vec<(&'static str, Vec<Entry>, Outcome)> {
    let up = "../canary";
    vec![
        ("a name that goes up", vec![file("../canary/new", "x")], Refused("../canary/new", "..")),
        ("up after down", vec![file("a/../../canary/f", "x")], Refused("a/../../canary/f", "..")),
        ("up and nowhere else", vec![directory("..")], Refused("..", "..")),
        ("an absolute name", vec![file("/etc/x", "x")], Inside(&[("etc/x", Regular)])),
        ("many slashes", vec![file("//./a//b", "x")], Inside(&[("a/b", Regular)])),
        (
            "a file through a link that goes up",
            vec![symlink("s", up), file("s/f", "x")],
            Refused("s/f", "leads to no directory"),
        ),
        (
            "a file through an absolute link",
            vec![symlink("s", "CANARY"), file("s/f", "x")],
            Refused("s/f", "leads to no directory"),
        ),
        (
            "directories through a link that goes up",
            vec![symlink("s", ".."), directory("s/x/y/z")],
            // Up from the root is the root.
            Inside(&[("x/y/z", Directory), ("s", Link)]),
        ),
        (
            "a file over a link to a file",
            vec![symlink("a", "../canary/f"), file("a", "x")],
            Inside(&[("a", Regular)]),
        ),
        (
            "a file over a hard link",
            vec![file("b", "b"), link("a", "b"), file("a", "x")],
            Inside(&[("a", Regular), ("b", Regular)]),
        ),
        (
            "a directory over a link to a directory",
            vec![symlink("d", "../canary/d"), directory("d").mode(0o700)],
            Inside(&[("d", Directory)]),
        ),
        (
            "permissions by way of a link",
            vec![symlink("a", "CANARY/f"), symlink("a", "CANARY/f").mode(0o666)],
            Inside(&[("a", Link)]),
        ),
        ("a hard link that goes up", vec![link("h", "../canary/f")], Refused("h", "..")),
        ("an absolute hard link", vec![link("h", "CANARY/f")], Refused("h", "not in the layer")),
        (
            "a hard link through a link",
            vec![symlink("s", "../canary"), link("h", "s/f")],
            Refused("h", "not in the layer"),
        ),
        (
            "a hard link to a link, and a file over it",
            vec![symlink("s", "../canary/f"), link("h", "s"), file("h", "x")],
            Inside(&[("h", Regular), ("s", Link)]),
        ),
        (
            "a hard link to a later entry",
            vec![link("h", "f"), file("f", "x")],
            Refused("h", "no earlier entry"),
        ),
        (
            "a hard link to a directory",
            vec![directory("d"), link("h", "d")],
            Refused("h", "one name only"),
        ),
        (
            "a hard link to itself",
            vec![file("h", "x"), link("h", "h")],
            Refused("h", "which it is"),
        ),
        ("a hard link to the root", vec![link("h", "/")], Refused("h", "no earlier entry")),
        ("a link to nothing", vec![symlink("s", "")], Refused("s", "link to nothing")),
        ("a root that is a file", vec![file("/", "x").size(0)], Refused("/", "a directory")),
        ("a root that is a file, as a dot", vec![file(".", "")], Refused(".", "nothing else")),
        ("a root that is a link", vec![symlink("./", "CANARY")], Refused("./", "nothing else")),
        ("a root that is a device", vec![device(b'3', ".", 1, 3)], Refused(".", "nothing else")),
        ("a root without a name", vec![file("", "")], Refused("", "nothing else")),
        ("a root as it should be", vec![directory("./").mode(0o711)], Inside(&[("", Directory)])),
        (
            "a file where a directory with something is",
            vec![directory("d"), file("d/f", "x"), file("d", "x")],
            Refused("d", "with something in it"),
        ),
        (
            "a file where an empty directory is",
            vec![directory("d"), file("d", "x")],
            Inside(&[("d", Regular)]),
        ),
        ("through a file", vec![file("f", "x"), file("f/g", "x")], Refused("f/g", "no directory")),
        (
            "a link that leads in a circle",
            vec![symlink("a", "b"), symlink("b", "a"), file("a/f", "x")],
            Refused("a/f", ""),
        ),
        (
            "var/run, as many images have it",
            vec![
                directory("run"),
                directory("var"),
                symlink("var/run", "/run"),
                file("var/run/pid", "1"),
            ],
            Inside(&[("run/pid", Regular), ("var/run", Link)]),
        ),
        (
            "a link of /proc",
            vec![symlink("p", "/proc/self/root"), file("p/tmp/x", "x")],
            Refused("p/tmp/x", "no directory"),
        ),
        ("a device that is a mark", vec![device(b'3', "c", 0, 0)], Refused("c", "overlayfs")),
        ("a device beyond numbers", vec![device(b'4', "b", 4096, 0)], Refused("b", "no device")),
        ("a device with content", vec![device(b'3', "c", 1, 3).size(9)], Refused("c", "content")),
        ("a type that nobody knows", vec![entry(b'Z', "z")], Refused("z", "\"Z\"")),
        ("a volume's name", vec![entry(b'V', "v")], Refused("v", "\"V\"")),
        (
            "an owner that would be cut",
            vec![file("f", "").owner(1 << 32, 0)],
            Refused("f", "owner"),
        ),
        (
            "an owner that means nobody",
            vec![file("f", "").owner(0, u64::from(u32::MAX))],
            Refused("f", "too large"),
        ),
        (
            "an owner that would be cut, in pax",
            vec![file("f", "").pax("uid", "4294967296")],
            Refused("f", "too large"),
        ),
        ("a name with a zero byte", vec![file("f", "").pax("path", "a\0b")], Refused("f", "zero")),
    ]
}

#[test]
fn every_way_out_is_closed() {
    if !may_be_anybody("every_way_out_is_closed") {
        return;
    }
    for (what, mut entries, outcome) in cases() {
        let bed = Bed::new();
        let canary = bed.canary().to_string_lossy().into_owned();
        for entry in &mut entries {
            let link = String::from_utf8_lossy(&entry.link).replace("CANARY", &canary);
            entry.link = link.into_bytes();
        }
        let result = bed.unpack(&entries);
        match (result, outcome) {
            (Err(error), Refused(name, why)) => {
                let words = words(&error);
                // What is wrong with a header is found before its name is known for certain.
                let named = words.contains(&format!("entry {name:?}")) || words.contains("after");
                assert!(named && words.contains(why), "{what}: {words}");
            }
            (Ok(_), Inside(files)) => {
                for (name, kind) in files {
                    let path = bed.layer().join(name);
                    let is = path.symlink_metadata();
                    let is = is.unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
                    let found = match is {
                        is if is.is_dir() => Directory,
                        is if is.is_symlink() => Link,
                        _ => Regular,
                    };
                    assert_eq!(found, *kind, "{what}: {name}");
                }
            }
            (Ok(_), Refused(..)) => panic!("{what}: it was not refused: {:?}", bed.tree()),
            (Err(error), Inside(_)) => panic!("{what}: {}", words(&error)),
        }
    }
}

/// A program that closes the door behind a name: what is refused leaves nothing outside, and the error
/// has no codes for a terminal in it.
#[test]
fn a_name_with_codes_is_shown_as_text() {
    let bed = Bed::new();
    let error = bed.unpack(&[file("\u{1b}[2J../x", "x"), file("..\u{1b}[2J/..", "x")]).unwrap_err();
    assert!(!words(&error).contains('\u{1b}'), "{error}");
}

/// As by CVE-2021-32760: what has two names has the permissions of the file, and a link none.
#[test]
fn permissions_stay_with_their_file() {
    if !may_be_anybody("permissions_stay_with_their_file") {
        return;
    }
    let bed = Bed::new();
    let entries = [
        symlink("s", "../canary/f"),
        link("h", "s").mode(0o777),
        file("f", "x").mode(0o4711),
        link("g", "f").mode(0o777),
    ];
    bed.unpack(&entries).unwrap();
    let tree = bed.tree();
    assert!(tree[std::path::Path::new("f")].contains("4711"), "{tree:?}");
    assert!(tree[std::path::Path::new("g")].contains("4711"), "{tree:?}");
}
