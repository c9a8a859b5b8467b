//! As little of a runtime as a root needs: the child is made, stands in its root, and becomes a program.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use bundle::{Kind, Plan};
use container::cgroup::{Inside, InsideHierarchy};
use container::root::{
    Way, cut_mount_ties, enter, finish, make_devices, mount_the_rest, mount_up_to_cgroups,
    open_sources, stand_up,
};
use primitives::{
    Birth, Form, IdMap, Namespaces, Result, Status, ToParent, deny_setgroups, execve, own_ids,
    setresgid, setresuid, spawn, watch, write_gid_map, write_uid_map,
};

use crate::In;

/// Runs what the command line asks for, and ends as it ended.
pub(crate) fn main(wanted: &In) -> ExitCode {
    let ended = watch(&wanted.window, Form::Off).and_then(|()| {
        let mut plan = plan(&wanted.bundle);
        if !wanted.program.is_empty() {
            plan.process.args.clone_from(&wanted.program);
        }
        let way = if wanted.no_pivot { Way::MoveAndChroot } else { Way::Pivot };
        let inside = if wanted.cgroups_v1 { version_one() } else { Inside::Nothing };
        run(&plan, &inside, way)
    });
    match ended {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The first cgroups of two hierarchies, as if they were the container's.
fn version_one() -> Inside {
    let hierarchy = |name: &str| InsideHierarchy {
        name: name.to_string(),
        options: name.to_string(),
        own: Path::new("/sys/fs/cgroup").join(name),
    };
    let hierarchies = ["memory", "cpu"].map(hierarchy).to_vec();
    Inside::V1 { hierarchies, links: vec![("other".to_string(), "cpu".to_string())] }
}

/// Reads a plan from a bundle.
fn plan(bundle: &Path) -> Plan {
    let text = std::fs::read(bundle.join("config.json")).expect("the test wrote a config.json");
    bundle::read(&text, bundle).unwrap_or_else(|complaints| panic!("{complaints}")).plan
}

/// Runs the plan's program in the plan's root, and nothing else of the plan.
fn run(plan: &Plan, inside: &Inside, way: Way) -> Result<Status> {
    let mut sources = open_sources(plan)?;
    let birth = Birth { namespaces: namespaces(plan), cgroup: None };
    let mut child = spawn("init", birth, "have a process to stand in the root", |parent| {
        become_root(parent, plan)?;
        cut_mount_ties(plan)?;
        let root = stand_up(plan)?;
        mount_up_to_cgroups(&root, plan, &mut sources)?;
        mount_the_rest(&root, plan, &mut sources, inside)?;
        make_devices(&root, plan)?;
        enter(&root, plan, way)?;
        finish(root, plan)?;
        let arguments: Vec<OsString> = plan.process.args.iter().map(OsString::from).collect();
        let environment = vec!["PATH=/bin".into()];
        let program = Path::new(&plan.process.args[0]);
        execve(program, &arguments, &environment, "see what is in the root")?;
        Ok(0)
    })?;
    if plan.namespaces.makes(Kind::User) {
        child.meet("born", "write its maps")?;
        child.beside(|pid| {
            let (uids, gids) = (lines(&plan.id_maps.uids), lines(&plan.id_maps.gids));
            if own_ids().0 != 0 {
                deny_setgroups(Some(pid), "be allowed to write a map")?;
            }
            write_uid_map(Some(pid), &uids, "be somebody in there")?;
            write_gid_map(Some(pid), &gids, "be somebody in there")
        })?;
        child.release("go on as root in there")?;
    }
    child.finish("see how it ended")
}

fn become_root(parent: &ToParent, plan: &Plan) -> Result<()> {
    if !plan.namespaces.makes(Kind::User) {
        return Ok(());
    }
    parent.arrive("born", "have the maps written")?;
    parent.wait("be somebody first")?;
    setresgid(0, "be root in there")?;
    setresuid(0, "be root in there")
}

fn lines(ranges: &[bundle::IdRange]) -> Vec<IdMap> {
    let line = |range: &bundle::IdRange| IdMap {
        inside: range.inside,
        outside: range.host,
        count: range.size,
    };
    ranges.iter().map(line).collect()
}

fn namespaces(plan: &Plan) -> Namespaces {
    let bits = |kind| match kind {
        Kind::User => Namespaces::CLONE_NEWUSER,
        Kind::Pid => Namespaces::CLONE_NEWPID,
        Kind::Network => Namespaces::CLONE_NEWNET,
        Kind::Mount => Namespaces::CLONE_NEWNS,
        Kind::Ipc => Namespaces::CLONE_NEWIPC,
        Kind::Uts => Namespaces::CLONE_NEWUTS,
        Kind::Cgroup => Namespaces::CLONE_NEWCGROUP,
        Kind::Time => Namespaces::CLONE_NEWTIME,
    };
    let made = plan.namespaces.iter().filter(|(kind, _)| plan.namespaces.makes(*kind));
    made.map(|(kind, _)| bits(kind)).collect()
}
