//! Images: from a name to a tree of files that a container can stand on.
//!
//! | room | question it answers |
//! |---|---|
//! | [`digest`] | is this what I asked for? |
//! | [`model`] | what do a registry and a layout say to each other? |
//! | [`reference`](mod@reference) | which image does this name mean? |
//! | [`store`] | how is an image kept so that no crash can spoil it? |
//! | [`registry`] | how is a registry asked, and what if it does not answer well? |
//! | [`transfer`] | pull, push and copy: what goes where, in which order? |
//! | [`unpack`] | how does a layer become files, and never a file somewhere else? |
//! | [`rootfs`] | how do layers become one root, and an image a bundle? |

pub mod digest;
pub mod model;
pub mod reference;
pub mod registry;
pub mod rootfs;
mod steps;
pub mod store;
pub mod transfer;
pub mod unpack;
