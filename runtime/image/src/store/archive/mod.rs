//! How does an image travel without a registry?
//!
//! In an OCI image layout, as a directory or as a tar archive, or in the form that `docker save` had
//! before there were layouts. What [`save`] writes by default is both in one: a layout with Docker's
//! `manifest.json` beside it, which points into it.
//!
//! An archive comes from anybody. Its names are only ever compared with each other and never reach the
//! file system: a blob is kept under the digest that was computed from its bytes.

mod docker;
mod entries;
mod folder;
mod load;
mod packed;
mod save;
mod sinks;

pub use load::{Load, Loaded, load};
pub use save::{Form, save, save_into_folder};
pub use sinks::NewFile;
