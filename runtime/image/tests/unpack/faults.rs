//! Refused or killed at any request: nothing is visible that is not whole, nothing is left where it was
//! not asked for, and the same command succeeds afterwards.

use std::fs;

use crate::archive::{Entry, device, directory, entry, file, link, symlink};
use crate::bed::{may_be_anybody, tree};
use crate::image::Made;

/// One of each kind.
fn layers() -> Vec<Vec<Entry>> {
    vec![
        vec![
            directory("d").mode(0o2755).owner(1, 2),
            file("d/f", "x".repeat(1000)).mode(0o4755).owner(3, 4),
            file("d/carries", "x").pax("SCHILY.xattr.user.a", "b"),
            symlink("s", "d"),
            file("s/through", "x"),
            link("d/second", "d/f"),
            entry(b'6', "fifo"),
            device(b'3', "null", 1, 3),
            file("implied/f", "x"),
            file("f", "first"),
            file("f", "second"),
        ],
        vec![file("d/.wh.f", ""), directory("implied"), file("implied/.wh..wh..opq", "")],
    ]
}

/// How many requests there are, by a trace.
fn requests(made: &Made, arguments: &[&str]) -> usize {
    let (code, said) = made.image(&[&["--trace", "json"], arguments].concat());
    assert_eq!(code, Some(0), "{said}");
    said.lines().filter(|line| line.contains(r#""role":"unpacker""#)).count()
}

fn must_be_clean(made: &Made, what: &str) {
    // Whoever opens the store sweeps out what was left.
    let (code, said) = made.image(&["ls"]);
    assert_eq!(code, Some(0), "{what}: {said}");
    let layers = fs::read_dir(made.store().join("layers/sha256")).unwrap();
    for layer in layers.map(|layer| layer.unwrap()) {
        let name = layer.file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{what}: half a layer is left: {name}");
        assert!(tree(&layer.path(), false).len() > 2, "{what}: {name} is not whole");
    }
}

fn sweep(flag: &str, value: impl Fn(usize) -> String) {
    let count = requests(&Made::new(&layers(), "{}"), &["unpack", "test", "out"]);
    assert!(count > 60, "only {count} requests were seen");
    // Every request of one command would take a minute; those that are left out are others each time.
    let first = usize::try_from(std::process::id()).unwrap() % 4;
    for number in (1 + first..=count).step_by(4) {
        let made = Made::new(&layers(), "{}");
        let value = value(number);
        let (code, said) = made.image(&[flag, &value, "unpack", "test", "out"]);
        assert_ne!(code, Some(0), "{flag} {value}: {said}");
        must_be_clean(&made, &format!("{flag} {value}"));
        fs::remove_dir_all(made.path("out")).unwrap();
        let again = made.image(&["unpack", "test", "out"]);
        assert_eq!(again, (Some(0), String::new()), "after {flag} {value}");
    }
}

#[test]
fn killed_at_any_request() {
    if may_be_anybody("killed_at_any_request") {
        sweep("--kill-at", |number| format!("unpacker:{number}"));
    }
}

#[test]
fn refused_at_any_request() {
    if may_be_anybody("refused_at_any_request") {
        sweep("--fail-at", |number| format!("unpacker:{number}=EIO"));
    }
}
