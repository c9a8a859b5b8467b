//! Which part does a process play?

use crate::window;

/// From now on this process plays another part: what it asks for is written down, and counted, under this
/// name. For a process that goes on for somebody else than before, as behind a [`Door`](crate::Door).
pub fn play(role: &'static str) {
    window::play(role);
}
