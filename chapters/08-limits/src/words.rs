//! The words of Debian's cgroup-tools: create, set, exec, delete; and two that it lacks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use primitives::{
    Birth, Error, Result, Signal, Status, become_program, rmdir, spawn, step, step_giving,
    write_pid,
};

use crate::cgroup::keys::Setting;
use crate::cgroup::{Group, Machine, Remains, Version, children, name, pids};
use crate::library;

/// Who writes a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// One write into one file
    Files,
    /// The library cgroups-rs
    Library,
}

/// `cpu,memory:box`, as cgroup-tools have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    controllers: Vec<String>,
    name: PathBuf,
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Spec, String> {
        let (controllers, id) =
            text.split_once(':').ok_or("write CONTROLLERS:ID, as in cpu,memory:box")?;
        let controllers: Vec<String> = controllers.split(',').map(str::to_string).collect();
        if controllers.iter().any(String::is_empty) {
            return Err(
                "a controller without a name: write CONTROLLERS:ID, as in cpu,memory:box".into()
            );
        }
        Ok(Spec { controllers, name: name(id)? })
    }
}

impl Spec {
    /// The name alone: with what the course's script limits.
    fn of(name: &Path) -> Spec {
        let controllers = ["cpu", "memory", "pids"].map(str::to_string).to_vec();
        Spec { controllers, name: name.to_path_buf() }
    }

    fn group(&self, machine: &Machine) -> Result<Group> {
        let all: Vec<&str> = match self.controllers.as_slice() {
            [star] if star == "*" => machine
                .hierarchies
                .iter()
                .flat_map(|hierarchy| hierarchy.controllers.iter().map(String::as_str))
                .collect(),
            named => named.iter().map(String::as_str).collect(),
        };
        Group::with(machine, &self.name, &all)
    }
}

fn done() -> Result<Status> {
    Ok(Status::Exited(0))
}

// ANCHOR: create
/// Makes cgroups. What is there already stays as it is; if one cannot be made, none is.
pub(crate) fn create(specs: &[Spec], id: Option<&Path>) -> Result<Status> {
    let machine = Machine::find()?;
    let specs: Vec<Spec> = specs.iter().cloned().chain(id.map(Spec::of)).collect();
    let groups: Result<Vec<Group>> = specs.iter().map(|spec| spec.group(&machine)).collect();
    let mut groups = groups?;
    for group in &groups {
        refuse_if_forbidden(&machine, group)?;
    }
    step_giving("make the cgroup", || groups.iter_mut().try_for_each(Group::make))?;
    groups.into_iter().for_each(Group::keep);
    done()
}
// ANCHOR_END: create

fn refuse_if_forbidden(machine: &Machine, group: &Group) -> Result<()> {
    machine.forbids(&group.hierarchies()).map_or(Ok(()), |why| Err(Error::Unusable(why)))
}

// ANCHOR: set
/// Writes limits, and shows into what they were translated.
pub(crate) fn set(settings: &[Setting], by: By, id: &Path) -> Result<Status> {
    let machine = Machine::find()?;
    for setting in settings {
        // Before the cgroup is looked for, because a missing controller is the deeper reason.
        let known = machine.find_one(setting.controller()).is_some();
        if !known && crate::cgroup::keys::is_known(&setting.key) {
            machine.with(&[setting.controller()])?;
        }
    }
    let group = Group::own(&machine, id)?;
    let writes = group.plan(settings)?;
    step_giving("set the limits", || match by {
        By::Files => group.set(&writes),
        By::Library => library::set(&group, &writes),
    })?;
    for write in &writes {
        if let Some(from) = &write.from {
            println!("{from} is {}={} in cgroup v2", write.file, write.text);
        }
    }
    done()
}
// ANCHOR_END: set

// ANCHOR: exec
/// Runs a program in a cgroup and ends as it ended. The process moves itself before it becomes the
/// program, so there is no moment in which the program has no limits.
pub(crate) fn exec(specs: &[Spec], command: &[OsString]) -> Result<Status> {
    let machine = Machine::find()?;
    let (groups, command) = where_to(&machine, specs, command)?;
    let child = step_giving("make a child", || {
        spawn("child", Birth::default(), "have a process that moves there", |parent| {
            step("tie to the parent", || {
                parent.tie(Signal::SIGKILL, "end when the one that watches over it ends")
            })?;
            step("enter the cgroup", || groups.iter().try_for_each(Group::enter))?;
            step_giving("become the program", || become_program(command, "run what was asked for"))
        })
    })?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}
// ANCHOR_END: exec

/// The groups that are meant, and what is left of the words.
fn where_to<'a>(
    machine: &Machine,
    specs: &[Spec],
    command: &'a [OsString],
) -> Result<(Vec<Group>, &'a [OsString])> {
    if !specs.is_empty() {
        let there = |spec: &Spec| {
            Group::own(machine, &spec.name)?;
            spec.group(machine)
        };
        return Ok((specs.iter().map(there).collect::<Result<Vec<Group>>>()?, command));
    }
    let [first, rest @ ..] = command else {
        return Err(Error::Unusable("no program was named to run".to_string()));
    };
    let id = name(&first.to_string_lossy()).map_err(Error::Unusable)?;
    let rest = rest.strip_prefix(&[OsString::from("--")]).unwrap_or(rest);
    Ok((vec![Group::own(machine, &id)?], rest))
}

/// How a cgroup is removed that is not empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deletion {
    pub(crate) recursive: bool,
    pub(crate) kill: bool,
    pub(crate) evict: bool,
}

// ANCHOR: delete
/// Removes cgroups. One with processes in it is not removed unless it was said what becomes of them.
pub(crate) fn delete(specs: &[Spec], id: Option<&Path>, how: Deletion) -> Result<Status> {
    let machine = Machine::find()?;
    let mut groups = Vec::new();
    for spec in specs {
        Group::own(&machine, &spec.name)?;
        groups.push(spec.group(&machine)?);
    }
    if let Some(id) = id {
        groups.push(Group::own(&machine, id)?);
    }
    for group in &mut groups {
        let remains = Remains::of(group);
        if how.kill && remains.is_populated() {
            step_giving("end what is in it", || {
                remains.end_everything();
                Ok(())
            })?;
        }
        if how.evict && !group.pids().is_empty() {
            step_giving("move what is in it", || evict(group))?;
        }
        step_giving("remove the cgroup", || match how.recursive {
            true => remove_all(group),
            false => group.remove(),
        })?;
    }
    done()
}
// ANCHOR_END: delete

/// What cgdelete does without being asked: what ran there goes on, without its limits.
fn evict(group: &Group) -> Result<()> {
    for place in &group.places {
        let above = group.name.parent().unwrap_or(Path::new(""));
        let procs = place.hierarchy.at(above).join("cgroup.procs");
        for pid in pids(place) {
            write_pid(&procs, pid, "let it go on in the cgroup above")?;
        }
    }
    Ok(())
}

fn remove_all(group: &mut Group) -> Result<()> {
    for place in &group.places {
        let mut all = vec![place.directory.clone()];
        let mut next = 0;
        while let Some(directory) = all.get(next).cloned() {
            all.extend(children(&directory));
            next += 1;
        }
        for directory in all.iter().skip(1).rev() {
            rmdir(directory, "empty the cgroup above it")?;
        }
    }
    group.remove()
}

// ANCHOR: freeze
/// Stops everything in a cgroup. The kernel is asked by one write, and is done a while later: a
/// process that just works in the kernel stops when it comes out.
pub(crate) fn freeze(id: &Path, by: By) -> Result<Status> {
    let group = frozen_or_not(id)?;
    let writes = group.plan(&[Setting::new("freezer.state", "FROZEN")])?;
    step_giving("freeze", || match by {
        By::Files => group.set(&writes),
        By::Library => library::freeze(&group, &writes),
    })?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !group.is_frozen() {
        if Instant::now() > deadline {
            return Err(Error::Unusable(format!(
                "{} has not come to a stop in 5 seconds: one of {} waits in the kernel (state D in ps)",
                id.display(),
                group.pids().len()
            )));
        }
        sleep(Duration::from_millis(1));
    }
    println!("frozen: {} processes", group.pids().len());
    done()
}
// ANCHOR_END: freeze

/// Lets everything in a cgroup go on.
pub(crate) fn thaw(id: &Path) -> Result<Status> {
    let group = frozen_or_not(id)?;
    let writes = group.plan(&[Setting::new("freezer.state", "THAWED")])?;
    step_giving("thaw", || group.set(&writes))?;
    println!("thawed: {} processes", group.pids().len());
    done()
}

fn frozen_or_not(id: &Path) -> Result<Group> {
    let machine = Machine::find()?;
    machine.with(&["freezer"])?;
    let group = Group::own(&machine, id)?;
    let has_one = group.version == Version::V2 || group.place_of("freezer.state").is_some();
    match has_one {
        true => Ok(group),
        false => Err(Error::Unusable(format!(
            "{} was made without the controller \"freezer\": chapter8 create -g freezer:{0}",
            id.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::Spec;

    #[test]
    fn a_group_is_named_as_cgroup_tools_name_it() {
        let spec: Spec = "cpu,memory:a/b".parse().unwrap();
        assert_eq!(spec.controllers, ["cpu", "memory"]);
        assert_eq!(spec.name.to_str(), Some("a/b"));
        for wrong in ["box", ":box", "cpu,:box", "cpu:", "cpu:../x"] {
            assert!(wrong.parse::<Spec>().is_err(), "{wrong}");
        }
    }
}
