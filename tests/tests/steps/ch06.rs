//! Chapter 6: layers.

use crate::checks::Step;

pub(super) const STEPS: &[Step] = &[];
