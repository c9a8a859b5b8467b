//! Chapter 9: less than root.

use libtest_mimic::Trial;
use tests::places::Place;

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let _ = place;
    Vec::new()
}
