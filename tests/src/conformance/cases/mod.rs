//! All cases, a room for each part of the specification.

mod annotations;
mod capabilities;
mod cgroups;
mod checkpoint;
mod commands;
mod devices;
mod exec;
mod hooks;
mod ids;
mod lacking;
mod lifecycle;
mod mounts;
mod namespaces;
mod network;
mod paths;
mod pidfd;
mod process;
mod propagation;
mod resources;
mod root;
mod scheduling;
mod seccomp;
mod sysctl;
mod terminal;
mod words;

use super::Case;

/// In the order in which they are tried.
pub fn all() -> Vec<Case> {
    [
        lifecycle::CASES,
        root::CASES,
        mounts::CASES,
        propagation::CASES,
        process::CASES,
        capabilities::CASES,
        scheduling::CASES,
        terminal::CASES,
        namespaces::CASES,
        network::CASES,
        ids::CASES,
        devices::CASES,
        cgroups::CASES,
        resources::CASES,
        sysctl::CASES,
        seccomp::CASES,
        lacking::CASES,
        paths::CASES,
        hooks::CASES,
        annotations::CASES,
        exec::CASES,
        commands::CASES,
        pidfd::CASES,
        checkpoint::CASES,
        words::CASES,
    ]
    .concat()
}
