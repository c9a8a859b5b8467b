//! Network devices, as far as a container needs them before anybody has given it a network.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::AsRawFd;

use crate::args::Word;
use crate::call;
use crate::error::Result;
use crate::gate::perform;

/// Switches a network device of this network namespace on.
///
/// - man: netdevice(7), "SIOCSIFFLAGS"
/// - since: Linux 1.0
/// - EPERM: this needs CAP_NET_ADMIN in the user namespace that the network namespace belongs to
/// - ENODEV: there is no device of this name
#[track_caller]
pub fn set_link_up(name: &str, why: &'static str) -> Result<()> {
    perform(
        call!("ioctl" as "set_link_up", Word("SIOCSIFFLAGS"), name, Word("IFF_UP")),
        why,
        || {
            let any =
                socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
            // SAFETY: ifreq is a plain structure of numbers, for which all zeros is a value.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            if name.len() >= request.ifr_name.len() {
                return Err(Errno::ENODEV);
            }
            for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
                *to = libc::c_char::from_ne_bytes([from]);
            }
            // SAFETY: the request lives until the call returns, which writes nothing but its flags.
            Errno::result(unsafe {
                libc::ioctl(any.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request)
            })?;
            // SAFETY: the call has just filled in this part of the union.
            let flags = unsafe { request.ifr_ifru.ifru_flags };
            let up = i16::try_from(libc::IFF_UP).expect("it is 1");
            request.ifr_ifru.ifru_flags = flags | up;
            // SAFETY: as before; this call writes nothing into it.
            Errno::result(unsafe {
                libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request)
            })
            .map(drop)
        },
    )
}
