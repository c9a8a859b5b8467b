//! How is a new file system made and mounted, or an old one changed?

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use bundle::{Flag, Mount, What};
use primitives::{
    Errno, Error, MountAttrFlags, MountChange, Recursive, Result, fchdir, fsconfig_create,
    fsconfig_flag, fsconfig_reconfigure, fsconfig_set, fsmount, fsopen, fspick, last_words,
    mount_new, open_tree_copy,
};

use super::answer;
use super::attributes::{
    apply, apply_recursive, change, of_file_system, of_mount, of_one_call, propagate,
};
use super::copy_up::copy_up;
use super::mounts::{Context, check_what_is_hidden, directory, is_filled_later, without_read_only};
use super::place::{Place, Root};

/// fsconfig(2) takes texts of up to 255 bytes; mount(2) a page for all of them.
const LONGEST: usize = 255;

/// Mounts a new file system.
pub(super) fn mount(context: &Context<'_>, mount: &Mount, kind: &str, source: &str) -> Result<()> {
    let destination = mount.destination.as_path();
    let place = match kind {
        "proc" | "sysfs" => context.root.make_directory_without_links(destination)?,
        _ => directory(context.root, destination)?,
    };
    check_what_is_hidden(destination, &place, || kind == "proc")?;
    let options = options(context, mount, kind, &place)?;
    let mount = if is_filled_later(mount) { &without_read_only(mount) } else { mount };
    if source.len() > LONGEST || options.iter().any(|option| value(option).len() > LONGEST) {
        return by_one_call(context, mount, &place, (kind, source), &options);
    }
    let tree = match make(mount, kind, source, &options) {
        Err(error) if answer(&error) == Some(Errno::EPERM) && context.is_in_a_user_namespace() => {
            of_the_host(mount, kind, error)?
        }
        other => other?,
    };
    if mount.copy_up {
        copy_up(place.as_fd(), tree.as_fd(), destination)?;
    }
    context.attach(tree, &place, mount)
}

/// What the file system is told of, beside its flags.
fn options(context: &Context<'_>, mount: &Mount, kind: &str, place: &Place) -> Result<Vec<String>> {
    let mut options = mount.data.clone();
    let says_mode = || options.iter().any(|option| option.starts_with("mode="));
    if kind == "tmpfs" && !place.is_new() && !says_mode() {
        // As in runc: what was a /tmp for everybody is one again.
        let mode = place.look(&mount.destination)?.mode;
        options.push(format!("mode={mode:o}"));
    }
    // The kernel's own file systems have labels for each of their files.
    if let Some(label) = &context.plan.mount_label
        && !matches!(kind, "proc" | "sysfs" | "mqueue")
    {
        options.push(format!("context={label}"));
    }
    Ok(options)
}

fn make(mount: &Mount, kind: &str, source: &str, options: &[String]) -> Result<OwnedFd> {
    let fs = fsopen(kind, "begin with a file system of this kind")?;
    let fs = fs.as_fd();
    configure(fs, mount, source, options).map_err(|error| with_last_words(error, fs))?;
    let why = "have it mounted, but nowhere yet";
    fsmount(fs, of_mount(&mount.set), why).map_err(|error| with_last_words(error, fs))
}

fn configure(fs: BorrowedFd<'_>, mount: &Mount, source: &str, options: &[String]) -> Result<()> {
    fsconfig_set(fs, "source", source, "have a name for it in the table of mounts")?;
    for option in options {
        set(fs, option)?;
    }
    for flag in of_file_system(&mount.set) {
        fsconfig_flag(fs, flag, "have it like this wherever it is mounted")?;
    }
    fsconfig_create(fs, "have it made")
}

fn set(fs: BorrowedFd<'_>, option: &str) -> Result<()> {
    match option.split_once('=') {
        Some((key, value)) => fsconfig_set(fs, key, value, "have it as the configuration says"),
        None => fsconfig_flag(fs, option, "have it as the configuration says"),
    }
}

fn value(option: &str) -> &str {
    option.split_once('=').map_or(option, |(_, value)| value)
}

/// The kernel says in words what it did not like, to who asks for it.
fn with_last_words(error: Error, fs: BorrowedFd<'_>) -> Error {
    match (error, last_words(fs)) {
        (Error::Request(mut refusal), words) if !refusal.here && !words.is_empty() => {
            refusal.more = format!("{} (the kernel: {words})", refusal.more);
            Error::Request(refusal)
        }
        (error, _) => error,
    }
}

/// What of the host may be shown where a file system of its own is forbidden: it belongs to a
/// namespace that this user namespace does not own. So runc has it for rootless containers.
const HOST: [(&str, &str); 2] = [("sysfs", "/sys"), ("mqueue", "/dev/mqueue")];

fn of_the_host(mount: &Mount, kind: &str, error: Error) -> Result<OwnedFd> {
    let Some((_, path)) = HOST.iter().find(|(known, _)| *known == kind) else {
        return Err(error);
    };
    let why = "show the host's, where one of its own is forbidden";
    let tree = open_tree_copy(Path::new(path), Recursive::Yes, why)?;
    let mut set = of_mount(&mount.set) - MountAttrFlags::MOUNT_ATTR__ATIME;
    if kind == "sysfs" {
        set |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    let change = MountChange { set, ..Default::default() };
    apply(tree.as_fd(), change, Recursive::Yes, "let nobody change the host by way of it")?;
    Ok(tree)
}

/// Mounts by mount(2), which takes longer texts. It takes no descriptor, but it takes the working
/// directory, which is the place itself and not a path to it.
fn by_one_call(
    context: &Context<'_>,
    mount: &Mount,
    place: &Place,
    (kind, source): (&str, &str),
    options: &[String],
) -> Result<()> {
    fchdir(place.as_fd(), "call the place \".\"")?;
    let (data, flags) = (options.join(","), of_one_call(&mount.set));
    let data = (!data.is_empty()).then_some(data.as_str());
    let why = "mount it by the call that takes texts of this length";
    mount_new(source, Path::new(OsStr::new(".")), kind, flags, data, why)?;
    let new = context.root.place(&mount.destination)?;
    apply_recursive(new.as_fd(), mount)?;
    propagate(new.as_fd(), &mount.propagation)?;
    context.keep(new.into_fd(), mount);
    Ok(())
}

/// Changes what is mounted at the destination already.
pub(super) fn remount(root: &Root, mount: &Mount) -> Result<()> {
    let place = root.place(&mount.destination)?;
    let place = place.as_fd();
    if let What::FileSystem { .. } = mount.what {
        let fs = fspick(place, "change the file system itself, which is mounted already")?;
        let fs = fs.as_fd();
        reconfigure(fs, mount).map_err(|error| with_last_words(error, fs))?;
    }
    let why = "change the mount that is there already";
    apply(place, change(&mount.set, &mount.cleared), Recursive::No, why)?;
    apply_recursive(place, mount)?;
    propagate(place, &mount.propagation)
}

fn reconfigure(fs: BorrowedFd<'_>, mount: &Mount) -> Result<()> {
    for option in &mount.data {
        set(fs, option)?;
    }
    for flag in of_file_system(&mount.set) {
        fsconfig_flag(fs, flag, "have it like this wherever it is mounted")?;
    }
    if mount.cleared.contains(&Flag::ReadOnly) {
        fsconfig_flag(fs, "rw", "have it writable wherever it is mounted")?;
    }
    fsconfig_reconfigure(fs, "have it take on what was set")
}
