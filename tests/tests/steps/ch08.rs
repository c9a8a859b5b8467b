//! Chapter 8: limits.

use crate::checks::Step;

pub(super) const STEPS: &[Step] = &[];
