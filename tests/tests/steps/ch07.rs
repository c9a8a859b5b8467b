//! Chapter 7: trees of processes.

use crate::checks::Step;

pub(super) const STEPS: &[Step] = &[];
