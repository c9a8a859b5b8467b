//! Where does a runtime do otherwise, and what decides it?
//!
//! One line each: whose, where (a host's name, or any), in which case, in which check (or any), and
//! the sentence of the specification, or the version, that decides. A line whose difference is not
//! seen any more fails the test, so the list stays true.

/// Something that a runtime does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The runtime's name.
    pub runtime: &'static str,
    /// `v1`, `v2`, `rootless`, or empty for everywhere.
    pub host: &'static str,
    /// The case.
    pub case: &'static str,
    /// The check, or empty for all of them.
    pub check: &'static str,
    /// What decides.
    pub why: &'static str,
}

impl Difference {
    /// Whether it is about this check.
    pub fn covers(&self, check: &str) -> bool {
        self.check.is_empty() || self.check == check
    }
}

/// The lines about a case.
pub fn known(runtime: &str, host: &str, case: &str) -> Vec<&'static Difference> {
    let is_it = |line: &&Difference| {
        line.runtime == runtime && line.case == case && (line.host.is_empty() || line.host == host)
    };
    DIFFERENCES.iter().filter(is_it).collect()
}

const fn d(
    runtime: &'static str,
    host: &'static str,
    case: &'static str,
    check: &'static str,
    why: &'static str,
) -> Difference {
    Difference { runtime, host, case, check, why }
}

/// The list.
pub const DIFFERENCES: &[Difference] = &[d("crun", "", "none", "", "placeholder")];
