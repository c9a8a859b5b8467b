//! How do layers become one root, without a file being copied?
//!
//! Overlayfs shows directories one over the other. An image can have hundreds of layers, and each of
//! the ways to tell the kernel about them is too short for that: a string of options ends at a page, a
//! value of fsconfig at 256 bytes. So layers are said one by one where the kernel takes them so (Linux
//! 6.7), and elsewhere by links of one or two letters, relative to the directory where those lie.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use primitives::{
    Error, MntFlags, MountAttrFlags, MsFlags, Recursive, Result, chdir, clean_up_tree,
    fsconfig_create, fsconfig_flag, fsconfig_set, fsmount, fsopen, last_words, lgetxattr, mkdtemp,
    mount_new, mount_setattr, move_mount, open_directory, open_tree_copy, read_small, step,
    symlink, umount,
};

use crate::unpack::{Manner, Marks};

/// As many layers overlayfs shows over each other.
pub const MOST_LAYERS: usize = 500;
/// The longest value that fsconfig takes, with the zero byte at its end.
const LONGEST_VALUE: usize = 256;
const PAGE: usize = 4096;

/// Where changes go, and where they are prepared; both in one file system.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// What has changed.
    pub upper: &'a Path,
    /// The kernel's own.
    pub work: &'a Path,
}

/// Mounts layers, the lowest first, as one read-only directory at `target`.
///
/// # Errors
/// There are too many, or the kernel refuses one.
pub fn mount_readonly(layers: &[PathBuf], target: &Path) -> Result<()> {
    mount(layers, None, target)
}

/// Mounts layers, the lowest first, as one directory at `target`; what is written there goes elsewhere.
///
/// # Errors
/// There are too many, or the kernel refuses one.
pub fn mount_writable(layers: &[PathBuf], changes: Changes<'_>, target: &Path) -> Result<()> {
    mount(layers, Some(changes), target)
}

/// Detaches what was mounted at `target`.
///
/// # Errors
/// There is no mount, or somebody works in it.
pub fn unmount(target: &Path) -> Result<()> {
    step("take the root away", || {
        umount(target, MntFlags::empty(), "leave the layers as they are, and nothing over them")
    })
}

fn mount(layers: &[PathBuf], changes: Option<Changes<'_>>, target: &Path) -> Result<()> {
    let marks = Manner::of_this_process().marks;
    let shown = shown(layers, marks)?;
    if shown.len() > MOST_LAYERS {
        return Err(Error::Unusable(format!(
            "the image has {} layers, and overlayfs shows {MOST_LAYERS} at most",
            shown.len()
        )));
    }
    step("show the layers as one root", || match (shown.as_slice(), changes) {
        ([only], None) => bind_readonly(only, target),
        _ => mount_stack(&shown, changes, target, marks),
    })
}

/// One layer alone is no stack.
fn bind_readonly(layer: &Path, target: &Path) -> Result<()> {
    let mount = open_tree_copy(layer, Recursive::No, "have the only layer as a mount")?;
    let why = "let nobody change the layer";
    mount_setattr(mount.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, Recursive::No, why)?;
    move_mount(mount.as_fd(), target, "let the image be seen there")
}

fn mount_stack(
    shown: &[&Path],
    changes: Option<Changes<'_>>,
    target: &Path,
    marks: Marks,
) -> Result<()> {
    match takes_layers_one_by_one() && shown.iter().all(|layer| fits(layer)) {
        true => mount_one_by_one(shown, changes, target, marks),
        false => mount_by_links(shown, changes, target, marks),
    }
}

/// The layers that are seen at all, the highest first. One whose root hides all below it, which
/// overlayfs itself does not look for, is the last of them.
pub(super) fn shown(layers: &[PathBuf], marks: Marks) -> Result<Vec<&Path>> {
    let mut shown = Vec::with_capacity(layers.len());
    for layer in layers.iter().rev() {
        shown.push(layer.as_path());
        let opaque = lgetxattr(layer, marks.opaque());
        let opaque = opaque.map_err(|e| Error::Unusable(format!("{}: {e}", layer.display())))?;
        if opaque.is_some() {
            break;
        }
    }
    match shown.is_empty() {
        true => Err(Error::Unusable("the image has no layers, so there is no root".into())),
        false => Ok(shown),
    }
}

fn fits(layer: &Path) -> bool {
    layer.to_str().is_some_and(|layer| layer.len() < LONGEST_VALUE)
}

fn mount_one_by_one(
    layers: &[&Path],
    changes: Option<Changes<'_>>,
    target: &Path,
    marks: Marks,
) -> Result<()> {
    let fs = fsopen("overlay", "begin to describe the root")?;
    for layer in layers {
        fsconfig_set(fs.as_fd(), "lowerdir+", text(layer)?, "put this layer below those before")?;
    }
    if let Some(changes) = changes {
        // These are names by themselves, and yet a backslash has to be said twice.
        let name = |path: &Path| Ok::<_, Error>(text(path)?.replace('\\', "\\\\"));
        fsconfig_set(fs.as_fd(), "upperdir", &name(changes.upper)?, "say where changes go")?;
        fsconfig_set(fs.as_fd(), "workdir", &name(changes.work)?, "say where they are prepared")?;
    }
    if marks == Marks::User {
        let why = "look for marks where no root is needed to write them";
        fsconfig_flag(fs.as_fd(), "userxattr", why)?;
    }
    explained(fsconfig_create(fs.as_fd(), "make the root as described"), fs.as_fd())?;
    let mount = fsmount(fs.as_fd(), MountAttrFlags::empty(), "have a mount of it")?;
    move_mount(mount.as_fd(), target, "let the image be seen there")
}

/// Errors of overlayfs are few numbers; what it means is read from the descriptor.
fn explained(result: Result<()>, fs: std::os::fd::BorrowedFd<'_>) -> Result<()> {
    result.map_err(|error| match (&error, last_words(fs)) {
        (Error::Request(refusal), words) if !refusal.here && !words.is_empty() => {
            Error::Unusable(format!("{error}; the kernel says: {words}"))
        }
        _ => error,
    })
}

/// For older kernels: a directory of short links, and all that is said is relative to it.
fn mount_by_links(
    layers: &[&Path],
    changes: Option<Changes<'_>>,
    target: &Path,
    marks: Marks,
) -> Result<()> {
    let unreadable = |e: std::io::Error| Error::Unusable(format!("the working directory: {e}"));
    let before = std::env::current_dir().map_err(unreadable)?;
    let target = before.join(target);
    let temporary = std::env::temp_dir();
    let links = mkdtemp(&temporary, "image-layers-", "give layers names that are short enough")?;
    let mounted = link_all(layers, &before, &links).and_then(|names| {
        chdir(&links, "say the layers by their short names")?;
        let options = options(&names, changes, &before, marks)?;
        let why = "let the image be seen there";
        mount_new("overlay", &target, "overlay", MsFlags::empty(), Some(&options), why)
    });
    let back = chdir(&before, "go back to where we were");
    let open = open_directory(&temporary);
    let open = open.map_err(|e| Error::Unusable(format!("{}: {e}", temporary.display())))?;
    let name = links.file_name().unwrap_or_default();
    let cleaned = clean_up_tree(&open, Path::new(name), "the kernel knows the layers by now");
    mounted.and(back).and(cleaned)
}

fn link_all(layers: &[&Path], before: &Path, links: &Path) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(layers.len());
    for (number, layer) in layers.iter().enumerate() {
        let name = short(number);
        symlink(&before.join(layer), &links.join(&name), "call a layer by a letter or two")?;
        names.push(name);
    }
    Ok(names)
}

/// A number in letters, so that five hundred need two of them.
fn short(number: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |number: usize| char::from(LETTERS[number % 36]);
    match number {
        0..36 => letter(number).into(),
        _ => [letter(number / 36), letter(number)].into_iter().collect(),
    }
}

fn options(
    names: &[String],
    changes: Option<Changes<'_>>,
    before: &Path,
    marks: Marks,
) -> Result<String> {
    let mut options = format!("lowerdir={}", names.join(":"));
    if let Some(changes) = changes {
        for (key, path) in [("upperdir", changes.upper), ("workdir", changes.work)] {
            let path = before.join(path);
            let path = text(&path)?.replace('\\', "\\\\").replace(',', "\\,");
            options.push_str(&format!(",{key}={path}"));
        }
    }
    if marks == Marks::User {
        options.push_str(",userxattr");
    }
    match options.len() < PAGE {
        true => Ok(options),
        false => Err(Error::Unusable("the paths of the root are too long for mount(2)".into())),
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::Unusable(format!("{} is not UTF-8, which options are here", path.display()))
    })
}

/// `lowerdir+` is there since Linux 6.7. Before 6.5 overlayfs took any key here and complained only
/// at the end, so trying would not tell.
fn takes_layers_one_by_one() -> bool {
    let release = read_small(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap_or(0_u32));
    (numbers.next(), numbers.next()) >= (Some(6), Some(7))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{MOST_LAYERS, Marks, mount_by_links, short, unmount};

    #[test]
    fn short_names_are_different_ones() {
        let mut names: Vec<String> = (0..MOST_LAYERS).map(short).collect();
        assert!(names.iter().all(|name| name.len() <= 2));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), MOST_LAYERS);
    }

    /// The way of older kernels, which newer ones know as well.
    #[test]
    fn hundreds_of_layers_fit_into_a_page() {
        if primitives::own_ids().0 != 0 {
            eprintln!("skipped: hundreds_of_layers_fit_into_a_page: needs root");
            let all = std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1");
            assert!(!all, "nothing may be skipped here");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        fs::create_dir(&target).unwrap();
        let layers: Vec<PathBuf> = (0..250)
            .map(|number| {
                let layer = directory.path().join(format!("a layer, with \\ and : {number:050}"));
                fs::create_dir(&layer).unwrap();
                fs::write(layer.join(format!("f{number}")), "x").unwrap();
                layer
            })
            .collect();
        let shown: Vec<&Path> = layers.iter().map(PathBuf::as_path).collect();
        mount_by_links(&shown, None, &target, Marks::Trusted).unwrap();
        let count = fs::read_dir(&target).unwrap().count();
        unmount(&target).unwrap();
        assert_eq!(count, 250);
    }
}
