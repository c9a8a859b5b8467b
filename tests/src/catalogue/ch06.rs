//! Chapter 6: layers.

use super::Case;

pub(super) const CASES: &[Case] = &[];
