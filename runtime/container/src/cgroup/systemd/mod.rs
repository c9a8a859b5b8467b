//! How does systemd come to know of the container?
//!
//! Where systemd runs, all cgroups are below its own, and it may do with them as it likes unless it was
//! told to delegate one. `--systemd-cgroup` asks it for a scope: a unit around processes that somebody
//! else has started. It wants a process to begin with. So the directories are made and limited as ever,
//! where systemd would make them, the container is born there, and then systemd is told, which takes
//! over what it finds. It writes limits of its own when it does, so it is told ours, as far as it has
//! words for them, and the rest is written once more.

mod bus;

use std::path::{Path, PathBuf};

use bundle::{Cgroup, Limit, Place};
use primitives::{Error, Pid, Result, step};
use serde::{Deserialize, Serialize};

use super::limits::weight_of_shares;
use super::{Cgroups, Driver};
use bus::{Bus, Method, Writer};

const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// A scope of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unit {
    /// The socket of the systemd that has it.
    socket: PathBuf,
    slice: String,
    name: String,
}

/// Where systemd would make the container's cgroup: the unit, and its path from the mount on.
pub(super) fn place(place: &Place, id: &str) -> Result<(Unit, PathBuf)> {
    let socket = socket()?;
    let (slice, prefix, name) = match place {
        Place::Unit { slice, prefix, name } => (slice.as_str(), prefix.as_str(), name.as_str()),
        Place::Default => ("", "porthole", id),
        Place::FromMount(path) | Place::FromRuntime(path) => {
            return Err(Error::Unusable(format!(
                "linux.cgroupsPath: {path:?} is a path, and systemd takes \"slice:prefix:name\""
            )));
        }
    };
    let is_users = socket != Path::new(SYSTEM);
    let slice = match slice {
        "" if is_users => "user.slice",
        "" => "system.slice",
        named => named,
    };
    let name = match prefix {
        _ if name.ends_with(".slice") => name.to_string(),
        "" => format!("{name}.scope"),
        prefix => format!("{prefix}-{name}.scope"),
    };
    let path = own_cgroup(&socket)?.join(expanded(slice)?).join(&name);
    Ok((Unit { socket, slice: slice.to_string(), name }, path))
}

const SYSTEM: &str = "/run/systemd/private";

/// That of the whole machine, or for an ordinary user that of this user.
fn socket() -> Result<PathBuf> {
    let users = std::env::var_os("XDG_RUNTIME_DIR")
        .map(|folder| Path::new(&folder).join("systemd/private"));
    let is_root = primitives::own_ids().0 == 0;
    let all = [is_root.then(|| PathBuf::from(SYSTEM)), users];
    all.into_iter().flatten().find(|path| path.exists()).ok_or_else(|| {
        Error::Unusable(format!(
            "no systemd runs here ({SYSTEM} is not there{}): leave --systemd-cgroup out",
            if is_root { "" } else { " for you, nor systemd/private in XDG_RUNTIME_DIR" }
        ))
    })
}

/// `a-b.slice` is below `a.slice` (systemd.slice(5)).
fn expanded(slice: &str) -> Result<PathBuf> {
    if slice == "-.slice" {
        return Ok(PathBuf::new());
    }
    let name = slice.strip_suffix(".slice").unwrap_or(slice);
    if name.split('-').any(str::is_empty) || name.contains('/') {
        return Err(Error::Unusable(format!("linux.cgroupsPath: {slice:?} is no slice")));
    }
    let ends = name.match_indices('-').map(|(at, _)| at).chain([name.len()]);
    Ok(ends.map(|end| format!("{}.slice", &name[..end])).collect())
}

fn own_cgroup(socket: &Path) -> Result<PathBuf> {
    let method =
        Method { interface: "org.freedesktop.DBus.Properties", name: "Get", signature: "ss" };
    let mut body = Writer::default();
    body.text(MANAGER);
    body.text("ControlGroup");
    let answer = Bus::connect(socket)?.call(method, body, "learn which cgroup is its own")?;
    let own = answer.text().unwrap_or_default();
    Ok(PathBuf::from(own.trim_start_matches('/')))
}

impl Cgroups {
    /// Tells systemd of the container, once its first process is there. Without systemd's help there is
    /// nothing to tell.
    ///
    /// # Errors
    /// What systemd says.
    pub fn register(&self, first: Pid, wanted: &Cgroup) -> Result<()> {
        let Some(unit) = self.unit.as_ref().filter(|_| self.driver == Driver::Systemd) else {
            return Ok(());
        };
        step("tell systemd", || {
            let method = Method {
                interface: MANAGER,
                name: "StartTransientUnit",
                signature: "ssa(sv)a(sa(sv))",
            };
            let mut bus = Bus::connect(&unit.socket)?;
            let body = unit.start(first, wanted);
            let job = bus.call(method, body, "have it know of the container and keep off")?;
            match bus.job(&job.text().unwrap_or_default())?.as_str() {
                "done" => Ok(()),
                other => Err(Error::Unusable(format!("systemd: the scope {}: {other}", unit.name))),
            }
        })?;
        self.update(wanted)
    }

    /// Has systemd forget the scope; one that is empty it forgets by itself.
    pub(super) fn forget_unit(&self) {
        let Some(unit) = &self.unit else { return };
        let method = Method { interface: MANAGER, name: "StopUnit", signature: "ss" };
        let mut body = Writer::default();
        body.text(&unit.name);
        body.text("replace");
        // It may be gone already, and systemd too: the directories are looked after in any case.
        let _ = Bus::connect(&unit.socket).and_then(|mut bus| {
            let job = bus.call(method, body, "have it forget the container")?;
            bus.job(&job.text().unwrap_or_default())
        });
    }
}

impl Unit {
    fn start(&self, first: Pid, wanted: &Cgroup) -> Writer {
        let mut body = Writer::default();
        body.text(&self.name);
        body.text("fail");
        body.array(8, |all| {
            property(all, "Description", "s", |value| {
                value.text(&format!("container {}", self.name))
            });
            property(all, "Slice", "s", |value| value.text(&self.slice));
            property(all, "CollectMode", "s", |value| value.text("inactive-or-failed"));
            let pid = u32::try_from(first.as_raw()).unwrap_or_default();
            property(all, "PIDs", "au", |value| value.array(4, |pids| pids.number(pid)));
            // It must not be stopped before the units that the container needs at shutdown.
            property(all, "DefaultDependencies", "b", |value| value.number(0));
            property(all, "Delegate", "b", |value| value.number(1));
            for accounting in ["CPU", "Memory", "Tasks", "IO"] {
                property(all, &format!("{accounting}Accounting"), "b", |value| value.number(1));
            }
            for (name, number) in limits(wanted) {
                property(all, name, "t", |value| value.large(number));
            }
        });
        body.array(8, |_| {});
        body
    }
}

fn property(all: &mut Writer, name: &str, kind: &str, value: impl FnOnce(&mut Writer)) {
    all.align(8);
    all.text(name);
    all.signature(kind);
    value(all);
}

/// The limits that systemd has words for (systemd.resource-control(5)); the largest number is none.
fn limits(wanted: &Cgroup) -> Vec<(&'static str, u64)> {
    let amount = |limit: Limit| match limit {
        Limit::Of(amount) => amount,
        Limit::None => u64::MAX,
    };
    let (memory, cpu) = (&wanted.memory, &wanted.cpu);
    let swap = match (memory.limit, memory.with_swap) {
        (Some(Limit::Of(limit)), Some(Limit::Of(both))) => Some(both.saturating_sub(limit)),
        (_, both) => both.map(amount),
    };
    let a_second = |quota: Limit| match quota {
        Limit::Of(quota) => {
            let period = cpu.period.unwrap_or(100_000).max(1);
            // systemd takes whole hundredths of a CPU.
            (quota.saturating_mul(1_000_000) / period).next_multiple_of(10_000)
        }
        Limit::None => u64::MAX,
    };
    let all = [
        ("MemoryMax", memory.limit.map(amount)),
        ("MemoryLow", memory.reservation.map(amount)),
        ("MemorySwapMax", swap),
        ("CPUWeight", cpu.shares.map(weight_of_shares)),
        ("CPUQuotaPerSecUSec", cpu.quota.map(a_second)),
        ("CPUQuotaPeriodUSec", cpu.quota.and(cpu.period)),
        ("TasksMax", wanted.pids.limit.map(amount)),
    ];
    all.into_iter().filter_map(|(name, number)| Some((name, number?))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bundle::{Cgroup, Cpu, Limit, Memory, Pids};

    use super::{expanded, limits};

    #[test]
    fn slices_lie_in_slices() {
        assert_eq!(expanded("a.slice").unwrap(), Path::new("a.slice"));
        assert_eq!(expanded("a-b-c.slice").unwrap(), Path::new("a.slice/a-b.slice/a-b-c.slice"));
        assert_eq!(expanded("-.slice").unwrap(), Path::new(""));
        for wrong in ["-a.slice", "a--b.slice", "a-.slice", ".slice", "a/b.slice"] {
            assert!(expanded(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_have_their_names_in_systemd() {
        let wanted = Cgroup {
            memory: Memory {
                limit: Some(Limit::Of(100)),
                with_swap: Some(Limit::Of(150)),
                ..Memory::default()
            },
            cpu: Cpu {
                shares: Some(1024),
                quota: Some(Limit::Of(25_000)),
                period: Some(50_000),
                ..Cpu::default()
            },
            pids: Pids { limit: Some(Limit::None) },
            ..Cgroup::default()
        };
        let expected = [
            ("MemoryMax", 100),
            ("MemorySwapMax", 50),
            ("CPUWeight", 100),
            ("CPUQuotaPerSecUSec", 500_000),
            ("CPUQuotaPeriodUSec", 50_000),
            ("TasksMax", u64::MAX),
        ];
        assert_eq!(limits(&wanted), expected);
    }
}
