//! What can this machine itself give? One program that is many, or a shell and a few tools.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use primitives::{
    Error, MountAttrFlags, Recursive, Result, create, mount_setattr, move_mount, open_tree, symlink,
};

use crate::libraries::{kind_of, of_this_machine};
use crate::{elf, make_all, programs, unusable};

/// The tools of a small system. Every one is a line in the trace, so there are few.
const TOOLS: [&str; 25] = [
    "cat", "chroot", "echo", "env", "false", "grep", "head", "hostname", "id", "kill", "ln", "ls",
    "mkdir", "mount", "ps", "pwd", "readlink", "rm", "sh", "sleep", "stat", "test", "touch",
    "true", "umount",
];

/// Where distributions put busybox.
const PLACES: [&str; 6] = [
    "/bin/busybox",
    "/usr/bin/busybox",
    "/bin/busybox.static",
    "/usr/bin/busybox.static",
    "/sbin/busybox",
    "/usr/local/bin/busybox",
];

/// This machine's busybox, if it has one that needs no library.
pub fn static_busybox() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| runs_alone(path))
}

fn runs_alone(path: &Path) -> bool {
    let here = of_this_machine().ok();
    let fits = here.zip(kind_of(path)).is_some_and(|(here, kind)| here.runs(kind));
    fits && read(path).is_some_and(|elf| elf.interpreter.is_none() && elf.needed.is_empty())
}

/// A static program has nothing to say beyond its first page; two megabytes are not read for that.
fn read(path: &Path) -> Option<elf::Elf> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(4096).read_to_end(&mut head).ok()?;
    elf::read(&head).ok().or_else(|| elf::read(&fs::read(path).ok()?).ok())
}

/// Installs busybox under the names of its tools, or else those tools themselves.
pub(crate) fn install(root: &Path) -> Result<()> {
    let Some(busybox) = static_busybox() else { return install_tools(root) };
    let content = fs::read(&busybox).map_err(|e| unusable(busybox.display(), e))?;
    let place = place_of_busybox(root)?;
    let why = "have one program that is a shell and many tools, and needs no library";
    create(&place, &content, 0o755, why)?;
    name_the_tools(&place)
}

// ANCHOR: lend
/// As [`install`], but busybox is not copied: it is mounted, and read-only from its first moment on,
/// because whoever is root in there may be its owner.
pub(crate) fn lend(root: &Path) -> Result<()> {
    let Some(busybox) = static_busybox() else { return install_tools(root) };
    let place = place_of_busybox(root)?;
    create(&place, b"\n", 0o755, "have a file to mount on")?;
    let lent = open_tree(&busybox, "take this machine's busybox along, and copy nothing")?;
    let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY;
    mount_setattr(lent.as_fd(), read_only, Recursive::No, "lend it, and not give it away")?;
    let why = "have one program that is a shell and many tools, and needs no library";
    move_mount(lent.as_fd(), &place, why)?;
    name_the_tools(&place)
}
// ANCHOR_END: lend

fn place_of_busybox(root: &Path) -> Result<PathBuf> {
    make_all(root, Path::new("bin"))?;
    Ok(root.join("bin/busybox"))
}

fn name_the_tools(busybox: &Path) -> Result<()> {
    for tool in TOOLS {
        let why =
            "let busybox be called by the name of a tool: that is how it knows which one to be";
        symlink(Path::new("busybox"), &busybox.with_file_name(tool), why)?;
    }
    Ok(())
}

fn install_tools(root: &Path) -> Result<()> {
    let here = TOOLS.iter().map(PathBuf::from).filter(|name| programs::find(name).is_ok());
    let here: Vec<PathBuf> = here.collect();
    match here.iter().any(|name| name.as_os_str() == "sh") {
        true => programs::install(root, &here),
        false => Err(Error::Unusable(
            "this machine has neither a static busybox (Debian: busybox-static) nor a shell".into(),
        )),
    }
}
