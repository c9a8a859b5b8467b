//! A store in a folder of its own, and what others could have done to it.

#![expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::{Arrival, Error, Receiving, Store};
use crate::digest::Digest;
use crate::model::{Descriptor, MediaType};

fn store() -> (TempDir, Store) {
    let folder = TempDir::with_prefix("porthole-store-").unwrap();
    let store = Store::open(&folder.path().join("root")).unwrap();
    (folder, store)
}

fn named(text: &str) -> crate::reference::Reference {
    text.parse().unwrap()
}

fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::Other("x/y".to_string()), bytes)
}

fn awaited(store: &Store, wanted: &Descriptor) -> Receiving {
    match store.receive(wanted).unwrap() {
        Arrival::Awaited(receiving) => receiving,
        Arrival::AlreadyHere => panic!("{} is not here yet", wanted.digest),
    }
}

fn put(store: &Store, bytes: &[u8]) -> Descriptor {
    let descriptor = blob(bytes);
    store.put(bytes, &descriptor.digest).unwrap();
    descriptor
}

#[test]
fn a_blob_is_read_as_it_was_put() {
    let (_folder, store) = store();
    let hello = put(&store, b"hello");
    assert!(store.has(&hello));
    assert_eq!(store.read(&hello, 5).unwrap(), b"hello");
    assert!(store.read(&hello, 4).is_err(), "more was read than was asked for");
    assert!(matches!(store.put(b"hell", &hello.digest), Err(Error::Spoiled { .. })));
    assert!(matches!(store.read(&blob(b"other"), 9), Err(Error::Missing(_))));
    assert!(fs::read_dir(store.root().join("ingest")).unwrap().next().is_none());
}

#[test]
fn what_was_changed_on_the_disk_is_not_read() {
    let (_folder, store) = store();
    let hello = put(&store, b"hello");
    fs::write(store.blob(&hello.digest), "hellp").unwrap();
    assert!(matches!(store.read(&hello, 9), Err(Error::Spoiled { .. })));
    fs::remove_file(store.blob(&hello.digest)).unwrap();
    symlink("/etc/passwd", store.blob(&hello.digest)).unwrap();
    assert!(!store.has(&hello));
    assert!(matches!(store.read(&hello, 9), Err(Error::Unreadable { .. })));
}

#[test]
fn an_interrupted_blob_is_gone_on_with() {
    let (_folder, store) = store();
    let wanted = blob(b"hello, world");
    let mut first = awaited(&store, &wanted);
    first.write_all(b"hello").unwrap();
    drop(first);
    let mut second = awaited(&store, &wanted);
    assert_eq!(second.have(), 5);
    assert_eq!(std::io::read_to_string(second.earlier().unwrap()).unwrap(), "hello");
    second.write_all(b", world").unwrap();
    second.finish().unwrap();
    assert_eq!(store.read(&wanted, 99).unwrap(), b"hello, world");
    assert!(matches!(store.receive(&wanted).unwrap(), Arrival::AlreadyHere));
}

#[test]
fn what_is_wrong_is_not_kept_and_not_gone_on_with() {
    let (_folder, store) = store();
    let wanted = blob(b"hello");
    let mut wrong = awaited(&store, &wanted);
    wrong.write_all(b"hellp").unwrap();
    assert!(matches!(wrong.finish(), Err(Error::Spoiled { .. })));
    let mut short = awaited(&store, &wanted);
    assert_eq!(short.have(), 0);
    short.write_all(b"hell").unwrap();
    assert!(matches!(short.finish(), Err(Error::Spoiled { .. })));
    let mut long = awaited(&store, &wanted);
    assert_eq!(long.have(), 4);
    assert!(long.write_all(b"o!").is_err());
    long.start_over().unwrap();
    assert_eq!(long.have(), 0);
    long.write_all(b"hello").unwrap();
    long.finish().unwrap();
    assert!(store.has(&wanted));
}

#[test]
fn two_who_want_the_same_blob_bring_it_once() {
    let (_folder, store) = store();
    let wanted = blob(b"hello");
    let mut first = awaited(&store, &wanted);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| matches!(store.receive(&wanted), Ok(Arrival::AlreadyHere)));
        first.write_all(b"hello").unwrap();
        first.finish().unwrap();
        assert!(second.join().unwrap());
    });
    assert!(fs::read_dir(store.root().join("ingest")).unwrap().next().is_none());
}

#[test]
fn a_name_stands_for_one_image() {
    let (_folder, store) = store();
    let (one, two) = (put(&store, b"one"), put(&store, b"two"));
    store.name(&named("host.example/image:1"), &one).unwrap();
    store.name(&named("host.example/image:2"), &one).unwrap();
    store.name(&named("host.example/image:1"), &two).unwrap();
    let digests: Vec<(String, Digest)> =
        store.names().unwrap().into_iter().map(|named| (named.name, named.image.digest)).collect();
    let expected = [
        ("host.example/image:1".to_string(), two.digest),
        ("host.example/image:2".to_string(), one.digest.clone()),
    ];
    assert_eq!(digests, expected);
    assert_eq!(store.resolve("host.example/image:2").unwrap().digest, one.digest);
    assert_eq!(store.resolve(one.digest.short()).unwrap().digest, one.digest);
    assert_eq!(store.resolve(&one.digest.to_string()).unwrap().digest, one.digest);
    store.unname("host.example/image:2").unwrap();
    assert!(matches!(store.unname("host.example/image:2"), Err(Error::NoImage(_))));
    assert!(matches!(store.resolve(one.digest.hex()), Err(Error::NoImage(_))));
}

#[test]
fn a_layer_is_there_when_it_is_kept() {
    let (_folder, store) = store();
    let id = Digest::of(b"layer");
    let (one, two) = (store.new_layer(&id).unwrap(), store.new_layer(&id).unwrap());
    fs::write(one.join("file"), "1").unwrap();
    fs::write(two.join("file"), "2").unwrap();
    assert!(!store.has_layer(&id));
    store.keep_layer(&one, &id).unwrap();
    store.keep_layer(&two, &id).unwrap();
    assert!(store.has_layer(&id) && !one.exists() && !two.exists());
    assert_eq!(fs::read(store.layer(&id).join("file")).unwrap(), b"1");
}

#[test]
fn what_the_killed_left_is_swept_out_by_who_is_alone() {
    let (folder, store) = store();
    let left = store.new_layer(&Digest::of(b"layer")).unwrap();
    fs::create_dir(left.join("in")).unwrap();
    let root = folder.path().join("root");
    let other = Store::open(&root).unwrap();
    assert!(left.exists(), "it was swept out while somebody was at work");
    drop((store, other));
    Store::open(&root).unwrap();
    assert!(!left.exists());
}

#[test]
fn nobody_else_can_look_in() {
    let (folder, store) = store();
    let root = store.root().to_path_buf();
    drop(store);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    fs::set_permissions(root.join("layers"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o711)).unwrap();
    Store::open(&folder.path().join("root")).unwrap();
    assert_eq!((mode(&root), mode(&root.join("layers"))), (0o700, 0o700));
}

#[test]
fn a_store_is_not_led_elsewhere() {
    let (folder, store) = store();
    let root = store.root().to_path_buf();
    drop(store);
    let elsewhere = folder.path().join("elsewhere");
    for name in ["blobs", "layers", "index.json", "oci-layout"] {
        fs::rename(root.join(name), &elsewhere).unwrap();
        symlink(&elsewhere, root.join(name)).unwrap();
        let opened = Store::open(&root).and_then(|store| store.names());
        assert!(opened.is_err(), "a link in the place of {name} was followed");
        fs::remove_file(root.join(name)).unwrap();
        fs::rename(&elsewhere, root.join(name)).unwrap();
    }
    Store::open(&root).unwrap();
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let folder = TempDir::with_prefix("porthole-store-").unwrap();
    fs::write(folder.path().join("letter"), "dear").unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("letter"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
