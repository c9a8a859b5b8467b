//! The client of a registry.
