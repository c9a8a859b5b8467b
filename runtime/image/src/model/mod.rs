//! Media types, descriptors, manifests, indexes and image configs.
