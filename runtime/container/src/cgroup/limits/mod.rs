//! What is the container held to?
//!
//! First a table is made of all that has to be written, from the configuration alone: [`v1`], [`v2`].
//! Then it is written, line by line.

mod explain;
mod table;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use bundle::{Cgroup, Cpu, NumberList};
use primitives::{Errno, Error, Result, step, write};

use super::{Cgroups, read};
use explain::explained;
use table::{How, Table, Write};
pub(super) use v2::weight_of_shares;

impl Cgroups {
    /// Sets every limit, devices included.
    ///
    /// # Errors
    /// Names the limit that cannot be had, and why.
    pub fn limit(&self, wanted: &Cgroup) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.set("set the limits", wanted)?;
        self.allow_devices(&wanted.devices)
    }

    /// Sets other limits, while the container runs. What a configuration does not name stays as it
    /// is, and so do the rules for devices.
    ///
    /// # Errors
    /// Names the limit that cannot be had, and why.
    pub fn update(&self, wanted: &Cgroup) -> Result<()> {
        if self.is_empty() {
            return match asked_for(wanted) {
                None => Ok(()),
                Some(limit) => Err(Error::Unusable(format!(
                    "linux.resources.{limit} cannot be set: the container has no cgroup"
                ))),
            };
        }
        self.set("change the limits", wanted)
    }

    fn set(&self, name: &'static str, wanted: &Cgroup) -> Result<()> {
        let writes = self.writes(wanted)?;
        if writes.is_empty() {
            return Ok(());
        }
        step(name, || {
            let mut later = Vec::new();
            for one in &writes {
                match self.write(one) {
                    Err(Error::Request(refusal))
                        if one.how == How::Again
                            && !refusal.here
                            && refusal.errno == Errno::EINVAL =>
                    {
                        later.push(one);
                    }
                    Err(error) => return Err(explained(self, one, error)),
                    Ok(()) => {}
                }
            }
            later.into_iter().try_for_each(|one| self.write(one))
        })
    }

    fn writes(&self, wanted: &Cgroup) -> Result<Vec<Write>> {
        if self.is_v2() {
            self.check_before(wanted)?;
            return v2::writes(wanted);
        }
        if !wanted.unified.is_empty() {
            let message =
                "linux.resources.unified holds files of cgroup v2, and this machine has v1";
            return Err(Error::Unusable(message.to_string()));
        }
        let limit = || {
            let memory = self.with("memory")?;
            read(memory.directory().path(), "memory.limit_in_bytes")?.trim().parse().ok()
        };
        let both = wanted.memory.limit.is_some() && wanted.memory.with_swap.is_some();
        Ok(v1::writes(wanted, if both { limit() } else { None }))
    }

    /// v1 refuses a limit below what is in use; v2 takes it, and kills until it is kept to.
    fn check_before(&self, wanted: &Cgroup) -> Result<()> {
        let memory = &wanted.memory;
        let (Some(bundle::Limit::Of(limit)), true) = (memory.limit, memory.check_before_update)
        else {
            return Ok(());
        };
        let used = self.unified.as_ref().and_then(|unified| {
            read(unified.directory().path(), "memory.current")?.trim().parse::<u64>().ok()
        });
        match used.filter(|used| *used > limit) {
            None => Ok(()),
            Some(used) => Err(Error::Unusable(format!(
                "linux.resources.memory.limit: {limit} is below the {used} bytes that the container \
                 uses, and checkBeforeUpdate is set"
            ))),
        }
    }

    fn write(&self, one: &Write) -> Result<()> {
        let Some(hierarchy) = self.with(&one.controller) else {
            return Err(explain::no_hierarchy(one));
        };
        let file = hierarchy.file(&one.file);
        match &one.how {
            How::IfThere if !file.path().exists() => Ok(()),
            How::Or(other, value) if !file.path().exists() => {
                write(&hierarchy.file(other), value, one.why)
            }
            _ => write(&file, &one.value, one.why),
        }
    }
}

/// The first limit that a configuration asks for, by its name in config.json. The rules for devices
/// are none: every configuration has some, and who may make no cgroup may make no device either.
pub(super) fn asked_for(wanted: &Cgroup) -> Option<&'static str> {
    let first = v1::writes(wanted, None).first().map(|one| one.limit);
    first.or((!wanted.unified.is_empty()).then_some("unified"))
}

fn list(numbers: &NumberList) -> Option<String> {
    (!numbers.ranges().is_empty()).then(|| numbers.to_string())
}

/// It is checked against the quota, which may still be the old one.
fn burst(table: &mut Table, cpu: &Cpu, file: &'static str) {
    if let Some(burst) = cpu.burst {
        let why = "let it use later what it did not use";
        table.add(How::Again, "cpu.burst", file, burst.to_string(), why);
    }
}

fn idle(table: &mut Table, cpu: &Cpu) {
    let why = "say whether it runs only when nobody else wants to";
    table.set_some("cpu.idle", "cpu.idle", cpu.idle.map(u8::from), why);
}

fn rdma(table: &mut Table, wanted: &Cgroup) {
    for one in &wanted.rdma {
        let handles = one.handles.map(|number| format!(" hca_handle={number}"));
        let objects = one.objects.map(|number| format!(" hca_object={number}"));
        let value =
            [Some(one.device.clone()), handles, objects].into_iter().flatten().collect::<String>();
        table.set("rdma", "rdma.max", value, "let it use no more of this RDMA device than this");
    }
}
