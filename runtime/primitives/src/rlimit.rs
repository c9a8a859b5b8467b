//! How much may one process have?

use nix::unistd::Pid;
use trace::Arg;

use crate::args::{ToArg, fields};
use crate::call;
use crate::error::Result;
use crate::gate::perform;
use crate::process::from_rustix;

type Kind = rustix::process::Resource;

/// All of them, by their names in C (getrlimit(2)).
const RESOURCES: [(&str, Kind); 16] = [
    ("RLIMIT_AS", Kind::As),
    ("RLIMIT_CORE", Kind::Core),
    ("RLIMIT_CPU", Kind::Cpu),
    ("RLIMIT_DATA", Kind::Data),
    ("RLIMIT_FSIZE", Kind::Fsize),
    ("RLIMIT_LOCKS", Kind::Locks),
    ("RLIMIT_MEMLOCK", Kind::Memlock),
    ("RLIMIT_MSGQUEUE", Kind::Msgqueue),
    ("RLIMIT_NICE", Kind::Nice),
    ("RLIMIT_NOFILE", Kind::Nofile),
    ("RLIMIT_NPROC", Kind::Nproc),
    ("RLIMIT_RSS", Kind::Rss),
    ("RLIMIT_RTPRIO", Kind::Rtprio),
    ("RLIMIT_RTTIME", Kind::Rttime),
    ("RLIMIT_SIGPENDING", Kind::Sigpending),
    ("RLIMIT_STACK", Kind::Stack),
];

/// Something of which a process may have so much and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource(Kind);

impl Resource {
    /// The one with this name, such as `RLIMIT_NOFILE`.
    pub fn named(name: &str) -> Option<Resource> {
        RESOURCES.iter().find(|(known, _)| *known == name).map(|(_, kind)| Resource(*kind))
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RESOURCES.iter().map(|(name, _)| *name)
    }

    fn name(self) -> &'static str {
        let found = RESOURCES.iter().find(|(_, kind)| *kind == self.0);
        found.map_or("RLIMIT_?", |(name, _)| name)
    }
}

impl ToArg for Resource {
    fn to_arg(&self) -> Arg {
        Arg::Word(self.name().to_string())
    }
}

/// A limit in its two parts; none is "no limit". In which unit stands in getrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What counts. The process may change it, up to the hard one.
    pub soft: Option<u64>,
    /// How far the soft one may go. It can be lowered by everybody and raised by few.
    pub hard: Option<u64>,
}

impl ToArg for Limit {
    fn to_arg(&self) -> Arg {
        let value = |value: Option<u64>| match value {
            Some(number) => Arg::Word(number.to_string()),
            None => Arg::Word("RLIM_INFINITY".to_string()),
        };
        fields([("rlim_cur", value(self.soft)), ("rlim_max", value(self.hard))])
    }
}

/// Limits what a process (none: this one) may have of a resource. Children inherit it.
///
/// - man: prlimit(2), getrlimit(2)
/// - since: Linux 2.6.36
/// - EPERM: raising the hard limit takes CAP_SYS_RESOURCE in the first user namespace, and the process
///   must be of the same user
/// - EINVAL: the soft limit is above the hard one
/// - ESRCH: there is no such process
#[track_caller]
pub fn prlimit(
    pid: Option<Pid>,
    resource: Resource,
    limit: Limit,
    why: &'static str,
) -> Result<()> {
    let whom = pid.map_or(Arg::Number(0), |pid| pid.to_arg());
    perform(call!("prlimit", whom, resource, limit), why, || {
        let pid = pid.and_then(|pid| rustix::process::Pid::from_raw(pid.as_raw()));
        let limit = rustix::process::Rlimit { current: limit.soft, maximum: limit.hard };
        rustix::process::prlimit(pid, resource.0, limit).map(drop).map_err(from_rustix)
    })
}

#[cfg(test)]
mod tests {
    use super::{RESOURCES, Resource};

    #[test]
    fn resources_have_their_names() {
        for (name, _) in RESOURCES {
            assert_eq!(Resource::named(name).unwrap().name(), name);
        }
        assert_eq!(Resource::named("nofile"), None);
    }
}
