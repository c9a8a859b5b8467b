//! Which config.json does a bundle start with?
//!
//! The one of runc, byte for byte, because scripts and tutorials edit it by its lines. What differs,
//! and why:
//!
//! - `ociVersion` is the version that is understood here.
//! - `ambient` is not there: without `inheritable` the kernel grants none of it (capabilities(7)), so
//!   it said what was not so.
//! - `/proc/interrupts` and `/sys/devices/virtual/powercap` are masked as well, as by newer engines:
//!   they tell about the work of others (GHSA-6fw5-f8r9-fgfm, GHSA-jq35-85cj-fj4p).

use std::path::Path;

use primitives::{Error, Result, Status, create, own_ids, step_giving};

const DEFAULT: &str = include_str!("spec/default.json");
const ROOTLESS: &str = include_str!("spec/rootless.json");

/// For root: with limits, and a network of its own.
pub(crate) fn default() -> String {
    with_cgroup_namespace(DEFAULT.to_string())
}

/// For this user: in its own user namespace it is root, on the host's network.
pub(crate) fn rootless() -> String {
    let (uid, gid) = own_ids();
    let mapped = ROOTLESS.replace("UID", &uid.to_string()).replace("GID", &gid.to_string());
    with_cgroup_namespace(mapped)
}

/// Where there is cgroup v2 alone, the container sees its own cgroup as the first one. With v1 it
/// would see the same anyway, because there each controller is a mount of its own.
fn with_cgroup_namespace(spec: String) -> String {
    let mount = "{\n\t\t\t\t\"type\": \"mount\"\n\t\t\t}";
    match Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        true => spec.replace(mount, &format!("{mount},\n{}", mount_like("cgroup"))),
        false => spec,
    }
}

fn mount_like(kind: &str) -> String {
    format!("\t\t\t{{\n\t\t\t\t\"type\": \"{kind}\"\n\t\t\t}}")
}

/// Writes it, but never over one that is there.
///
/// # Errors
/// There is one, or it cannot be written.
pub(crate) fn write(bundle: &Path, spec: String) -> Result<Status> {
    let file = bundle.join("config.json");
    if file.symlink_metadata().is_ok() {
        return Err(Error::Unusable("File config.json exists. Remove it first".to_string()));
    }
    // Without it the command would be nothing, so it cannot be left out.
    step_giving("write the configuration", || {
        create(&file, spec.as_bytes(), 0o666, "begin with something that can be edited")
    })?;
    Ok(Status::Exited(0))
}
