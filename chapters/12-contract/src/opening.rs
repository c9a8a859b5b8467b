//! What does a bundle ask for?
//!
//! `bundle` reads config.json and gives a plan: whole, absolute, checked. From here on nobody looks at
//! JSON again. What the plan has and this chapter has not is found out here too, before anything is
//! made: a container without it would be another one than was asked for.

use std::path::Path;

use bundle::{Kind, Origin, Plan, Remark, Terminal};
use primitives::Result;

use crate::unusable;

/// A bundle that was read.
pub(crate) struct Opened {
    /// What its config.json means.
    pub(crate) plan: Plan,
    /// What is odd about it.
    pub(crate) remarks: Vec<Remark>,
    /// Its config.json as it is written.
    pub(crate) text: Vec<u8>,
}

// ANCHOR: open
/// Reads the config.json of a bundle, or says everything that is wrong with it.
pub(crate) fn open(directory: &Path) -> Result<Opened> {
    let unreadable = |path: &Path, error: std::io::Error| {
        unusable(format!("{}: {error} (`chapter12 oci spec` writes one)", path.display()))
    };
    let bundle = directory.canonicalize().map_err(|error| unreadable(directory, error))?;
    let file = bundle.join("config.json");
    let text = std::fs::read(&file).map_err(|error| unreadable(&file, error))?;
    read(text, &bundle)
}

/// The plan of a configuration that lies in `bundle`.
pub(crate) fn read(text: Vec<u8>, bundle: &Path) -> Result<Opened> {
    match bundle::read(&text, bundle) {
        Ok(reading) => Ok(Opened { plan: reading.plan, remarks: reading.remarks, text }),
        Err(complaints) => {
            let list = complaints.to_string().replace('\n', "\n  ");
            Err(unusable(format!("config.json is wrong\n  {list}")))
        }
    }
}
// ANCHOR_END: open

/// What the configuration asks for and this chapter leaves out.
pub(crate) fn left_out(plan: &Plan) -> Vec<&'static str> {
    let process = &plan.process;
    let joined = |(_, origin): (Kind, &Origin)| matches!(origin, Origin::Joined(_));
    let listens = plan.seccomp.as_ref().is_some_and(|seccomp| seccomp.listener.is_some());
    // Which devices may be used is said in every configuration, and where there is a user namespace
    // nobody makes any.
    let bundle::Cgroup { place, devices, .. } = plan.cgroup.clone();
    let devices = if plan.namespaces.makes(Kind::User) { devices } else { Vec::new() };
    let no_limits = bundle::Cgroup { place, devices, ..Default::default() };
    let list = [
        ("process.terminal: see chapter 13", process.terminal != Terminal::None),
        ("linux.namespaces: to join one, see chapter 13", plan.namespaces.iter().any(joined)),
        ("linux.namespaces: none of type \"mount\"", !plan.namespaces.makes(Kind::Mount)),
        ("linux.namespaces: of type \"time\"", plan.namespaces.makes(Kind::Time)),
        ("linux.resources: see chapter 8", plan.cgroup != no_limits),
        ("linux.sysctl", !plan.sysctls.is_empty()),
        ("linux.seccomp.listenerPath: see chapter 10", listens),
        ("linux.personality", plan.personality.is_some()),
        ("linux.memoryPolicy", plan.memory_policy.is_some()),
        ("linux.netDevices", !plan.network_devices.is_empty()),
        ("linux.intelRdt", plan.intel_rdt.is_some()),
        ("domainname", plan.domainname.is_some()),
    ];
    list.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| name).collect()
}

/// Refuses what is left out here.
pub(crate) fn refuse_what_is_left_out(plan: &Plan) -> Result<()> {
    match left_out(plan).as_slice() {
        [] => Ok(()),
        all => Err(unusable(format!(
            "this chapter leaves out: {}; the runtime itself has it all (`runtime create`)",
            all.join("; ")
        ))),
    }
}
