//! Chapter 5: changing the floor.

use super::Case;

pub(super) const CASES: &[Case] = &[];
