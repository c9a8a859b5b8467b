//! The names of the machine, which belong to the UTS namespace.

use crate::call;
use crate::error::Result;
use crate::gate::perform;

/// Sets the host name of this process's UTS namespace: up to 64 bytes, any but zero.
///
/// - man: sethostname(2), uts_namespaces(7)
/// - since: Linux 1.0; per namespace since 2.6.19
/// - EPERM: this process is not root in the user namespace that owns its UTS namespace
/// - EINVAL: the name is longer than 64 bytes
#[track_caller]
pub fn sethostname(name: &str, why: &'static str) -> Result<()> {
    perform(call!("sethostname", name), why, || nix::unistd::sethostname(name))
}

/// Sets the NIS domain name of this process's UTS namespace: up to 64 bytes.
///
/// - man: setdomainname(2), uts_namespaces(7)
/// - since: Linux 1.0; per namespace since 2.6.19
/// - EPERM: this process is not root in the user namespace that owns its UTS namespace
/// - EINVAL: the name is longer than 64 bytes
#[track_caller]
pub fn setdomainname(name: &str, why: &'static str) -> Result<()> {
    perform(call!("setdomainname", name), why, || {
        rustix::system::setdomainname(name.as_bytes()).map_err(crate::process::from_rustix)
    })
}

/// The host name that this process sees. Asking changes nothing.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
