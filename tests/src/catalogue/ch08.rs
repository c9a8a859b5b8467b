//! Chapter 8: limits.

use super::Case;

pub(super) const CASES: &[Case] = &[];
