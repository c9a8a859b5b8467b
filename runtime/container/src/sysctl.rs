//! How are kernel parameters set that belong to the container alone?
//!
//! Through a procfs of our own, which nobody can have put anything into (CVE-2025-52881): what is
//! mounted at `/proc` in there may be the image's.

use std::os::fd::AsFd;
use std::path::Path;

use bundle::{Kind, Origin, Plan};
use primitives::{
    Error, MountAttrFlags, Result, fsconfig_create, fsmount, fsopen, open_namespace, write_beneath,
};

/// Sets all of them.
///
/// # Errors
/// A namespace that was joined is the machine's own; or those of the requests.
pub(crate) fn set(plan: &Plan) -> Result<()> {
    refuse_the_machines_own(plan)?;
    let proc = fsopen("proc", "have a procfs that nobody has touched")?;
    fsconfig_create(proc.as_fd(), "make it")?;
    let proc = fsmount(proc.as_fd(), MountAttrFlags::empty(), "open it, without a place in the tree")?;
    for sysctl in &plan.sysctls {
        let file = Path::new("sys").join(&sysctl.path);
        let why = "have it as the configuration says, in this namespace only";
        write_beneath(proc.as_fd(), &file, &sysctl.value, why)?;
    }
    Ok(())
}

/// A namespace that is joined by a path may be the one that pid 1 of the machine is in.
fn refuse_the_machines_own(plan: &Plan) -> Result<()> {
    for sysctl in &plan.sysctls {
        let Origin::Joined(path) = plan.namespaces.origin(sysctl.namespace) else {
            continue;
        };
        if is_the_machines(sysctl.namespace) {
            return Err(Error::Unusable(format!(
                "sysctl {} would be set for the whole machine: {} is its own namespace",
                sysctl.path.display(),
                path.display()
            )));
        }
    }
    Ok(())
}
