//! From layers to a root file system, and from an image to a bundle.
