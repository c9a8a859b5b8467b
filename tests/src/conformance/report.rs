//! What does the payload say?

use anyhow::{Context, Result};
use serde_json::Value;

/// One report of the payload, and how to read it.
#[derive(Clone, Debug)]
pub struct Report(pub Value);

/// A line of mountinfo.
#[derive(Clone, Debug)]
pub struct Mount<'a>(&'a Value);

impl Report {
    /// The last report in what a container has said.
    ///
    /// # Errors
    /// There is none.
    pub fn read(output: &str) -> Result<Report> {
        let line = output.lines().rev().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("the payload said no report: {output:?}"))?;
        Ok(Report(serde_json::from_str(line)?))
    }

    /// A word that stands at the top.
    pub fn word(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A line of `/proc/self/status`.
    pub fn status(&self, name: &str) -> &str {
        self.0["status"][name].as_str().unwrap_or_default()
    }

    /// A field of `/proc/self/stat`.
    pub fn stat(&self, name: &str) -> &str {
        self.0["stat"][name].as_str().unwrap_or_default()
    }

    /// What came out of something that was tried.
    pub fn answer(&self, probe: &str) -> &str {
        self.0["probes"][probe].as_str().unwrap_or("not tried")
    }

    /// A namespace: `mnt:[4026531832]`.
    pub fn namespace(&self, name: &str) -> &str {
        self.0["namespaces"][name].as_str().unwrap_or_default()
    }

    /// The uppermost mount at a path.
    pub fn mount(&self, point: &str) -> Option<Mount<'_>> {
        let mounts = self.0["mounts"].as_array()?;
        mounts.iter().rev().find(|mount| mount["point"] == point).map(Mount)
    }

    /// Where something is mounted, in the order of the mounts.
    pub fn mount_points(&self) -> Vec<&str> {
        let mounts = self.0["mounts"].as_array();
        mounts.into_iter().flatten().filter_map(|mount| mount["point"].as_str()).collect()
    }

    /// Both values of a resource limit, by the words of `/proc/self/limits`.
    pub fn limit(&self, name: &str) -> [&str; 2] {
        let value = |index: usize| self.0["limits"][name][index].as_str().unwrap_or_default();
        [value(0), value(1)]
    }

    /// A file in `/dev`, by its name there: type, mode and device numbers.
    pub fn device(&self, name: &str) -> String {
        let seen = &self.0["devices"][name];
        if seen.is_null() {
            return "absent".to_string();
        }
        let word = |field: &str| seen[field].as_str().unwrap_or_default();
        format!("{} {} {}", word("type"), word("mode"), word("rdev"))
    }

    /// The lines of the environment.
    pub fn environment(&self) -> Vec<&str> {
        texts(&self.0["env"])
    }

    /// The groups beside the first one.
    pub fn groups(&self) -> Vec<&str> {
        self.status("Groups").split_whitespace().collect()
    }

    /// Open descriptors and where they lead, without the three that every program has.
    pub fn more_descriptors(&self) -> Vec<(&str, &str)> {
        let all = self.0["fds"].as_object().into_iter().flatten();
        let all = all.map(|(number, target)| (number.as_str(), target.as_str().unwrap_or("")));
        all.filter(|(number, _)| !["0", "1", "2"].contains(number)).collect()
    }
}

impl<'a> Mount<'a> {
    /// Whether it has this flag.
    pub fn has(&self, option: &str) -> bool {
        self.options().contains(&option)
    }

    /// Its flags.
    pub fn options(&self) -> Vec<&'a str> {
        texts(&self.0["options"])
    }

    /// What its file system says of itself.
    pub fn data(&self) -> Vec<&'a str> {
        texts(&self.0["super"])
    }

    /// The type of the file system.
    pub fn kind(&self) -> &'a str {
        self.0["type"].as_str().unwrap_or_default()
    }

    /// Which part of the file system it shows.
    pub fn root(&self) -> &'a str {
        self.0["root"].as_str().unwrap_or_default()
    }

    /// `shared`, `master`, both, `unbindable`, or nothing for a private one; without numbers.
    pub fn propagation(&self) -> String {
        let words = texts(&self.0["propagation"]).into_iter();
        let words = words.map(|word| word.split(':').next().unwrap_or_default());
        words.filter(|word| *word != "propagate_from").collect::<Vec<_>>().join(" ")
    }
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
