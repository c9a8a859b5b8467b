//! Chapter 5: changing the floor.

use crate::bench::Check;

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[];
