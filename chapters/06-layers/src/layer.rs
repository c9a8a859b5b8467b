//! What is a layer made of?
//!
//! Files of every kind, and two that say what is not there any more. A layer's tar writes those as
//! empty files of a special name, overlayfs as a device and an attribute; here each is what it means.

use std::path::{Component, Path, PathBuf};

use primitives::{Error, Result, Timestamp};

/// One thing in a layer.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where it is, from the root of the layer; for what is deleted, where that was.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) about: About,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(PathBuf),
    /// Another name of a file that comes before it.
    HardLink(PathBuf),
    Fifo,
    Character(u64, u64),
    Block(u64, u64),
    /// Whatever the layers below have here is deleted.
    Whiteout,
    /// Nothing that the layers below have in this directory is seen.
    Opaque,
}

/// What belongs to it besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Timestamp,
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
}

impl Default for About {
    /// Of something that root made at the beginning of time.
    fn default() -> About {
        let mtime = Timestamp { seconds: 0, nanos: 0 };
        About { mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Vec::new() }
    }
}

/// How the name begins of a file that stands for a deleted one (OCI image specification, "Whiteouts").
pub(crate) const WHITEOUT: &str = ".wh.";
/// The file that makes its directory opaque.
pub(crate) const OPAQUE: &str = ".wh..wh..opq";

impl Entry {
    /// The name that it has in a tar.
    pub(crate) fn name_in_tar(&self) -> PathBuf {
        let parent = self.path.parent().unwrap_or(Path::new(""));
        match self.kind {
            Kind::Opaque => self.path.join(OPAQUE),
            Kind::Whiteout => {
                let name = self.path.file_name().unwrap_or(".".as_ref());
                let mut marked = std::ffi::OsString::from(WHITEOUT);
                marked.push(name);
                parent.join(marked)
            }
            _ => self.path.clone(),
        }
    }
}

// ANCHOR: check
/// Refuses what no honest layer has: a name that begins at the root of the machine or goes up.
pub(crate) fn check_names(entries: &[Entry]) -> Result<()> {
    for entry in entries {
        let linked = match &entry.kind {
            Kind::HardLink(target) => leads_out(target),
            _ => false,
        };
        if leads_out(&entry.path) || linked {
            let name = entry.name_in_tar();
            return Err(Error::Unusable(format!(
                "the layer's entry {name:?} leads out of the layer: nothing of it was applied"
            )));
        }
    }
    Ok(())
}

fn leads_out(path: &Path) -> bool {
    path.components().any(|part| matches!(part, Component::ParentDir | Component::RootDir))
}
// ANCHOR_END: check

#[cfg(test)]
mod tests {
    use super::{About, Entry, Kind, check_names};

    fn entry(path: &str, kind: Kind) -> Vec<Entry> {
        vec![Entry { path: path.into(), kind, about: About::default() }]
    }

    #[test]
    fn names_that_lead_out_are_refused_by_name() {
        for (path, kind, name) in [
            ("../x", Kind::Directory, "\"../x\""),
            ("/x", Kind::Fifo, "\"/x\""),
            ("a/../../x", Kind::Whiteout, "\"a/../../.wh.x\""),
            ("x", Kind::HardLink("../y".into()), "\"x\""),
            ("x", Kind::HardLink("/y".into()), "\"x\""),
        ] {
            let error = check_names(&entry(path, kind)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        // A symbolic link may point anywhere: who follows it is to blame.
        check_names(&entry("x", Kind::Symlink("../../etc".into()))).unwrap();
        check_names(&entry("..x/...", Kind::Directory)).unwrap();
    }
}
