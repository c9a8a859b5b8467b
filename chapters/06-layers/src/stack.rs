//! How are directories laid over each other?

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use primitives::{
    Birth, Error, MountAttrFlags, MsFlags, Result, Signal, Status, ToParent, become_program, chdir,
    fsconfig_create, fsconfig_flag, fsconfig_set, fsmount, fsopen, mkdir, mount_new, move_mount,
    read_small, spawn, step, step_giving,
};

use crate::view::{self, is_first_user_namespace};
use crate::{Api, Stack, sample};

/// The directories of a stack besides its lower layers.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) upper: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) merged: PathBuf,
}

impl Place {
    /// In an empty place that nobody else sees, and that hides nothing of what is `used`.
    pub(crate) fn empty(used: &[&Path]) -> Result<Place> {
        let root = view::empty_place(used)?;
        let [upper, work, merged] = ["upper", "work", "merged"].map(|name| root.join(name));
        step("make room for the stack", || {
            mkdir(&upper, 0o755, "have a layer that takes the changes")?;
            mkdir(&work, 0o755, "have a directory where overlayfs prepares each change")?;
            mkdir(&merged, 0o755, "have a directory where the stack is seen")
        })?;
        Ok(Place { root, upper, work, merged })
    }

    /// Stacks these layers, the uppermost first.
    pub(crate) fn stack(&self, lowers: &[PathBuf]) -> Result<()> {
        step("stack the layers", || self.stack_here(lowers))
    }

    /// As [`Place::stack`], in a step of the caller's.
    pub(crate) fn stack_here(&self, lowers: &[PathBuf]) -> Result<()> {
        classic(self, lowers)
    }
}

// ANCHOR: run
/// Runs a program in a stack of layers and ends as it ended.
pub(crate) fn run(wanted: &Stack) -> Result<Status> {
    let child = step_giving("make a child", || {
        let why = "have somebody to live in the stack, while we stay and watch";
        spawn("child", Birth::default(), why, |parent| live_inside(parent, wanted))
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn live_inside(parent: &ToParent, wanted: &Stack) -> Result<u8> {
    step("tie to the parent", || {
        parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
    })?;
    view::of_our_own()?;
    let (place, lowers) = directories(wanted)?;
    match wanted.api {
        Api::Classic => place.stack(&lowers)?,
        Api::New => {
            let mount = step_giving("describe the stack", || new(&place, &lowers))?;
            step("attach the stack", || {
                move_mount(mount.as_fd(), &place.merged, "see the layers as one directory")
            })?;
        }
    }
    step("stand in the stack", || chdir(&place.merged, "start the program in it"))?;
    let command = command(wanted);
    step_giving("become the program", || become_program(&command, "run what was asked for"))
}
// ANCHOR_END: run

fn directories(wanted: &Stack) -> Result<(Place, Vec<PathBuf>)> {
    let own = [&wanted.upper, &wanted.work].into_iter().flatten();
    let used: Vec<&Path> = wanted.lowers.iter().chain(own).map(PathBuf::as_path).collect();
    let mut place = Place::empty(&used)?;
    if let (Some(upper), Some(work)) = (&wanted.upper, &wanted.work) {
        (place.upper, place.work) = (upper.clone(), work.clone());
    }
    let lowers = match wanted.lowers.is_empty() {
        true => sample::lay_down(&place.root)?,
        false => wanted.lowers.clone(),
    };
    Ok((place, lowers))
}

fn command(wanted: &Stack) -> Vec<OsString> {
    match wanted.command.is_empty() {
        false => wanted.command.clone(),
        true => vec![std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())],
    }
}

// ANCHOR: classic
/// One mount(2): all that is to be said stands in one string.
fn classic(place: &Place, lowers: &[PathBuf]) -> Result<()> {
    let lowers: Vec<String> =
        lowers.iter().map(|lower| escaped(lower, &['\\', ',', ':'])).collect::<Result<_>>()?;
    let mut options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lowers.join(":"),
        escaped(&place.upper, &['\\', ','])?,
        escaped(&place.work, &['\\', ','])?
    );
    if !is_first_user_namespace() {
        options.push_str(",userxattr");
    }
    let why = "see the layers as one directory";
    mount_new("layers", &place.merged, "overlay", MsFlags::empty(), Some(&options), why)
}
// ANCHOR_END: classic

// ANCHOR: escaped
/// A directory in a string of options: a comma would end the option and a colon the layer, if no
/// backslash stood before them.
fn escaped(path: &Path, special: &[char]) -> Result<String> {
    let mut text = String::new();
    for letter in name(path)?.chars() {
        if special.contains(&letter) {
            text.push('\\');
        }
        text.push(letter);
    }
    Ok(text)
}
// ANCHOR_END: escaped

fn name(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::Unusable(format!("{} is not UTF-8, which options are here", path.display()))
    })
}

// ANCHOR: new
/// The new interface: the options are said one by one, and each is refused by itself.
fn new(place: &Place, lowers: &[PathBuf]) -> Result<OwnedFd> {
    let fs = fsopen("overlay", "begin to describe a stack")?;
    let fs = fs.as_fd();
    match lowers {
        [_, _, ..] if takes_layers_one_by_one() => {
            for lower in lowers {
                fsconfig_set(fs, "lowerdir+", name(lower)?, "put this layer below those before")?;
            }
        }
        lowers => {
            let lowers: Vec<String> =
                lowers.iter().map(|lower| escaped(lower, &['\\', ':'])).collect::<Result<_>>()?;
            fsconfig_set(fs, "lowerdir", &lowers.join(":"), "say what is only read")?;
        }
    }
    // These are names by themselves, and yet a backslash has to be said twice.
    let (upper, work) = (escaped(&place.upper, &['\\'])?, escaped(&place.work, &['\\'])?);
    fsconfig_set(fs, "upperdir", &upper, "say where changes go")?;
    fsconfig_set(fs, "workdir", &work, "say where changes are prepared")?;
    if !is_first_user_namespace() {
        fsconfig_flag(fs, "userxattr", "keep its notes where no root is needed to write them")?;
    }
    fsconfig_create(fs, "make the stack as described")?;
    fsmount(fs, MountAttrFlags::empty(), "have a mount of it")
}
// ANCHOR_END: new

/// `lowerdir+` is there since Linux 6.7. Before 6.5 overlayfs took any key here and complained only
/// at the end, so trying would not tell.
fn takes_layers_one_by_one() -> bool {
    let release = read_small(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap_or(0_u32));
    (numbers.next(), numbers.next()) >= (Some(6), Some(7))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::escaped;

    #[test]
    fn what_ends_an_option_is_escaped() {
        let special = ['\\', ',', ':'];
        assert_eq!(escaped(Path::new("/a,b:c\\d"), &special).unwrap(), r"/a\,b\:c\\d");
        assert_eq!(escaped(Path::new("/plain"), &special).unwrap(), "/plain");
    }
}
