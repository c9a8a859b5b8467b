//! The store: an OCI image layout that many commands share.
