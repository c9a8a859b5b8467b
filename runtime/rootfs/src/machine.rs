//! What can this machine itself give? One program that is many, or a shell and a few tools.

use std::fs;
use std::path::{Path, PathBuf};

use primitives::{Error, Result, create, symlink};

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
    fits && fs::read(path).is_ok_and(|content| {
        elf::read(&content).is_ok_and(|elf| elf.interpreter.is_none() && elf.needed.is_empty())
    })
}

/// Installs busybox under the names of its tools, or else those tools themselves.
pub(crate) fn install(root: &Path) -> Result<()> {
    match static_busybox() {
        Some(busybox) => install_busybox(root, &busybox),
        None => install_tools(root),
    }
}

fn install_busybox(root: &Path, busybox: &Path) -> Result<()> {
    let content = fs::read(busybox).map_err(|e| unusable(busybox.display(), e))?;
    let folder = Path::new("bin");
    make_all(root, folder)?;
    let bin = root.join(folder);
    let why = "have one program that is a shell and many tools, and needs no library";
    create(&bin.join("busybox"), &content, 0o755, why)?;
    for tool in TOOLS {
        let why =
            "let busybox be called by the name of a tool: that is how it knows which one to be";
        symlink(Path::new("busybox"), &bin.join(tool), why)?;
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
