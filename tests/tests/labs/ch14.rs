//! Chapter 14: images.

#![expect(clippy::unwrap_used, reason = "a test whose own files cannot be read fails")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;
use tempfile::TempDir;
use tests::images::{differences, done, entries};
use tests::places::{NOBODY, Place, has_program, has_user_namespaces};
use tests::running::{Ran, Run};
use tests::suite;

/// A test of this chapter, with the program of others that it needs.
type Named = (&'static str, Option<&'static str>, fn(Place));

const TESTS: &[Named] = &[
    ("the same tree has the same name", None, same_name),
    ("an index is for several machines", Some("skopeo"), several_machines),
    ("what is packed here is read by others", Some("umoci"), read_by_others),
    ("what others have packed is read here", Some("umoci"), read_here),
    ("a bomb without a budget fills the place", None, bomb),
];

/// What is seen of this chapter's programs from outside, beside those of others.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let trial = |(name, needs, test): &Named| {
        let (name, test) = (format!("labs/{}/ch14/{name}", place.name()), *test);
        match (has_user_namespaces(place), needs) {
            (false, _) => suite::skipped(name, "user namespaces"),
            (true, Some(program)) if !has_program(program) => suite::skipped(name, program),
            (true, _) => suite::test(name, move || test(place)),
        }
    };
    TESTS.iter().map(trial).collect()
}

/// A folder of whoever runs the programs.
struct Folder(TempDir, Place);

impl Folder {
    fn new(place: Place) -> Folder {
        let folder = TempDir::with_prefix("porthole-images-").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = Folder(folder, place);
        folder.give(folder.0.path());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn give(&self, path: &Path) {
        if self.1.is_other_user() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// A tree, whose files are made in this order.
    fn tree(&self, name: &str, order: [&str; 3]) -> String {
        let tree = self.path(name);
        fs::create_dir_all(tree.join("bin")).unwrap();
        for file in order {
            let path = tree.join(file);
            fs::write(&path, file.repeat(100)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
            self.give(&path);
        }
        symlink("bin/one", tree.join("link")).unwrap();
        self.text(name)
    }

    fn images(&self, args: &[&str]) -> Ran {
        let run = Run::new(self.1, "chapter14").untraced().flags(["--trace", "off", "image"]);
        let ran = run.args(args).go();
        assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
        ran
    }

    fn does(&self, args: &[&str]) -> String {
        let ran = self.images(args);
        assert_eq!(ran.code, 0, "chapter14 image {args:?}: {}", ran.stderr);
        ran.stdout
    }
}

fn same_name(place: Place) {
    let folder = Folder::new(place);
    let one = folder.tree("one", ["bin/one", "bin/two", "three"]);
    let two = folder.tree("two", ["three", "bin/two", "bin/one"]);
    let past = fs::File::open(folder.path("two/three")).unwrap();
    past.set_modified(std::time::UNIX_EPOCH).unwrap();
    for compression in ["none", "gzip", "zstd"] {
        let pack = |tree: &str, layout: &str| {
            let layout = folder.text(layout);
            folder.does(&["pack", tree, &layout, "--compression", compression])
        };
        assert_eq!(pack(&one, "here"), pack(&two, "there"));
    }
}

/// Packs a tree, makes an index for two machines of it, as `docker buildx` would, and asks for both.
fn several_machines(place: Place) {
    let folder = Folder::new(place);
    let tree = folder.tree("tree", ["bin/one", "bin/two", "three"]);
    let layout = folder.text("layout");
    folder.does(&["pack", &tree, &layout]);
    let names = folder.path("layout/index.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&names).unwrap()).unwrap();
    let image = index["manifests"][0].clone();
    let both = |os: &str, architecture: &str| {
        let mut image = image.clone();
        image["platform"] = serde_json::json!({ "os": os, "architecture": architecture });
        image
    };
    let media_type = "application/vnd.oci.image.index.v1+json";
    let machines = [both("windows", "amd64"), both("linux", "s390x")];
    let inner =
        serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": machines });
    let bytes = inner.to_string();
    let at = folder.path("inner");
    fs::write(&at, &bytes).unwrap();
    let said = done(Command::new("sha256sum").arg(&at)).stdout;
    let hex = String::from_utf8_lossy(&said[..64]).into_owned();
    fs::rename(&at, folder.path("layout/blobs/sha256").join(&hex)).unwrap();
    index["manifests"] = serde_json::json!([{
        "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len(),
    }]);
    fs::write(&names, index.to_string()).unwrap();
    let found = folder.does(&["inspect", &layout, "--platform", "linux/s390x"]);
    assert!(found.contains("as promised"), "{found}");
    let refused = folder.images(&["inspect", &layout, "--platform", "linux/amd64"]);
    let said = "not for linux/amd64: this image is for windows/amd64, linux/s390x";
    assert!(refused.code == 125 && refused.stderr.contains(said), "{}", refused.stderr);
}

fn read_by_others(place: Place) {
    let folder = Folder::new(place);
    let tree = folder.tree("tree", ["bin/one", "bin/two", "three"]);
    let layout = folder.text("layout");
    folder.does(&["pack", &tree, &layout, "--name", "a.b"]);
    let image = format!("{layout}:a.b");
    let target = folder.text("umoci");
    let mut umoci = Command::new("umoci");
    umoci.args(["unpack", "--image", &image, &target]);
    if place == Place::User {
        umoci.arg("--rootless");
    }
    done(&mut umoci);
    let ours = folder.text("ours");
    folder.does(&["unpack", &layout, &ours]);
    let (mut ours, mut theirs) =
        (entries(Path::new(&ours)), entries(&Path::new(&target).join("rootfs")));
    // The root of the tree is no entry of the layer.
    ours.remove(Path::new(""));
    theirs.remove(Path::new(""));
    assert_eq!(ours.len(), 5);
    // Who is root of the layer is somebody else for each of both where nobody is root.
    if place == Place::Root {
        assert_eq!(differences(&ours, &theirs), Vec::<String>::new());
    }
}

fn read_here(place: Place) {
    let folder = Folder::new(place);
    let image = format!("{}:x", folder.text("layout"));
    let bundle = folder.text("bundle");
    let umoci = |words: &[&str]| drop(done(Command::new("umoci").args(words)));
    umoci(&["init", "--layout", &folder.text("layout")]);
    umoci(&["new", "--image", &image]);
    umoci(&["unpack", "--image", &image, &bundle]);
    let root = folder.path("bundle/rootfs");
    fs::create_dir(root.join("kept")).unwrap();
    fs::write(root.join("kept/file"), "content").unwrap();
    fs::write(root.join("gone"), "secret").unwrap();
    umoci(&["repack", "--refresh-bundle", "--image", &image, &bundle]);
    fs::remove_file(root.join("gone")).unwrap();
    umoci(&["repack", "--image", &image, &bundle]);
    // umoci keeps what it makes from others.
    done(Command::new("chmod").args(["-R", "a+rX", &folder.text("layout")]));
    let target = folder.path("ours");
    folder.does(&["unpack", &folder.text("layout"), &folder.text("ours"), "--name", "x"]);
    assert_eq!(fs::read_to_string(target.join("kept/file")).unwrap(), "content");
    assert!(!target.join("gone").exists(), "a deletion is forgotten");
}

fn bomb(place: Place) {
    let folder = Folder::new(place);
    let ran = folder.images(&["attack", "bomb", "--defenceless"]);
    assert!(ran.code == 125 && ran.stderr.contains("ENOSPC"), "{}", ran.stderr);
}
