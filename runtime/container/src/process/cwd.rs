//! Where does the process start?
//!
//! Inside, and that is looked at and not believed: a path such as `/proc/self/fd/7` can lead out by a
//! descriptor that somebody forgot (CVE-2024-21626).

use std::path::Path;

use bundle::Process;
use primitives::{Errno, Error, Failure, Result, chdir, current_directory, mkdir, step};

/// Makes the working directory where the root file system has none, as in runc. To be called when the
/// root is entered and can still be written to.
///
/// # Errors
/// Those of mkdir(2), but for a directory that is there.
pub fn make_cwd(process: &Process) -> Result<()> {
    if std::fs::metadata(&process.cwd).is_ok() {
        return Ok(());
    }
    step("make the working directory", || {
        let mut path = process.cwd.ancestors().collect::<Vec<&Path>>();
        path.reverse();
        path.into_iter().skip(1).try_for_each(make)
    })
}

fn make(directory: &Path) -> Result<()> {
    if std::fs::metadata(directory).is_ok() {
        return Ok(());
    }
    match mkdir(directory, 0o755, "have a directory to start in") {
        Err(error) if error.errno() == Some(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

/// Goes to the working directory while this process may still go everywhere. Where it may not, as on
/// the network file system of a user, [`look_around`] tries again as that user.
///
/// # Errors
/// Those of chdir(2), but for a missing permission.
pub fn go_to_cwd(process: &Process) -> Result<()> {
    step("go to the working directory", || {
        match chdir(&process.cwd, "start in the directory that the configuration names") {
            Err(error) if error.errno() == Some(Errno::EACCES) => Ok(()),
            other => other,
        }
    })
}

/// Sees, as the container's user, that this process is where it should be: inside, and in a directory
/// that is there.
///
/// # Errors
/// When it is not.
pub fn look_around(process: &Process) -> Result<()> {
    // Root itself is where a process stands that could not go elsewhere.
    if current_directory().is_ok_and(|here| here == Path::new("/")) && !is_root(&process.cwd) {
        step("go to the working directory as the user", || {
            chdir(&process.cwd, "start in the directory that the configuration names")
        })?;
    }
    match current_directory() {
        Ok(here) if here.is_absolute() => Ok(()),
        // The kernel says `(unreachable)` before a path that is not below the root.
        Ok(_) | Err(Errno::ENOENT) => Err(outside(&process.cwd)),
        Err(errno) => Err(Error::Unusable(format!(
            "the working directory cannot be looked at: getcwd: {errno:?}"
        ))),
    }
}

fn is_root(path: &Path) -> bool {
    path.components().count() == 1
}

fn outside(cwd: &Path) -> Error {
    let message = format!(
        "current working directory is outside of container mount namespace root -- possible \
         container breakout detected (process.cwd is {cwd:?})"
    );
    Error::Child(Failure { message, code: primitives::CANNOT_EXECUTE })
}
