//! Chapter 7: trees of processes.

use super::Case;

pub(super) const CASES: &[Case] = &[];
