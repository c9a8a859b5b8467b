//! Names of images, as people type them.
