//! How do network devices of the host become the container's?
//!
//! config-linux.md, "Network Devices": a device is moved with its permanent addresses that are good
//! everywhere, gets the name that it shall have, and is switched on. What becomes of it later is for
//! whoever owns the network namespace: nobody moves it back. The kernel does so with real devices, and
//! destroys others, when the namespace goes.
//!
//! A device loses its addresses on the way, and a request about the network is about the namespace that a
//! process is in. So a process of its own goes there and back; and before anything is moved it looks
//! whether the name is free, for a device that is there under the wrong name would go with the container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use bundle::{NetworkDevice, Plan};
use primitives::{
    Address, Birth, Error, Namespaces, Netns, Pid, Result, address_add, addresses_of, link_move,
    link_set_up, links, open_namespace, setns, spawn, step_giving,
};

/// A device that will be moved.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    wanted: &'a NetworkDevice,
    addresses: Vec<Address>,
}

/// Looks for the devices, before anything is made for the container. Looking changes nothing.
///
/// # Errors
/// One is not there.
pub(crate) fn find<'p>(plan: &'p Plan) -> Result<Vec<Found<'p>>> {
    /// Good everywhere: `RT_SCOPE_UNIVERSE` in rtnetlink(7).
    const EVERYWHERE: u8 = 0;
    let one = |wanted: &'p NetworkDevice| {
        let NetworkDevice { host_name, .. } = wanted;
        let mut addresses = addresses_of(host_name).map_err(|errno| {
            Error::Unusable(format!(
                "linux.netDevices: this machine has no network device {host_name:?} ({errno:?})"
            ))
        })?;
        addresses.retain(|address| address.permanent && address.scope == EVERYWHERE);
        Ok(Found { wanted, addresses })
    };
    plan.network_devices.iter().map(one).collect()
}

/// Moves the devices to where the container's first process is.
///
/// # Errors
/// One cannot be moved, or its name is taken there; then no other is moved.
pub(crate) fn hand_over(devices: &[Found<'_>], first: Pid) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    step_giving("move network devices", || {
        let there = namespace_of(first)?;
        let here = namespace_of(primitives::getpid())?;
        let why = "go to the other network and back, which a runtime had better not do itself";
        let child = spawn("network", Birth::default(), why, |_| {
            devices.iter().try_for_each(|device| device.move_over(here.as_fd(), there.as_fd()))?;
            Ok(0)
        })?;
        child.finish("have all of them there").map(drop)
    })
}

fn namespace_of(pid: Pid) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/ns/net");
    open_namespace(Path::new(&path)).map_err(|error| Error::Unusable(format!("{path}: {error}")))
}

impl Found<'_> {
    fn move_over(&self, here: BorrowedFd<'_>, there: BorrowedFd<'_>) -> Result<()> {
        let NetworkDevice { host_name, name } = self.wanted;
        let network = Namespaces::CLONE_NEWNET;
        setns(there, network, "see which names are taken there")?;
        let before = names()?;
        setns(here, network, "be where the device is")?;
        if before.contains(name) {
            return Err(Error::Unusable(format!(
                "linux.netDevices.{host_name}: there is a device {name:?} in the container already"
            )));
        }
        let why = "have the container's programs use it";
        link_move(host_name, Netns::Open(there), name, why)?;
        setns(there, network, "find it there")?;
        // A name with %d in it the kernel has finished.
        let new = names()?.into_iter().find(|name| !before.contains(name));
        let new = new.unwrap_or_else(|| name.clone());
        for address in &self.addresses {
            address_add(&new, address, "have it keep the address that it had on the host")?;
        }
        link_set_up(&new, "let packets through")?;
        setns(here, network, "be where the next device is")
    }
}

fn names() -> Result<Vec<String>> {
    let unknown =
        |errno| Error::Unusable(format!("the kernel does not tell its network devices: {errno:?}"));
    Ok(links().map_err(unknown)?.into_iter().map(|link| link.name).collect())
}
