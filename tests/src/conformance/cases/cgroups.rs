//! config-linux.md, "Control groups": where they are, and what the container sees of them.

use anyhow::{Context, Result};
use serde_json::json;

use crate::conformance::report::Report;
use crate::conformance::{Bench, Case, Fits, case, control};

pub(super) const CASES: &[Case] = &[
    case("cgroups/absolute-path", "config-linux.md, Cgroups Path: MUST", Fits::Root, absolute),
    case(
        "cgroups/relative-path",
        "config-linux.md, Cgroups Path: MUST consistently",
        Fits::Root,
        relative,
    ),
    case("cgroups/default-path", "config-linux.md, Cgroups Path", Fits::Root, default),
    case("cgroups/no-way-up", "links and .. in cgroupsPath", Fits::Root, no_way_up),
    case(
        "cgroups/before-the-first-instruction",
        "config-linux.md, Control groups",
        Fits::Root,
        before,
    ),
    case("cgroups/removed", "runtime.md, Delete: MUST delete the resources", Fits::Root, removed),
    case(
        "cgroups/parent-stays",
        "runtime.md, Delete: MUST NOT be deleted",
        Fits::Root,
        parent_stays,
    ),
    case("cgroups/mount-v1", "config.md, Mounts: cgroup", Fits::RootV1, mount_v1),
    case("cgroups/mount-v2", "config.md, Mounts: cgroup", Fits::RootV2, mount_v2),
    case("cgroups/mount-is-read-only", "CVE-2023-25809", Fits::Root, mount_read_only),
    case("cgroups/kill-all", "runc: kill --all", Fits::Root, kill_all),
    case("cgroups/exec-beside", "cgroups(7), no internal processes", Fits::RootV2, exec_beside),
];

fn own_controller() -> &'static str {
    "pids"
}

fn absolute(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    let path = format!("/{}-top/below", bench.id());
    config["linux"]["cgroupsPath"] = json!(path);
    bench.run_detached(&config)?;
    let seen = control::directory(bench.pid()?, own_controller())?;
    bench.holds("below the mount point", seen.ends_with(&path[1..]), &seen);
    let point = seen.ancestors().nth(2).context("it has two parents")?;
    let depth = point.components().count();
    bench.holds("not deeper", depth <= 5, point);
    bench.command(&["delete", "--force", bench.id()])?.good()?;
    // What holds the container's own cgroup was there for others as well.
    let _ = std::fs::remove_dir(seen.parent().context("it has a parent")?);
    for other in crate::leftovers::cgroups(&format!("{}-top", bench.id())) {
        bench.holds("only the parents stay", !other.ends_with("below"), other);
    }
    Ok(())
}

fn relative(bench: &Bench) -> Result<()> {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut config = bench.config_for(&["report", "sleep"]);
        config["linux"]["cgroupsPath"] = json!(format!("{}-relative", bench.id()));
        bench.run_detached(&config)?;
        seen.push(control::directory(bench.pid()?, own_controller())?);
        bench.command(&["delete", "--force", bench.id()])?.good()?;
    }
    bench.equal("the same twice", &seen[0], &seen[1]);
    bench.holds("its name", seen[0].ends_with(format!("{}-relative", bench.id())), &seen[0]);
    Ok(())
}

fn default(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let seen = control::directory(bench.pid()?, own_controller())?;
    bench.holds("its name", seen.ends_with(bench.id()), &seen);
    Ok(())
}

fn no_way_up(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    config["linux"]["cgroupsPath"] = json!(format!("/../../../{}-up", bench.id()));
    let done = bench.try_run_detached(&config)?;
    if done {
        let seen = control::directory(bench.pid()?, own_controller())?;
        bench.holds("inside", seen.starts_with("/sys/fs/cgroup"), &seen);
    }
    bench.holds(
        "nothing beside",
        !std::path::Path::new(&format!("/sys/fs/{}-up", bench.id())).exists(),
        "it is",
    );
    Ok(())
}

/// The first thing that the payload says is already said from within.
fn before(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    let lines = report.word("cgroup");
    let namespaced =
        report.namespace("cgroup") != std::fs::read_link("/proc/self/ns/cgroup")?.to_string_lossy();
    bench.holds("its own", namespaced || lines.contains(bench.id()), lines);
    Ok(())
}

fn removed(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let directory = control::directory(bench.pid()?, own_controller())?;
    bench.stop()?;
    bench.command(&["delete", bench.id()])?.good()?;
    bench.holds("gone", !directory.exists(), directory);
    Ok(())
}

fn parent_stays(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let directory = control::directory(bench.pid()?, own_controller())?;
    bench.command(&["delete", "--force", bench.id()])?.good()?;
    let parent = directory.parent().context("it has a parent")?;
    let mine = parent.join(format!("{}-parent", bench.id()));
    std::fs::create_dir(&mine)?;
    let mut config = bench.config_for(&["report", "sleep"]);
    let below = mine.strip_prefix("/sys/fs/cgroup")?;
    let skip = usize::from(!crate::places::has_unified_cgroups());
    let below: std::path::PathBuf = below.components().skip(skip).collect();
    config["linux"]["cgroupsPath"] = json!(format!("/{}/mine", below.display()));
    bench.run_detached(&config)?;
    bench.command(&["delete", "--force", bench.id()])?.good()?;
    bench.holds("it is there", mine.exists(), &mine);
    std::fs::remove_dir(&mine).context("it is empty")?;
    crate::leftovers::cgroups(&format!("{}-parent", bench.id()));
    Ok(())
}

/// A directory for each controller, and in it only what is the container's.
fn mount_v1(bench: &Bench) -> Result<()> {
    let report = bench.probe(&bench.config(), &["list:/sys/fs/cgroup"])?;
    let names = report.answer("list:/sys/fs/cgroup");
    for controller in ["cpu", "memory", "pids", "freezer", "devices"] {
        bench.holds(controller, names.contains(controller), names);
        let mount = report.mount(&format!("/sys/fs/cgroup/{controller}"));
        bench.holds(
            controller,
            mount.is_some_and(|mount| mount.kind() == "cgroup" && mount.has("ro")),
            report.mount_points(),
        );
    }
    let pids = report.mount("/sys/fs/cgroup/pids").context("no mount of pids")?;
    bench.holds(
        "only its own",
        pids.root().contains(bench.id()) || pids.root() == "/",
        pids.root(),
    );
    Ok(())
}

fn mount_v2(bench: &Bench) -> Result<()> {
    let report = bench.probe(&bench.config(), &["read:/sys/fs/cgroup/cgroup.controllers"])?;
    let mount = report.mount("/sys/fs/cgroup").context("no mount")?;
    bench.equal("type", mount.kind(), "cgroup2");
    let seen = report.answer("read:/sys/fs/cgroup/cgroup.controllers");
    bench.holds("controllers", seen.contains("memory"), seen);
    Ok(())
}

fn mount_read_only(bench: &Bench) -> Result<()> {
    let file = match crate::places::has_unified_cgroups() {
        true => "/sys/fs/cgroup/cgroup.procs",
        false => "/sys/fs/cgroup/pids/cgroup.procs",
    };
    let probe = format!("write:{file}");
    let report = bench.probe(&bench.config(), &[&probe])?;
    bench.equal("cgroup.procs", report.answer(&probe), "errno 30");
    Ok(())
}

fn kill_all(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    let list = config["linux"]["namespaces"].as_array_mut().context("a list")?;
    list.retain(|space| space["type"] != "pid");
    bench.run_detached(&config)?;
    bench.command(&["exec", "--detach", bench.id(), "/bin/payload", "sleep"])?.good()?;
    bench.command(&["kill", "--all", bench.id(), "KILL"])?.good()?;
    bench.until_status("stopped")?;
    bench.until("all have ended", || {
        Ok(crate::leftovers::processes(bench.mark()).is_empty().then_some(()))
    })?;
    bench.command(&["delete", bench.id()])?.good()?;
    Ok(())
}

/// A container that hands controllers down to cgroups of its own can hold no process itself any more.
fn exec_beside(bench: &Bench) -> Result<()> {
    let script = "cd /sys/fs/cgroup && mkdir own && echo 0 > own/cgroup.procs \
        && echo +pids > cgroup.subtree_control && exec /bin/payload report sleep";
    let mut config = bench.config_for(&["sleep"]);
    config["process"]["args"] = json!(["/bin/busybox", "sh", "-c", script]);
    let mounts = config["mounts"].as_array_mut().context("it has mounts")?;
    let cgroup = mounts.iter_mut().find(|mount| mount["type"] == "cgroup");
    cgroup.context("it has one for cgroups")?["options"] = json!(["nosuid", "noexec", "nodev"]);
    bench.run_detached(&config)?;
    let told = bench.command(&["exec", bench.id(), "/bin/payload", "report"])?.good()?;
    let told = Report::read(&told.stdout)?;
    bench.holds(
        "where the first process is",
        told.word("cgroup").trim().ends_with("/own"),
        told.word("cgroup"),
    );
    Ok(())
}
