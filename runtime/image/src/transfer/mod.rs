//! Pull, push and copy.
