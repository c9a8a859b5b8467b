//! Chapter 4: a view of files.

use crate::checks::Step;

pub(super) const STEPS: &[Step] = &[];
