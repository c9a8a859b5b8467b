//! From a layer to files.
