//! Which drivers may the container talk to?
//!
//! The rules of the configuration apply in their order: of those that are about a device the last one
//! counts, for each kind of access by itself. v1 cannot say that. It has one answer for all devices and
//! a list of exceptions from it, all of one kind, so the rules are reduced to that first. v2 is asked
//! by a program, [`super::ebpf`].

use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::os::fd::AsFd;

use bundle::{DeviceRule, RuleKind};
use primitives::{
    Errno, Error, Result, bpf_attach_device_program, bpf_load_device_program, step, write,
};

use super::find::User;
use super::{Cgroups, Hierarchy, ebpf};

/// Reading, writing and making a file, each a bit as in the kernel.
pub(super) const MAKE: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
pub(super) const ALL: u8 = MAKE | READ | WRITE;

impl Cgroups {
    /// Allows the devices of these rules, and no other.
    pub(super) fn allow_devices(&self, rules: &[DeviceRule]) -> Result<()> {
        if rules.is_empty() {
            return Ok(());
        }
        if self.is_v2() {
            return self.unified.as_ref().map_or(Ok(()), |unified| by_program(unified, rules));
        }
        match (self.with("devices"), &self.unified) {
            (Some(hierarchy), _) => by_list(hierarchy, rules),
            // A hybrid machine may have left devices to v2.
            (None, Some(unified)) => by_program(unified, rules),
            // Not to be held to the rules would be to run with what they forbid.
            (None, None) => Err(Error::Unusable(
                "linux.resources.devices cannot be had on this machine: the devices controller of \
                 cgroup v1 is not mounted"
                    .to_string(),
            )),
        }
    }
}

fn by_list(hierarchy: &Hierarchy, rules: &[DeviceRule]) -> Result<()> {
    let List { allows, exceptions } = reduced(rules)?;
    let (all, file) = match allows {
        true => ("devices.allow", "devices.deny"),
        false => ("devices.deny", "devices.allow"),
    };
    step("allow the devices", || {
        write(&hierarchy.file(all), "a", "begin with one answer for all devices")?;
        let why = "except those that the configuration names";
        exceptions.iter().try_for_each(|one| write(&hierarchy.file(file), &one.to_string(), why))
    })
}

fn by_program(unified: &Hierarchy, rules: &[DeviceRule]) -> Result<()> {
    let program = ebpf::program(rules);
    let done = step("allow the devices", || {
        let loaded = bpf_load_device_program(&program, "have the kernel ask it about each device")?;
        let path = unified.path();
        let cgroup = File::open(&path)
            .map_err(|e| Error::Unusable(format!("{} cannot be opened: {e}", path.display())))?;
        let why = "have it asked by all processes of the container";
        bpf_attach_device_program(cgroup.as_fd(), loaded.as_fd(), why)
    });
    match done {
        // An ordinary user cannot load programs, and needs none: he cannot make device files, in his
        // user namespace neither, and what he may open the files' own owners say.
        Err(Error::Request(refusal))
            if !refusal.here && refusal.errno == Errno::EPERM && !User::here().is_root_of_all =>
        {
            Ok(())
        }
        other => other,
    }
}

/// The rules as v1 has them: one answer, and exceptions from it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct List {
    /// Whether what is not in the list is allowed.
    allows: bool,
    exceptions: Vec<Exception>,
}

/// One exception. The kernel takes `a` for all devices whatever stands behind it, so a rule for both
/// kinds that is not about all of them is two exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    kind: char,
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
}

impl Exception {
    /// Whether all devices of the other one are among those of this one.
    fn covers(&self, other: &Exception) -> bool {
        let part = |own: Option<u32>, other: Option<u32>| own.is_none() || own == other;
        self.kind == other.kind && part(self.major, other.major) && part(self.minor, other.minor)
    }

    /// Whether there is a device that both are about.
    fn meets(&self, other: &Exception) -> bool {
        let part =
            |own: Option<u32>, other: Option<u32>| own.is_none() || other.is_none() || own == other;
        self.kind == other.kind
            && self.access & other.access != 0
            && part(self.major, other.major)
            && part(self.minor, other.minor)
    }
}

impl Display for Exception {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or("*".to_string(), |n| n.to_string());
        let letter =
            |bit: u8, letter: &'static str| if self.access & bit != 0 { letter } else { "" };
        let (major, minor) = (number(self.major), number(self.minor));
        let (read, write, make) = (letter(READ, "r"), letter(WRITE, "w"), letter(MAKE, "m"));
        write!(f, "{} {major}:{minor} {read}{write}{make}", self.kind)
    }
}

fn reduced(rules: &[DeviceRule]) -> Result<List> {
    let mut list = List { allows: true, exceptions: Vec::new() };
    for rule in rules {
        let access = access_of(rule);
        if is_about_all(rule) && access == ALL {
            list = List { allows: rule.allow, exceptions: Vec::new() };
            continue;
        }
        let kinds = match rule.kind {
            RuleKind::All => "cb",
            RuleKind::Character => "c",
            RuleKind::Block => "b",
        };
        for kind in kinds.chars() {
            let (major, minor) = (rule.major, rule.minor);
            let one = Exception { kind, major, minor, access };
            match rule.allow == list.allows {
                true => list.take_out(&one)?,
                false => list.add(one),
            }
        }
    }
    Ok(list)
}

impl List {
    fn add(&mut self, one: Exception) {
        let same = |other: &&mut Exception| {
            (other.kind, other.major, other.minor) == (one.kind, one.major, one.minor)
        };
        match self.exceptions.iter_mut().find(same) {
            Some(other) => other.access |= one.access,
            None if one.access == 0 => {}
            None => self.exceptions.push(one),
        }
    }

    /// What the answer for all says already needs no exception; but others may say the opposite.
    fn take_out(&mut self, one: &Exception) -> Result<()> {
        for other in &mut self.exceptions {
            if one.covers(other) {
                other.access &= !one.access;
            } else if one.meets(other) {
                return Err(Error::Unusable(format!(
                    "linux.resources.devices: cgroup v1 cannot take \"{one}\" out of \"{other}\": name \
                     the devices one by one"
                )));
            }
        }
        self.exceptions.retain(|other| other.access != 0);
        Ok(())
    }
}

pub(super) fn access_of(rule: &DeviceRule) -> u8 {
    let bit = |letter: char| match letter {
        'm' => MAKE,
        'r' => READ,
        'w' => WRITE,
        _ => 0,
    };
    rule.access.chars().fold(0, |bits, letter| bits | bit(letter))
}

pub(super) fn is_about_all(rule: &DeviceRule) -> bool {
    rule.kind == RuleKind::All && rule.major.is_none() && rule.minor.is_none()
}

#[cfg(test)]
pub(super) mod tests {
    use bundle::{DeviceRule, RuleKind};

    use super::{List, reduced};

    /// `+c 1:3 rwm` or `-a`.
    pub(in crate::cgroup) fn rule(text: &str) -> DeviceRule {
        let (sign, rest) = text.split_at(1);
        let mut parts = rest.split(' ');
        let kind = match parts.next() {
            Some("a") => RuleKind::All,
            Some("c") => RuleKind::Character,
            _ => RuleKind::Block,
        };
        let numbers = parts.next().unwrap_or("*:*").split_once(':').unwrap();
        let access = parts.next().unwrap_or("rwm").to_string();
        let (major, minor) = (numbers.0.parse().ok(), numbers.1.parse().ok());
        DeviceRule { allow: sign == "+", kind, major, minor, access }
    }

    pub(in crate::cgroup) fn rules(texts: &[&str]) -> Vec<DeviceRule> {
        texts.iter().map(|text| rule(text)).collect()
    }

    fn list(texts: &[&str]) -> (bool, Vec<String>) {
        let List { allows, exceptions } = reduced(&rules(texts)).unwrap();
        (allows, exceptions.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn rules_become_one_answer_and_exceptions() {
        let cases: [(&[&str], bool, &[&str]); 9] = [
            (&["-a"], false, &[]),
            (&["-a", "+c 1:3 rwm", "+b *:* m"], false, &["c 1:3 rwm", "b *:* m"]),
            (&["-a", "+c 1:3 r", "+c 1:3 w"], false, &["c 1:3 rw"]),
            // A wider rule for both kinds must never be written as `a`.
            (&["-a", "+a 7:* rw"], false, &["c 7:* rw", "b 7:* rw"]),
            (&["-a", "+a *:* r"], false, &["c *:* r", "b *:* r"]),
            (&["-a", "+c 5:1 rwm", "-c 5:1 w"], false, &["c 5:1 rm"]),
            (&["-a", "+c 5:1 rwm", "-c 5:* rwm"], false, &[]),
            (&["-a", "+a", "-c 10:200 rwm"], true, &["c 10:200 rwm"]),
            (&["-a", "+a", "+c 1:3 rwm"], true, &[]),
        ];
        for (texts, allows, exceptions) in cases {
            let exceptions: Vec<String> = exceptions.iter().map(ToString::to_string).collect();
            assert_eq!(list(texts), (allows, exceptions), "{texts:?}");
        }
    }

    #[test]
    fn what_v1_cannot_say_is_an_error_and_not_something_else() {
        let error = reduced(&rules(&["-a", "+c *:* rw", "-c 1:1 rw"])).unwrap_err().to_string();
        assert!(error.contains("take \"c 1:1 rw\" out of \"c *:* rw\""), "{error}");
        // Nothing is taken out of what is about something else.
        assert!(reduced(&rules(&["-a", "+c *:* m", "-c 1:1 rw"])).is_ok());
        assert!(reduced(&rules(&["-a", "+b *:* rw", "-c 1:1 rw"])).is_ok());
    }
}
