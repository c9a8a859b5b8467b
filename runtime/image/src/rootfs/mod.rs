//! How do layers become one root, and an image a bundle?
//!
//! | file | question it answers |
//! |---|---|
//! | [`layers`] | are the layers unpacked, and if not, how do they get there? |
//! | [`overlay`] | how do layers become one root, without a file being copied? |
//! | [`copy`] | how, where there is no overlayfs? |
//! | [`implied`] | what is a directory like that a layer only uses? |
//! | [`user`] | who runs the program? |
//! | [`config`], `defaults`, `seccomp` | what stands in config.json, and why? |
//! | [`bundle`] | how does all of that become a bundle? |
//! | [`inside`] | how does an ordinary user do it? |

pub mod bundle;
pub mod config;
pub mod copy;
mod defaults;
pub mod implied;
pub mod inside;
pub mod layers;
pub mod overlay;
mod seccomp;
pub mod user;
