//! Roots out of each source, and what must never become one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use crate::{Source, make, static_busybox};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// An empty directory to make a root in, and the folder that it lies in.
fn target() -> (TempDir, PathBuf) {
    let outer = folder();
    let root = outer.path().join("root");
    fs::create_dir(&root).unwrap();
    (outer, root)
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

/// An entry of a tar, without the checks that the crate makes for those who write one.
fn append(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, link: &str, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o750);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

fn tar_of(entries: &[(EntryType, &str, &str, &str)]) -> (TempDir, PathBuf) {
    let mut tar = Builder::new(Vec::new());
    for (kind, name, link, content) in entries {
        append(&mut tar, *kind, name, link, content.as_bytes());
    }
    let folder = folder();
    let file = folder.path().join("root.tar");
    fs::write(&file, tar.into_inner().unwrap()).unwrap();
    (folder, file)
}

/// Unpacks, and returns the error, after a look at everything around the root.
fn refused(entries: &[(EntryType, &str, &str, &str)]) -> String {
    let (_folder, file) = tar_of(entries);
    let (outer, root) = target();
    let canary = outer.path().join("canary");
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("alive"), "yes").unwrap();
    let error = make(&root, &Source::Tar(file)).unwrap_err().to_string();
    let around: Vec<_> = fs::read_dir(outer.path()).unwrap().flatten().collect();
    assert_eq!(around.len(), 2, "something was made beside the root: {around:?}");
    let inside: Vec<_> = fs::read_dir(&canary).unwrap().flatten().collect();
    assert_eq!(inside.len(), 1, "something was made in the canary: {inside:?}");
    assert_eq!(fs::read_to_string(canary.join("alive")).unwrap(), "yes");
    error
}

#[test]
fn this_machine_makes_a_root() {
    let (_outer, root) = target();
    make(&root, &Source::Machine).unwrap();
    assert_eq!(mode(&root.join("tmp")), 0o1777);
    assert_eq!(mode(&root.join("root")), 0o700);
    assert!(fs::read_to_string(root.join("etc/passwd")).unwrap().starts_with("root:x:0:0:"));
    if static_busybox().is_some() {
        assert_eq!(fs::read_link(root.join("bin/sh")).unwrap(), Path::new("busybox"));
        assert_eq!(mode(&root.join("bin/busybox")), 0o755);
    }
}

#[test]
fn a_root_is_made_in_an_empty_directory() {
    let (outer, root) = target();
    let missing = make(&outer.path().join("nowhere"), &Source::Machine).unwrap_err().to_string();
    assert!(missing.contains("nowhere cannot be made a root"), "{missing}");
    fs::write(root.join("precious"), "").unwrap();
    let full = make(&root, &Source::Machine).unwrap_err().to_string();
    assert!(full.contains("is not empty"), "{full}");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
}

#[test]
fn programs_bring_their_libraries() {
    let (outer, root) = target();
    let script = outer.path().join("greet");
    fs::write(&script, "#!/usr/bin/env cat\nhello\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    make(&root, &Source::Programs(vec!["id".into(), script.clone()])).unwrap();
    for path in ["usr/bin/id", "usr/bin/cat", "usr/bin/env", "bin/greet"] {
        assert!(root.join(path).is_file(), "{path} is missing");
    }
    let object = crate::libraries::open(Path::new("/usr/bin/id")).unwrap();
    if let Some(loader) = &object.elf.interpreter {
        assert!(root.join(loader.strip_prefix('/').unwrap()).is_file());
    }
    for name in &object.elf.needed {
        let found = crate::libraries::find(name, &object).unwrap();
        assert!(root.join(found.strip_prefix("/").unwrap()).is_file(), "{name} is missing");
    }
}

#[test]
fn a_program_for_another_machine_is_refused_by_name() {
    let (outer, root) = target();
    let foreign = outer.path().join("foreign");
    let mut bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
    bytes[18..20].copy_from_slice(&22_u16.to_le_bytes());
    fs::write(&foreign, bytes).unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o755)).unwrap();
    let error = make(&root, &Source::Programs(vec![foreign])).unwrap_err().to_string();
    assert!(error.contains("foreign is a program for s390, and this machine is "), "{error}");
    let (_outer, root) = target();
    let error = make(&root, &Source::Programs(vec!["no-such".into()])).unwrap_err().to_string();
    assert!(error.contains("no program \"no-such\""), "{error}");
}

#[test]
fn a_directory_is_copied_with_all_that_belongs_to_it() {
    let source = folder();
    let from = source.path();
    fs::create_dir_all(from.join("a/b")).unwrap();
    fs::write(from.join("a/file"), "content").unwrap();
    fs::set_permissions(from.join("a/file"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::hard_link(from.join("a/file"), from.join("a/b/second")).unwrap();
    symlink("/nowhere/at/all", from.join("a/link")).unwrap();
    fs::set_permissions(from.join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5);
    for name in ["a/file", "a/b", "a"] {
        fs::File::open(from.join(name)).unwrap().set_modified(old).unwrap();
    }
    let (_outer, root) = target();
    make(&root, &Source::Directory(from.to_path_buf())).unwrap();
    let metadata = |name: &str| root.join(name).symlink_metadata().unwrap();
    assert_eq!(fs::read_to_string(root.join("a/file")).unwrap(), "content");
    assert_eq!(mode(&root.join("a/file")), 0o4751);
    assert_eq!(mode(&root.join("a/b")), 0o500);
    assert_eq!(metadata("a/file").ino(), metadata("a/b/second").ino());
    assert_eq!(fs::read_link(root.join("a/link")).unwrap(), Path::new("/nowhere/at/all"));
    for name in ["a/file", "a/b", "a"] {
        assert_eq!(metadata(name).modified().unwrap(), old, "{name}");
    }
    assert!(root.join("etc/passwd").is_file(), "what a root needs was added");
}

#[test]
fn what_a_root_needs_is_not_made_by_way_of_a_link() {
    let source = folder();
    let canary = folder();
    symlink(canary.path(), source.path().join("etc")).unwrap();
    let (_outer, root) = target();
    make(&root, &Source::Directory(source.path().to_path_buf())).unwrap();
    assert_eq!(fs::read_dir(canary.path()).unwrap().count(), 0);
    assert!(root.join("etc").is_symlink());
}

#[test]
fn a_directory_cannot_hold_its_own_copy() {
    let (outer, root) = target();
    let source = Source::Directory(outer.path().to_path_buf());
    let error = make(&root, &source).unwrap_err().to_string();
    assert!(error.contains("the copy would have to hold itself"), "{error}");
}

#[test]
fn a_tar_is_unpacked_with_all_that_belongs_to_it() {
    let (folder, file) = tar_of(&[
        (EntryType::Directory, "./", "", ""),
        (EntryType::Directory, "./usr/", "", ""),
        (EntryType::Regular, "./usr/bin/tool", "", "old"),
        (EntryType::Regular, "./usr/bin/tool", "", "tool"),
        (EntryType::Link, "./usr/bin/again", "usr/bin/tool", ""),
        (EntryType::Symlink, "./bin", "/usr/bin", ""),
        (EntryType::Fifo, "./fifo", "", ""),
    ]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&fs::read(&file).unwrap()).unwrap();
    let gzip = folder.path().join("root.tar.gz");
    fs::write(&gzip, packed.finish().unwrap()).unwrap();
    for file in [file, gzip] {
        let (_outer, root) = target();
        make(&root, &Source::Tar(file)).unwrap();
        let metadata = |name: &str| root.join(name).symlink_metadata().unwrap();
        assert_eq!(fs::read_to_string(root.join("usr/bin/tool")).unwrap(), "tool");
        assert_eq!(metadata("usr/bin/tool").ino(), metadata("usr/bin/again").ino());
        assert_eq!(mode(&root.join("usr/bin/tool")), 0o750);
        assert_eq!(metadata("usr/bin/tool").mtime(), 1_000_000_000);
        assert_eq!(metadata("usr").mtime(), 1_000_000_000);
        assert_eq!(fs::read_link(root.join("bin")).unwrap(), Path::new("/usr/bin"));
        assert!(root.join("tmp").is_dir(), "what a root needs was added");
    }
}

#[test]
fn no_entry_of_a_tar_climbs_out() {
    use EntryType::{Link, Regular, Symlink};
    let error = refused(&[(Regular, "../canary/dead", "", "x")]);
    assert!(error.contains("\"../canary/dead\"") && error.contains(".. in it"), "{error}");
    let error = refused(&[(Regular, "a/../../canary/dead", "", "x")]);
    assert!(error.contains(".. in it"), "{error}");
    let error = refused(&[(Regular, "/canary/dead", "", "x")]);
    assert!(error.contains("\"/canary/dead\"") && error.contains("absolute"), "{error}");
    let error = refused(&[(Symlink, "out", "../canary", ""), (Regular, "out/dead", "", "x")]);
    assert!(error.contains("\"out/dead\"") && error.contains("link \"out\""), "{error}");
    let error = refused(&[(Symlink, "out", "/", ""), (Regular, "out/a/b/c", "", "x")]);
    assert!(error.contains("\"out/a/b/c\"") && error.contains("link \"out\""), "{error}");
    let error = refused(&[(Link, "got", "../canary/alive", "")]);
    assert!(error.contains("\"got\"") && error.contains("../canary/alive"), "{error}");
    let error = refused(&[(Link, "got", "etc/shadow", "")]);
    assert!(error.contains("no earlier entry"), "{error}");
    let error = refused(&[(Symlink, "out", "../canary", ""), (Link, "got", "out/alive", "")]);
    assert!(error.contains("\"got\"") && error.contains("no earlier entry"), "{error}");
}

/// A later entry takes the place of a link; it does not write through it.
#[test]
fn a_file_of_the_name_of_a_link_replaces_the_link() {
    let (outer, root) = target();
    fs::write(outer.path().join("canary"), "alive").unwrap();
    let (_folder, file) = tar_of(&[
        (EntryType::Symlink, "out", "../canary", ""),
        (EntryType::Regular, "out", "", "mine"),
    ]);
    make(&root, &Source::Tar(file)).unwrap();
    assert_eq!(fs::read_to_string(outer.path().join("canary")).unwrap(), "alive");
    assert_eq!(fs::read_to_string(root.join("out")).unwrap(), "mine");
}

#[test]
fn a_broken_tar_is_an_error_and_not_a_panic() {
    let (folder, file) = tar_of(&[(EntryType::Regular, "file", "", &"x".repeat(5000))]);
    let whole = fs::read(&file).unwrap();
    for length in [0, 100, 512, 600, 4000, 5000] {
        let cut = folder.path().join("cut.tar");
        fs::write(&cut, &whole[..length]).unwrap();
        let (_outer, root) = target();
        let result = make(&root, &Source::Tar(cut));
        assert!(length == 0 || result.is_err(), "a tar of {length} bytes was taken as whole");
    }
    fs::write(&file, b"\x28\xb5\x2f\xfdxxxx").unwrap();
    let (_outer, root) = target();
    let error = make(&root, &Source::Tar(file)).unwrap_err().to_string();
    assert!(error.contains("zstd"), "{error}");
}
