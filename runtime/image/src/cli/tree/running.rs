//! Running an image's program: a bundle, and a runtime to which it is given.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use image::rootfs::bundle::{self, Root};
use image::rootfs::config::Wishes;
use image::rootfs::{inside, overlay};
use image::store::Store;
use primitives::{
    Birth, Error, Result, Status, become_program, dup2, getpid, mkdir, spawn, step_giving,
};

use super::Source;
use super::making::{Ready, maps, resolve};
use crate::cli::Global;

/// `run`: the bundle is made by a process of its own, because layers are unpacked by threads and a
/// process that has them cannot be split. The container is the runtime's; what is left of it is taken
/// away when it has ended, however it has.
pub(super) fn run(
    global: &Global,
    source: &Source,
    name: Option<&str>,
    runtime: Option<&Path>,
    wishes: &Wishes,
) -> Result<Status> {
    let name = name.map_or_else(|| format!("image-{}", getpid()), str::to_string);
    let folder = Store::open(&global.root())?.container(&name)?;
    if folder.symlink_metadata().is_ok() {
        return Err(Error::Unusable(format!("there is a container {name:?} already")));
    }
    bring_if_missing(global, &source.image)?;
    let bundle = folder.join("bundle");
    let ended = make(global, source, &name, wishes)
        .and_then(|()| run_bundle(&runtime_program(runtime), &name, &bundle));
    let cleaned = clean_up(global, &name, &bundle);
    let status = ended?;
    cleaned.map(|()| status)
}

/// An image that is not here is pulled first, by this same program: its threads are not ours then.
fn bring_if_missing(global: &Global, image: &str) -> Result<()> {
    if resolve(&Store::open(&global.root())?, image).is_ok() {
        return Ok(());
    }
    let own = std::env::current_exe();
    let own = own.map_err(|e| Error::Unusable(format!("this program is not found: {e}")))?;
    let root = global.root();
    let words =
        [own.as_os_str(), "--root".as_ref(), root.as_os_str(), "pull".as_ref(), "--".as_ref()];
    let words: Vec<OsString> =
        words.into_iter().map(OsString::from).chain([OsString::from(image)]).collect();
    let child = step_giving("bring the image", || {
        spawn("puller", Birth::default(), "have the image that is not here", |_| {
            let (output, messages) = (std::io::stdout(), std::io::stderr());
            let why = "leave standard output to the program of the image";
            dup2(messages.as_fd(), output.as_fd().as_raw_fd(), why)?;
            become_program(&words, "pull it")
        })
    })?;
    match step_giving("wait for the image", || child.finish("see whether it has come"))? {
        Status::Exited(0) => Ok(()),
        _ => Err(Error::Unusable(format!("{image:?} is not here, and could not be pulled"))),
    }
}

fn make(global: &Global, source: &Source, name: &str, wishes: &Wishes) -> Result<()> {
    let root = global.root();
    let maps = maps();
    inside::as_root(|| {
        let ready = Ready::make(&root, source)?;
        let bundle = ready.keep(name)?.join("bundle");
        mkdir(bundle.as_path(), 0o755, "have a place for the bundle")?;
        let how = if maps.is_some() { Root::Copied } else { Root::Mounted };
        bundle::make(&bundle, &ready.layers, &ready.image.config, wishes, how, maps.as_ref())
    })
}

fn run_bundle(runtime: &Path, name: &str, bundle: &Path) -> Result<Status> {
    let words: [OsString; 5] =
        [runtime.into(), "run".into(), "--bundle".into(), bundle.into(), name.into()];
    let child = step_giving("run the container", || {
        spawn("runtime", Birth::default(), "have the container made and watched", |_| {
            become_program(&words, "give the bundle to the runtime")
        })
    })?;
    step_giving("wait for its end", || child.finish("pass the exit code of the program on"))
}

/// The one that was named; else the one beside this program, and else the one that a shell would find.
fn runtime_program(named: Option<&Path>) -> PathBuf {
    if let Some(named) = named {
        return named.to_path_buf();
    }
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("runtime"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| "runtime".into())
}

fn clean_up(global: &Global, name: &str, bundle: &Path) -> Result<()> {
    let root = global.root();
    inside::as_root(|| {
        if bundle.join("work").is_dir() {
            // It may have failed before it was mounted.
            let _ = overlay::unmount(&bundle.join("rootfs"));
        }
        Ok(Store::open(&root)?.forget(name)?)
    })
}
