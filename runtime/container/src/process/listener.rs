//! Who decides about system calls that the filter does not decide about itself?
//!
//! Somebody outside, who waits at a socket. The kernel gives the process that puts the filter in a
//! listener, from which such calls can be read; the process gives it to its parent, and the parent to
//! whoever waits, together with what there is to know (config-linux.md, "Container Process State").

use std::os::fd::AsFd;

use bundle::Seccomp;
use primitives::{
    Child, Error, Result, ToParent, connect_unix, seccomp_listen, send_fd_to, step_giving,
};
use serde::Serialize;
use serde_json::Value;

use super::Ready;
use super::seccomp::asks;

/// The name that a listener has among descriptors: `seccompFd` in config-linux.md.
const NAME: &str = "seccompFd";

/// Puts a filter in that asks somebody, and gives its listener to the parent, who calls
/// [`tell_listener`]. To be called with the rights that a filter takes, or none to gain any: after
/// [`super::become_user`].
///
/// From here on this process lives behind the filter. What it still does must pass: at once
/// `sendmsg`, and what the way to [`super::execute`] takes.
///
/// # Errors
/// Those of seccomp(2) and sendmsg(2).
pub fn hand_over_listener(parent: &ToParent, ready: &mut Ready) -> Result<()> {
    let Some(filter) = ready.filter.take_if(|filter| filter.asks()) else {
        return Ok(());
    };
    step_giving("put the filter in and hand its listener over", || {
        let why = "have somebody asked about the calls that the configuration names";
        seccomp_listen(parent, &filter.program, filter.flags, why, "let whoever is asked hear")
    })
}

/// What whoever is asked is told: `ContainerProcessState` of runtime-spec 1.3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    oci_version: &'a str,
    fds: [&'a str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: Value,
}

/// Takes the listener from a process that calls [`hand_over_listener`], and gives it to whoever waits
/// at the plan's socket; nothing where no rule asks anybody. `state` is the container's state, as hooks get it.
///
/// # Errors
/// When the process has failed, with its words; when nobody waits there.
pub fn tell_listener(
    child: &mut Child,
    seccomp: &Seccomp,
    oci_version: &str,
    state: &str,
) -> Result<()> {
    if !asks(seccomp) {
        return Ok(());
    }
    let listener = step_giving("take the filter's listener", || {
        child.receive_fd("give it to whoever is asked")
    })?;
    let Some(waiting) = &seccomp.listener else {
        return Err(Error::Unusable("linux.seccomp.listenerPath names nobody to ask".to_string()));
    };
    let told = Told {
        oci_version,
        fds: [NAME],
        pid: child.pid().as_raw(),
        metadata: &waiting.metadata,
        state: serde_json::from_str(state).unwrap_or_default(),
    };
    let text = serde_json::to_vec(&told).expect("texts and numbers are always JSON");
    step_giving("tell whoever is asked", || {
        let socket = connect_unix(&waiting.path, "reach whoever decides about calls")?;
        let why = "let them decide, and know about whom";
        send_fd_to(socket.as_fd(), listener.as_fd(), &text, why)
    })
}
