//! Where does a runtime do otherwise, and what decides it?
//!
//! The list is data, in `differences.txt`. A line whose difference is not seen any more fails the test,
//! so the list stays true.

use std::sync::LazyLock;

/// Something that a runtime does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The runtime's name.
    pub runtime: &'static str,
    /// `v1`, `v2`, `rootless`, or `anywhere`.
    pub host: &'static str,
    /// The case.
    pub case: &'static str,
    /// The check, or `all of it`.
    pub check: &'static str,
    /// Whether it is seen each time; what depends on who comes first is not.
    pub always: bool,
    /// What decides.
    pub why: &'static str,
}

static DIFFERENCES: LazyLock<Vec<Difference>> = LazyLock::new(|| {
    let lines = include_str!("differences.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(read).collect()
});

/// The list.
pub fn all() -> &'static [Difference] {
    &DIFFERENCES
}

/// The lines about a case.
pub fn known(runtime: &str, host: &str, case: &str) -> Vec<&'static Difference> {
    let here = |line: &Difference| ["anywhere", host].contains(&line.host);
    let is_it = |line: &&Difference| line.runtime == runtime && line.case == case && here(line);
    all().iter().filter(is_it).collect()
}

impl Difference {
    /// Whether it is about this check.
    pub fn covers(&self, check: &str) -> bool {
        ["all of it", check].contains(&self.check)
    }
}

fn read(line: &'static str) -> Difference {
    let fields: Vec<&str> = line.splitn(6, " | ").collect();
    let [runtime, host, case, check, when, why] = fields[..] else {
        panic!("a line of differences.txt has not six fields: {line}");
    };
    assert!(["always", "sometimes"].contains(&when), "{when} is neither always nor sometimes");
    Difference { runtime, host, case, check, always: when == "always", why }
}
