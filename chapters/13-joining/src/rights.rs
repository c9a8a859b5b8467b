//! What does a process not get by joining namespaces?
//!
//! Everything that belongs to a process alone: its capabilities, its promise to gain none, its filter.
//! Worse, who joins a user namespace gets *all* capabilities in there. So a visitor would be stronger
//! than whom it visits, and has to give up by itself what the other one has not.

use std::io;

use primitives::{
    Capabilities, CapabilitySets, Pid, Result, capabilities_of, capset, prctl_capbset_drop,
    prctl_set_no_new_privs, read_small, step,
};

/// What a process may become, by `/proc/PID/status`.
pub(crate) struct Rights {
    /// What it lacks of all that there is.
    lacks: Capabilities,
    may: Capabilities,
    no_new_privs: bool,
    /// Whether a filter of system calls decides what it may call.
    pub(crate) is_filtered: bool,
}

impl Rights {
    pub(crate) fn of(pid: Pid) -> io::Result<Rights> {
        let bounding = capabilities_of(Some(pid))?.bounding;
        let status = read_small(format!("/proc/{pid}/status").as_ref())?;
        let says = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|text| text.trim().to_string()).unwrap_or_default()
        };
        Ok(Rights {
            lacks: Capabilities::all().without(bounding),
            may: bounding,
            no_new_privs: says("NoNewPrivs:") == "1",
            is_filtered: says("Seccomp:") == "2",
        })
    }

    // ANCHOR: give_up
    /// Gives up what the target has not. The bounding set first: the capability to shrink it may be
    /// among what is given up.
    pub(crate) fn give_up_the_rest(&self) -> Result<()> {
        if !self.lacks.is_empty() {
            step("be capable of no more", || {
                prctl_capbset_drop(self.lacks, "never get what the container cannot have")?;
                let sets = CapabilitySets {
                    effective: self.may,
                    permitted: self.may,
                    ..Default::default()
                };
                capset(sets, "do no more than its own programs could")
            })?;
        }
        if self.no_new_privs {
            step("promise what it has promised", || {
                prctl_set_no_new_privs("gain nothing by setuid programs either")
            })?;
        }
        Ok(())
    }
    // ANCHOR_END: give_up
}
