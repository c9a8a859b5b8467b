//! Which paths may stand in a configuration, and what do they mean?

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::at::At;
use crate::namespaces::{Kind, Namespaces};

/// Paths inside the container that its programs may not read, or may not write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardedPaths {
    /// Covered with something empty.
    pub masked: Vec<PathBuf>,
    /// Mounted read-only over themselves.
    pub readonly: Vec<PathBuf>,
}

/// `.` and doubled slashes go; `..` stays, because what it means is for the kernel to say.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let components = path.components();
    components.filter(|component| !matches!(component, Component::CurDir)).collect()
}

/// A required field that holds an absolute path.
pub(crate) fn absolute(at: &At<'_>, name: &str) -> Option<PathBuf> {
    let field = at.required(name)?;
    absolute_here(&field)
}

/// An absolute path that stands here.
pub(crate) fn absolute_here(at: &At<'_>) -> Option<PathBuf> {
    let text: String = at.read()?;
    if !text.starts_with('/') {
        at.wrong(format!("{text:?} is not absolute"), "a path that begins with /");
        return None;
    }
    Some(tidy(Path::new(&text)))
}

/// A path that starts from the bundle when it is not absolute.
pub(crate) fn from_bundle(bundle: &Path, path: &str) -> PathBuf {
    tidy(&bundle.join(path))
}

/// `linux.maskedPaths` and `linux.readonlyPaths` (config-linux.md, "Masked Paths", "Readonly Paths").
pub(crate) fn guarded(linux: &At<'_>, namespaces: &Namespaces) -> GuardedPaths {
    let read = |name: &str| {
        let mut paths: Vec<PathBuf> = Vec::new();
        for at in linux.items(name) {
            match absolute_here(&at) {
                Some(path) if !paths.contains(&path) => paths.push(path),
                _ => {}
            }
        }
        // Without one, the paths of the whole machine would be covered.
        if !paths.is_empty() && namespaces.inherits(Kind::Mount) {
            let right = "a namespace of type \"mount\" in linux.namespaces";
            linux.wrong_field(name, "needs a mount namespace of the container's own", right);
        }
        paths
    };
    GuardedPaths { masked: read("maskedPaths"), readonly: read("readonlyPaths") }
}
