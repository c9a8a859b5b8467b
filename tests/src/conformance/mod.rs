//! Does a runtime do what the runtime specification says, and tell it as runc does?
//!
//! Each [`Case`] is one sentence of the specification, or of what engines rely on. It writes a
//! config.json, goes through a life by the command line alone, and compares what a payload sees from
//! inside with what *follows from that config.json*; nothing is compared with a golden file. So the
//! same cases run against any runtime: ours, and those of the machine, in the same run. Where one of
//! them does otherwise, [`differences`] lists it with the sentence that decides it, and everything
//! else that differs fails.
//!
//! From here: [`cases`] is the list, [`mod@bench`] is what a case works with, [`runtimes`] is whom it can
//! be about, [`matrix`] is the table for the book.

pub mod bench;
pub mod cases;
mod command;
pub mod control;
pub mod differences;
mod findings;
pub mod kernel;
pub mod life;
pub mod matrix;
pub mod report;
mod roots;
pub mod runtimes;
pub mod verdict;

pub use bench::Bench;
pub use command::Done;
pub use findings::Failure;
pub use roots::clean_up;

use crate::places::{Place, has_unified_cgroups};

/// What a case does. An error is a failure of the check that is called "life".
pub type Check = fn(&Bench) -> anyhow::Result<()>;

/// One thing that a runtime must do.
#[derive(Clone, Copy)]
pub struct Case {
    /// Room and name, as in `mounts/options`.
    pub name: &'static str,
    /// Where it is said: a document of runtime-spec 1.3 and its section.
    pub section: &'static str,
    /// Where it can be tried.
    pub fits: Fits,
    /// What this machine lacks for it.
    pub lacks: fn() -> Option<&'static str>,
    /// What is done.
    pub check: Check,
}

/// Where a case can be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fits {
    /// By root and by an ordinary user.
    All,
    /// By root.
    Root,
    /// By root, where the controllers belong to cgroup v1.
    RootV1,
    /// By root, where there is cgroup v2 alone.
    RootV2,
    /// By an ordinary user.
    User,
}

/// A case that needs nothing of the kernel that not every kernel has.
pub const fn case(name: &'static str, section: &'static str, fits: Fits, check: Check) -> Case {
    Case { name, section, fits, lacks: || None, check }
}

impl Case {
    /// The same case, where something must be there for it.
    pub const fn needing(self, lacks: fn() -> Option<&'static str>) -> Case {
        Case { lacks, ..self }
    }

    /// Whether it can be tried here by somebody in `place`.
    pub fn is_for(&self, place: Place) -> bool {
        match self.fits {
            Fits::All => true,
            Fits::Root => place == Place::Root,
            Fits::RootV1 => place == Place::Root && !has_unified_cgroups(),
            Fits::RootV2 => place == Place::Root && has_unified_cgroups(),
            Fits::User => place == Place::User,
        }
    }
}

/// What the runs of this place are called: `v1`, `v2` or `rootless`.
pub fn host(place: Place) -> &'static str {
    match place {
        Place::User => "rootless",
        Place::Root if has_unified_cgroups() => "v2",
        Place::Root => "v1",
    }
}
