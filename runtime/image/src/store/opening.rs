//! How does a store begin, and what of a killed command is swept out?

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use primitives::{
    Errno, chmod, create_durably, mkdir, open_beneath, open_directory, own_ids, remove_tree,
    rename, rmdir, say, unlink,
};

use super::locks::Lock;
use super::names::EMPTY_INDEX;
use super::roots::visible_in;
use super::{Error, Result, Store};
use crate::steps::step;

const LAYOUT: &str = "oci-layout";
const VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// All folders, each after the one it is in, and what we make it for.
const FOLDERS: [(&str, &str); 11] = [
    ("locks", "have a place for locks"),
    ("blobs", "keep blobs where a layout has them"),
    ("blobs/sha256", "keep blobs by their digests"),
    ("blobs/sha512", "keep blobs by their digests of the other kind"),
    ("ingest", "have a place for what is not all here yet"),
    ("layers", "have a place for unpacked layers"),
    ("layers/sha256", "keep unpacked layers by their digests"),
    ("layers/sha512", "keep unpacked layers by their digests of the other kind"),
    ("containers", "remember which containers need what"),
    ("leases", "remember what is needed for some time"),
    ("spoiled", "have a place for what is found to be wrong"),
];

/// All files.
const FILES: [&str; 4] = [LAYOUT, "oci-layout.new", "index.json", "index.json.new"];

/// Where a user's store is, if nobody says otherwise.
pub fn default_root() -> PathBuf {
    let (uid, _) = own_ids();
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match (uid, named("XDG_DATA_HOME"), named("HOME")) {
        (0, _, _) => PathBuf::from("/var/lib/porthole"),
        (_, Some(data), _) => PathBuf::from(data).join("porthole"),
        (_, None, Some(home)) => PathBuf::from(home).join(".local/share/porthole"),
        (uid, None, None) => PathBuf::from(format!("/tmp/porthole-images-{uid}")),
    }
}

impl Store {
    /// The store in this directory; makes it where there is none, and takes away what killed commands
    /// have left, if nobody else is at work.
    ///
    /// # Errors
    /// There is something else in the directory, or it belongs to somebody else.
    pub fn open(root: &Path) -> Result<Store> {
        step("open the store", || {
            let store = prepare(root)?;
            let why = "see whether anybody is at work here";
            if let Some(alone) = Lock::alone_if_free(&lock_of(&store), why)? {
                let store = Store { root: store, _lock: alone };
                store.sweep()?;
                store._lock.share("let others work here too")?;
                return Ok(store);
            }
            let lock = Lock::shared(&lock_of(&store), "keep the garbage collection away")?;
            Ok(Store { root: store, _lock: lock })
        })
    }

    /// As [`Store::open`], but alone: waits until nobody else is at work, and keeps others waiting.
    ///
    /// # Errors
    /// As there.
    pub fn open_alone(root: &Path) -> Result<Store> {
        step("open the store", || {
            let root = prepare(root)?;
            let lock = Lock::alone(&lock_of(&root), "have nobody at work while things disappear")?;
            let store = Store { root, _lock: lock };
            store.sweep()?;
            Ok(store)
        })
    }

    /// Takes away what killed commands have left; to be called by who is alone. What came of a blob
    /// stays: it is gone on with.
    fn sweep(&self) -> Result<()> {
        for folder in ["layers/sha256", "layers/sha512", "containers"] {
            let folder = self.root.join(folder);
            for name in hidden_in(&folder)? {
                sweep_tree(&folder, &name)?;
            }
        }
        for folder in ["ingest", "leases"] {
            let folder = self.root.join(folder);
            for name in hidden_in(&folder)? {
                unlink(&folder.join(name), "take away a file that a killed command left")?;
            }
        }
        let folder = self.root.join("containers");
        for name in visible_in(&folder)? {
            let path = folder.join(name);
            if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none()) {
                rmdir(path.as_path(), "take away a container that was never made")?;
            }
        }
        Ok(())
    }
}

/// What is mounted there is not ours to end, and no reason to do nothing else.
fn sweep_tree(folder: &Path, name: &Path) -> Result<()> {
    let open = open_directory(folder).map_err(Error::reading(folder))?;
    match remove_tree(&open, name, "take away what a killed command left") {
        Err(primitives::Error::Request(refusal))
            if !refusal.here && matches!(refusal.errno, Errno::EXDEV | Errno::EBUSY) =>
        {
            let path = folder.join(name);
            say(&format!("note: something is mounted in {}, so it stays", path.display()));
            Ok(())
        }
        done => Ok(done?),
    }
}

fn lock_of(root: &Path) -> PathBuf {
    root.join("locks/store")
}

/// Names that begin with a dot, which are those of things that are not finished.
fn hidden_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::reading(folder))?;
    let names = entries.flatten().map(|entry| PathBuf::from(entry.file_name()));
    Ok(names.filter(|name| name.as_os_str().as_encoded_bytes().starts_with(b".")).collect())
}

/// Makes what is missing of the store, and checks the rest; its path without links.
fn prepare(root: &Path) -> Result<PathBuf> {
    make_root(root)?;
    let root = fs::canonicalize(root).map_err(Error::reading(root))?;
    only_ours(&root)?;
    keep_private(&root)?;
    for (folder, why) in FOLDERS {
        let path = root.join(folder);
        make_or_find(&path, why)?;
        keep_private(&path)?;
    }
    let open = open_directory(&root).map_err(Error::reading(&root))?;
    let text = |name: &str| match open_beneath(&open, Path::new(name)) {
        Ok(file) => std::io::read_to_string(std::io::Read::take(file, 4096)).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    match text(LAYOUT).map_err(Error::reading(root.join(LAYOUT)))? {
        Some(text) => check_version(&text)?,
        None => begin(&root)?,
    }
    Ok(root)
}

fn make_root(root: &Path) -> Result<()> {
    let missing: Vec<&Path> = root
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty())
        .take_while(|path| !path.exists())
        .collect();
    missing.into_iter().rev().try_for_each(|path| make_or_find(path, "have a place for images"))
}

/// Another command may be faster.
fn make_or_find(path: &Path, why: &'static str) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    match mkdir(path, 0o700, why) {
        Err(primitives::Error::Request(refusal))
            if !refusal.here && refusal.errno == Errno::EEXIST =>
        {
            Ok(())
        }
        other => Ok(other?),
    }
}

/// A directory with other things in it was meant for something else.
fn only_ours(root: &Path) -> Result<()> {
    if root.join(LAYOUT).symlink_metadata().is_ok() {
        return Ok(());
    }
    for entry in fs::read_dir(root).map_err(Error::reading(root))?.flatten() {
        let name = entry.file_name();
        let folders = FOLDERS.iter().map(|(name, _)| name);
        if !FILES.iter().chain(folders).any(|ours| name == **ours) {
            return Err(Error::Unusable(format!(
                "{} is no store of images, and there is {name:?} in it: name another directory \
                 by --root",
                root.display()
            )));
        }
    }
    Ok(())
}

/// In a layer there are programs with the set-user-ID bit, old and full of holes. Nobody else may reach
/// them: CVE-2021-41091.
fn keep_private(folder: &Path) -> Result<()> {
    let is = folder.symlink_metadata().map_err(Error::reading(folder))?;
    let refuse = |what: &str| Err(Error::Unusable(format!("{}: {what}", folder.display())));
    if !is.is_dir() {
        return refuse("this is no directory, and a store must not be led elsewhere");
    }
    if is.uid() != own_ids().0 {
        return refuse("this belongs to somebody else, who could change what is in it");
    }
    match private(&is) {
        true => Ok(()),
        false => Ok(chmod(folder, 0o700, "keep other users away from the programs in layers")?),
    }
}

fn private(is: &Metadata) -> bool {
    is.permissions().mode() & 0o7777 == 0o700
}

fn check_version(text: &str) -> Result<()> {
    let version = serde_json::from_str::<serde_json::Value>(text).ok();
    let version = version.as_ref().and_then(|json| json["imageLayoutVersion"].as_str());
    match version {
        Some(version) if version.starts_with("1.") => Ok(()),
        Some(other) => Err(Error::Unusable(format!("a layout of version {other} is not known"))),
        None => Err(Error::Unusable(format!("{LAYOUT} names no version: {text:?}"))),
    }
}

/// Two commands may begin at once. The file that says that all is there comes last.
fn begin(root: &Path) -> Result<()> {
    let _lock = Lock::alone(&root.join("locks/index"), "begin the store only once")?;
    let files = [("index.json", EMPTY_INDEX), (LAYOUT, VERSION)];
    for (name, content) in files {
        let (new, path) = (root.join(format!("{name}.new")), root.join(name));
        if path.symlink_metadata().is_err() {
            create_durably(&new, content.as_bytes(), 0o600, "have the file on the disk, whole")?;
            rename(&new, &path, "show it, whole")?;
        }
    }
    Ok(())
}
