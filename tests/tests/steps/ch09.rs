//! Chapter 9: less than root.

use crate::checks::Step;

pub(super) const STEPS: &[Step] = &[];
