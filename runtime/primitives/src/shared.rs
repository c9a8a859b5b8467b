//! How do several processes count together?
//!
//! In memory that all of them have: a page that a child inherits as it is, and not as a copy.

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use crate::error::{Error, Result};

/// Counters that start at 0 and are shared with every process that is made later.
#[derive(Debug)]
pub(crate) struct SharedCounters {
    counters: NonNull<[AtomicU32]>,
}

// SAFETY: the memory is never unmapped and is only ever touched through atomics.
unsafe impl Send for SharedCounters {}
// SAFETY: as for Send.
unsafe impl Sync for SharedCounters {}

impl SharedCounters {
    pub(crate) fn new(count: usize) -> Result<SharedCounters> {
        let Some(length) = NonZeroUsize::new(count * size_of::<AtomicU32>()) else {
            return Ok(SharedCounters { counters: NonNull::from(&mut []) });
        };
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new anonymous mapping touches no memory that anybody else has.
        let page = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_SHARED) };
        let page = page.map_err(|errno| {
            Error::Unusable(format!("no memory for the window's counters: {errno:?}"))
        })?;
        Ok(SharedCounters { counters: NonNull::slice_from_raw_parts(page.cast(), count) })
    }

    pub(crate) fn get(&self, index: usize) -> &AtomicU32 {
        // SAFETY: `new` made a mapping of that many counters, which is zero-filled (a valid AtomicU32)
        // and aligned to a page, and it stays for as long as the process lives.
        let counters = unsafe { self.counters.as_ref() };
        &counters[index]
    }
}
