//! Chapter 4: a view of files.

use crate::bench::Check;

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[];
