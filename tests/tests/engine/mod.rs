//! The cases, by the command line that they use.

pub(crate) mod cli;
pub(crate) mod ctr;
pub(crate) mod docker;
pub(crate) mod podman;
