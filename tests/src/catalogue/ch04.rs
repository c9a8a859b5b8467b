//! Chapter 4: a view of files.

use super::Case;

pub(super) const CASES: &[Case] = &[];
