//! Chapter 9: less than root.

use super::Case;

pub(super) const CASES: &[Case] = &[];
