//! What a layer says is gone becomes what overlayfs understands, and nothing is removed for it.

use std::path::Path;

use crate::archive::{directory, file, symlink};
use crate::bed::{Bed, may_be_anybody, words};

#[test]
fn what_is_gone_is_gone_below() {
    if !may_be_anybody("what_is_gone_is_gone_below") {
        return;
    }
    let bed = Bed::new();
    let entries = [
        file(".wh.top", ""),
        directory("a"),
        file("a/.wh.file", ""),
        // Its own entries are not meant, before or after.
        file("a/before", "x"),
        file("a/.wh.before", ""),
        file("a/.wh.after", ""),
        file("a/after", "x"),
        // A directory that is gone and is there again hides all that it had.
        file(".wh.again", ""),
        directory("again"),
        directory("known"),
        file("known/f", "x"),
        file(".wh.known", ""),
        directory("opaque"),
        file("opaque/first", "x"),
        file("opaque/.wh..wh..opq", ""),
        file("opaque/second", "x"),
        file(".wh.implied", ""),
        file("implied/f", "x"),
    ];
    bed.unpack(&entries).unwrap();
    let tree = bed.tree();
    let is = |name: &str| tree[Path::new(name)].as_str();
    for name in ["top", "a/file"] {
        assert!(is(name).starts_with("c 0:0"), "{name}: {}", is(name));
    }
    for name in ["a/before", "a/after", "known/f", "opaque/first", "opaque/second", "implied/f"] {
        assert!(is(name).starts_with("file"), "{name}: {}", is(name));
    }
    for name in ["again", "known", "opaque", "implied"] {
        assert!(is(name).ends_with("trusted.overlay.opaque=\"y\""), "{name}: {}", is(name));
    }
    for name in ["again", "known", "opaque"] {
        assert!(is(name).contains(" 1000000000.0"), "{name}: {}", is(name));
    }
    assert!(!is("a").contains("overlay"), "{}", is("a"));
    assert!(!tree.keys().any(|path| path.to_string_lossy().contains(".wh.")), "{tree:?}");
}

#[test]
fn names_that_are_reserved_are_refused() {
    for (what, entries, name) in [
        ("no name", vec![file(".wh.", "")], ".wh."),
        ("the directory itself", vec![file(".wh..", "")], ".wh.."),
        ("the directory above", vec![file("a/.wh...", "")], "a/.wh..."),
        ("another of its kind", vec![file(".wh..wh.plnk", "")], ".wh..wh.plnk"),
        ("a directory", vec![directory(".wh.a")], ".wh.a"),
        ("a link", vec![symlink(".wh.a", "../canary")], ".wh.a"),
        ("below", vec![file(".wh.a/b", "")], ".wh.a/b"),
        ("with content", vec![file(".wh.a", "x")], ".wh.a"),
        ("opaque with content", vec![file(".wh..wh..opq", "x")], ".wh..wh..opq"),
        ("through a link", vec![symlink("s", "../canary"), file("s/.wh.f", "")], "s/.wh.f"),
        (
            "opaque through a link",
            vec![symlink("s", "../canary/d"), file("s/.wh..wh..opq", "")],
            "s/.wh..wh..opq",
        ),
    ] {
        let error = Bed::new().unpack(&entries).expect_err(what);
        assert!(
            words(&error).contains(&format!("entry {name:?} of the layer is refused")),
            "{error}"
        );
    }
}
