//! How are kernel parameters set that belong to the container alone?
//!
//! When its root is entered, and before anything in `/proc` is made read-only.

use std::os::fd::AsFd;
use std::path::Path;

use bundle::{Kind, Origin, Plan};
use primitives::{Error, Result, inode_of, open_namespace, write_sysctl};

/// Sets all of them.
///
/// # Errors
/// Those of the requests.
pub(crate) fn set(plan: &Plan) -> Result<()> {
    plan.sysctls.iter().try_for_each(|sysctl| {
        write_sysctl(&sysctl.path, &sysctl.value, "have it so in this namespace only")
    })
}

/// A namespace that is joined by a path may be the one that the runtime itself is in, which most
/// often is the machine's (CVE-2022-0811 began with such a parameter). To be asked beforehand, where
/// the paths can still be seen.
///
/// # Errors
/// A parameter would be set for the whole machine.
pub(crate) fn check(plan: &Plan) -> Result<()> {
    for sysctl in &plan.sysctls {
        let Origin::Joined(path) = plan.namespaces.origin(sysctl.namespace) else {
            continue;
        };
        if is_our_own(sysctl.namespace, path) {
            return Err(Error::Unusable(format!(
                "sysctl {} would be set for the whole machine: {} is the namespace of this runtime",
                sysctl.path.display(),
                path.display()
            )));
        }
    }
    Ok(())
}

fn is_our_own(kind: Kind, path: &Path) -> bool {
    let name = match kind {
        Kind::Network => "net",
        Kind::Ipc => "ipc",
        Kind::Uts => "uts",
        // No parameter belongs to another kind.
        _ => return true,
    };
    let inode = |path: &Path| open_namespace(path).ok().and_then(|fd| inode_of(fd.as_fd()).ok());
    inode(path) == inode(&Path::new("/proc/self/ns").join(name))
}
