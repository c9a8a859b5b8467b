//! What have a process's children cost? For benches; nothing is asked of the machine but numbers.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What the children of a process have used, all that were waited for, with theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time of a processor, in the programs themselves and in the kernel for them.
    pub processor: Duration,
    /// The most memory that any one of them had at a time, in KiB. Of pages that several have, each
    /// counts all; and a child begins with what its parent has.
    pub peak: u64,
}

/// What the children of this process have used so far.
pub fn spent_by_children() -> Spent {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Spent::default();
    };
    let time = |time: TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(micros.unsigned_abs())
    };
    Spent {
        processor: time(usage.user_time()) + time(usage.system_time()),
        peak: usage.max_rss().unsigned_abs(),
    }
}
