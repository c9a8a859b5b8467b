//! The network of this machine, without any power over it: by slirp4netns.
//!
//! Nobody but root may plug a wire into this machine's own network. But every user may open sockets. So
//! slirp4netns stands between: in the container's namespace there is a device whose packets it reads as
//! bytes, and for each connection that they mean it opens one of its own, out here.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use primitives::{
    Birth, Child, Error, Pid, Result, Signal, Status, dup2, execve, find_program, link_set_up,
    memfd_create_inheritable, open_namespace, own_environment, pidfd_send_signal, spawn, step,
    step_giving,
};

use crate::machine::{self, become_it};

/// The descriptors that slirp4netns finds, by number.
const NETWORK: i32 = 10;
const USER: i32 = 11;
const READY: i32 = 12;

// ANCHOR: connected
/// Runs a program in a network namespace of its own, which slirp4netns connects to this machine's.
pub(crate) fn connected(command: &[OsString], host_loopback: bool) -> Result<Status> {
    let program = program()?;
    let mut child = machine::make("child", |parent| {
        machine::begin(parent)?;
        step("switch lo on", || link_set_up("lo", "let it reach itself"))?;
        step_giving("wait for the network", || parent.wait("not start before there is one"))?;
        become_it(command)
    })?;
    step_giving("let it be root", || child.release("tell it that it is root"))?;
    let slirp = child.beside(|pid| start(&program, pid, host_loopback))?;
    let status = machine::released(child)?;
    end(slirp)?;
    Ok(status)
}
// ANCHOR_END: connected

fn program() -> Result<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    find_program("slirp4netns".as_ref(), &search).map_err(|_| {
        let install = "this takes slirp4netns (Debian: apt-get install slirp4netns)";
        Error::Unusable(install.to_string())
    })
}

/// Starts it, and waits until the device is there.
fn start(program: &Path, pid: Pid, host_loopback: bool) -> Result<Child> {
    let (network, user) = (namespace(pid, "net")?, namespace(pid, "user")?);
    let ready = step_giving("have a place for its word", || {
        memfd_create_inheritable("ready", b"", "be told when the network is there")
    })?;
    let mut slirp = step_giving("start slirp4netns", || {
        let why = "have somebody who opens sockets for the container";
        spawn("slirp4netns", Birth::default(), why, |parent| {
            step("end with us", || parent.tie(Signal::SIGKILL, "end when we end"))?;
            step_giving("have the namespaces at hand", || {
                dup2(network.as_fd(), NETWORK, "find the network namespace by number")?;
                dup2(user.as_fd(), USER, "find the user namespace that it belongs to")?;
                dup2(ready.as_fd(), READY, "say when the network is there")
            })?;
            let words = words(host_loopback);
            match execve(program, &words, &own_environment(), "connect the two networks")? {}
        })
    })?;
    wait_until_ready(&mut slirp, ready.as_fd())?;
    Ok(slirp)
}

fn namespace(pid: Pid, kind: &str) -> Result<OwnedFd> {
    let file = PathBuf::from(format!("/proc/{pid}/ns/{kind}"));
    open_namespace(&file).map_err(|error| Error::Unusable(format!("{}: {error}", file.display())))
}

// ANCHOR: words
fn words(host_loopback: bool) -> Vec<OsString> {
    let mut words = vec!["slirp4netns".to_string(), "--configure".to_string()];
    if !host_loopback {
        words.push("--disable-host-loopback".to_string());
    }
    words.extend([
        format!("--ready-fd={READY}"),
        "--netns-type=path".to_string(),
        format!("--userns-path=/proc/self/fd/{USER}"),
        format!("/proc/self/fd/{NETWORK}"),
        "tap0".to_string(),
    ]);
    words.into_iter().map(OsString::from).collect()
}
// ANCHOR_END: words

/// It writes one character when the device is configured.
fn wait_until_ready(slirp: &mut Child, ready: BorrowedFd<'_>) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(2);
    let unknown = |error| Error::Unusable(format!("slirp4netns cannot be heard: {error}"));
    let file = File::from(ready.try_clone_to_owned().map_err(unknown)?);
    while file.metadata().map_err(unknown)?.len() == 0 {
        if slirp.ends_within(LOOK)? {
            let why = "slirp4netns has ended before it had connected anything: its last words stand \
                       above; it needs /dev/net/tun";
            return Err(Error::Unusable(why.to_string()));
        }
    }
    Ok(())
}

/// It does not notice that nobody is in the namespace any more.
fn end(slirp: Child) -> Result<()> {
    step_giving("end slirp4netns", || {
        if let Some(pidfd) = slirp.pidfd() {
            pidfd_send_signal(pidfd, Signal::SIGTERM, "connect nobody any more")?;
        }
        slirp.finish("leave no process behind").map(drop)
    })
}
