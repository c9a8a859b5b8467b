//! GNU tar is asked: what it writes of a random tree, unpacks to that tree again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use image::model::Compression;
use image::unpack::{Budget, Manner, layer};
use primitives::{Timestamp, lchown, link, lsetxattr, mkfifo, utimensat};
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use crate::bed::{may_be_anybody, tree};

#[derive(Clone, Debug)]
enum What {
    File(Vec<u8>),
    Hollow(Vec<u64>),
    Directory,
    Link(String),
    Second,
    Fifo,
}

#[derive(Clone, Debug)]
struct Node {
    what: What,
    mode: u32,
    owner: (u32, u32),
    time: (i64, u32),
    attribute: Option<Vec<u8>>,
}

fn node() -> impl Strategy<Value = Node> {
    let what = prop_oneof![
        4 => vec(any::<u8>(), 0..2000).prop_map(What::File),
        1 => vec(0_u64..40, 0..5).prop_map(What::Hollow),
        4 => proptest::strategy::Just(What::Directory),
        2 => "[a-z./ ]{1,120}".prop_map(What::Link),
        1 => proptest::strategy::Just(What::Second),
        1 => proptest::strategy::Just(What::Fifo),
    ];
    let owner = (prop_oneof![0..3_u32, 0..4_000_000_u32], 0..3_u32);
    let time = (-100_000_i64..4_000_000_000, 0..1_000_000_000_u32);
    let attribute = proptest::option::of(vec(any::<u8>(), 1..50));
    (what, 0..0o10000_u32, owner, time, attribute).prop_map(
        |(what, mode, owner, time, attribute)| Node { what, mode, owner, time, attribute },
    )
}

/// Names with all that makes names hard: length, blanks, newlines, no UTF-8.
fn trees() -> impl Strategy<Value = BTreeMap<String, Node>> {
    let name = prop_oneof![4 => "[a-c]", 1 => "[ -.0-~\n]{1,40}", 1 => "[a-zé]{100,110}"];
    let path = vec(name, 1..4).prop_map(|parts| parts.join("/"));
    btree_map(path, node(), 0..25)
}

/// Makes the tree as far as it fits together: what is below a file is left out.
fn plant(root: &Path, nodes: &BTreeMap<String, Node>) {
    let mut directories: Vec<(PathBuf, &Node)> = Vec::new();
    let mut last: Option<PathBuf> = None;
    for (name, node) in nodes {
        if name.split('/').any(|part| part == "." || part == "..") {
            continue;
        }
        let path = root.join(name);
        let parent = path.parent().unwrap();
        if fs::create_dir_all(parent).is_err() || path.symlink_metadata().is_ok() {
            continue;
        }
        match &node.what {
            What::File(content) => fs::write(&path, content).unwrap(),
            What::Hollow(places) => {
                use std::os::unix::fs::FileExt;
                let file = fs::File::create(&path).unwrap();
                file.set_len(200 << 10).unwrap();
                places.iter().for_each(|place| file.write_all_at(b"x", place * 5000).unwrap());
            }
            What::Directory => fs::create_dir(&path).unwrap(),
            What::Link(target) => symlink(target, &path).unwrap(),
            What::Second => match &last {
                Some(first) => link(first, &path, "test").unwrap(),
                None => continue,
            },
            What::Fifo => mkfifo(&path, 0o600, "test").unwrap(),
        }
        match node.what {
            What::Directory => directories.push((path, node)),
            What::Second => {}
            What::File(_) => {
                settle(&path, node);
                last = Some(path);
            }
            _ => settle(&path, node),
        }
    }
    directories.iter().rev().for_each(|(path, node)| settle(path, node));
}

fn settle(path: &Path, node: &Node) {
    lchown(path, node.owner.0, node.owner.1, "test").unwrap();
    if !path.is_symlink() {
        fs::set_permissions(path, fs::Permissions::from_mode(node.mode)).unwrap();
        let carries = path.is_dir() || path.is_file();
        if let Some(value) = node.attribute.as_ref().filter(|_| carries) {
            lsetxattr(path, "user.test", value, "test").unwrap();
        }
    }
    let time = Timestamp { seconds: node.time.0, nanos: node.time.1 };
    utimensat(path, time, "test").unwrap();
}

#[test]
fn what_tar_writes_is_what_we_read() {
    if !may_be_anybody("what_tar_writes_is_what_we_read") {
        return;
    }
    let forms: [&[&str]; 6] = [
        &["--format=pax", "--xattrs"],
        &["--format=pax", "--xattrs", "--sparse", "--sparse-version=1.0"],
        &["--format=pax", "--xattrs", "--sparse", "--sparse-version=0.1"],
        &["--format=pax", "--xattrs", "--sparse", "--sparse-version=0.0"],
        &["--format=gnu"],
        &["--format=gnu", "--sparse"],
    ];
    let mut runner =
        TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&(trees(), 0..forms.len()), |(nodes, form)| {
        check(&nodes, forms[form]);
        Ok(())
    });
    checked.unwrap();
}

fn check(nodes: &BTreeMap<String, Node>, form: &[&str]) {
    let bed = tempfile::tempdir().unwrap();
    let [from, archive, to] = ["from", "archive", "to"].map(|name| bed.path().join(name));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    plant(&from, nodes);
    let mut tar = Command::new("tar");
    tar.args(form).args(["--numeric-owner", "--sort=name", "-C"]).arg(&from).arg("-cf");
    assert!(tar.arg(&archive).arg(".").status().unwrap().success());
    let stream = fs::File::open(&archive).unwrap();
    let manner = Manner::of_this_process();
    layer(stream, Compression::None, &to, &Budget::default(), &manner).unwrap();
    let (mut expected, mut found) = (tree(&from, false), tree(&to, false));
    if !form.contains(&"--xattrs") {
        // GNU's own form has whole seconds and no attributes.
        [&mut expected, &mut found].into_iter().for_each(forget);
    }
    similar(&expected, &found);
}

fn forget(tree: &mut BTreeMap<PathBuf, String>) {
    for described in tree.values_mut() {
        if let Some(place) = described.find(" user.test=") {
            described.truncate(place);
        }
        let is_nanos = |place: &usize| {
            let digits = described.as_bytes().get(place + 1..place + 10);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        };
        let mut points = described.match_indices('.').map(|(place, _)| place);
        let point = points.rfind(is_nanos).unwrap();
        described.replace_range(point..point + 10, "");
    }
}

fn similar(expected: &BTreeMap<PathBuf, String>, found: &BTreeMap<PathBuf, String>) {
    for (path, described) in expected {
        assert_eq!(Some(described), found.get(path), "{path:?}");
    }
    assert_eq!(expected.len(), found.len());
}
