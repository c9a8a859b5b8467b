//! What has become of a limit? Read from the kernel's counters, which differ in name alone.

use std::path::Path;

use primitives::read_small;

use super::{Group, Version};

/// A counter in a file of lines `NAME NUMBER`.
pub(crate) fn counter(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

impl Group {
    fn counter(&self, file: &str, name: &str) -> u64 {
        let text = self.place_of(file).and_then(|place| place.read(file)).unwrap_or_default();
        counter(&text, name).unwrap_or(0)
    }

    // ANCHOR: oom
    /// How many processes of it the kernel has killed for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        self.counter(self.oom_file(), "oom_kill")
    }

    /// Where that is counted.
    pub(crate) fn oom_file(&self) -> &'static str {
        match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        }
    }
    // ANCHOR_END: oom

    /// How often the limit of processes has refused one.
    pub(crate) fn forks_refused(&self) -> u64 {
        self.counter("pids.events", "max")
    }

    /// In how many rounds its time was used up.
    pub(crate) fn rounds_throttled(&self) -> u64 {
        self.counter("cpu.stat", "nr_throttled")
    }

    /// Whether every process of it has stopped. v1 says FREEZING and v2 `frozen 0` while some still run.
    pub(crate) fn is_frozen(&self) -> bool {
        let read = |file: &str| self.place_of(file).and_then(|place| place.read(file));
        match self.version {
            Version::V1 => read("freezer.state").is_some_and(|text| text.trim() == "FROZEN"),
            Version::V2 => self.counter("cgroup.events", "frozen") == 1,
        }
    }
}

/// Lines of a file, or nothing where there is none.
pub(crate) fn line(directory: &Path, file: &str) -> Option<String> {
    read_small(&directory.join(file)).ok().map(|text| text.trim().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::counter;

    #[test]
    fn counters_are_found_by_their_whole_name() {
        let text = "low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(counter(text, "oom"), Some(2));
        assert_eq!(counter(text, "oom_kill"), Some(1));
        assert_eq!(counter(text, "kill"), None);
    }
}
