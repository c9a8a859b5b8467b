//! config.md, "Mounts": what is mounted is what is there, in order, with each option.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::{Bench, Case, Fits, case, kernel};

pub(super) const CASES: &[Case] = &[
    case("mounts/default", "config-linux.md, Default Filesystems", Fits::Root, default),
    case("mounts/order", "config.md, Mounts: MUST mount in the listed order", Fits::All, order),
    case("mounts/options", "config.md, Linux mount options: MUST support", Fits::All, options),
    case("mounts/options-of-bind", "config.md, Linux mount options", Fits::Root, options_of_bind),
    case("mounts/options-recursive", "config.md, Linux mount options: r*", Fits::Root, recursive),
    case("mounts/data", "config.md, Mounts: options of a file system", Fits::All, data),
    case("mounts/bind-directory", "config.md, Mounts: bind", Fits::All, bind_directory),
    case("mounts/bind-file", "config.md, Mounts: bind", Fits::All, bind_file),
    case("mounts/bind-relative", "config.md, Mounts: source", Fits::All, bind_relative),
    case("mounts/bind-read-only", "config.md, Mounts: ro", Fits::All, bind_read_only),
    case("mounts/bind-missing", "runtime.md, Create", Fits::All, bind_missing),
    case("mounts/bind-by-option", "config.md, Mounts: type \"none\"", Fits::All, bind_by_option),
    case("mounts/rbind", "config.md, Linux mount options: rbind", Fits::Root, rbind),
    case("mounts/destination-is-made", "runc: a missing destination is made", Fits::All, is_made),
    case("mounts/destination-link", "links of a root stay in it", Fits::All, link),
    case("mounts/destination-is-proc-link", "CVE-2019-19921", Fits::All, proc_link),
    case("mounts/tmpcopyup", "config.md, Linux mount options: tmpcopyup", Fits::All, copy_up),
    case("mounts/unknown-type", "runtime.md, Create", Fits::All, unknown_type),
    case("mounts/idmap", "config.md, Linux mount options: idmap", Fits::Root, idmap)
        .needing(kernel::idmapped_mounts),
    case("mounts/proc-is-new", "config-linux.md, Default Filesystems", Fits::All, proc_is_new),
    case("mounts/nothing-of-the-host", "config-linux.md, Namespaces: mount", Fits::All, isolated),
];

fn with_mounts(bench: &Bench, more: &[Value]) -> Value {
    let mut config = bench.config();
    config["mounts"].as_array_mut().expect("there are mounts").extend(more.to_vec());
    config
}

fn tmpfs(destination: &str, options: &[&str]) -> Value {
    json!({"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options})
}

fn default(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    let right = [
        ("/proc", "proc", vec!["rw"]),
        ("/sys", "sysfs", vec!["ro", "nosuid", "nodev", "noexec"]),
        ("/dev", "tmpfs", vec!["rw", "nosuid"]),
        ("/dev/pts", "devpts", vec!["rw", "nosuid", "noexec"]),
        ("/dev/shm", "tmpfs", vec!["rw", "nosuid", "nodev", "noexec"]),
        ("/dev/mqueue", "mqueue", vec!["rw", "nosuid", "nodev", "noexec"]),
    ];
    for (point, kind, options) in right {
        let mount = report.mount(point).with_context(|| format!("no mount at {point}"))?;
        bench.equal(point, mount.kind(), kind);
        let lacks: Vec<_> = options.iter().filter(|option| !mount.has(option)).collect();
        bench.holds(point, lacks.is_empty(), (lacks, mount.options()));
    }
    Ok(())
}

/// Whether each of them stands in the list, in this order.
fn order(bench: &Bench) -> Result<()> {
    let mounts =
        [tmpfs("/tmp", &[]), tmpfs("/tmp/a", &["size=1m"]), tmpfs("/tmp/a/b", &["size=2m"])];
    let report = bench.run(&with_mounts(bench, &mounts))?;
    let points: Vec<_> =
        report.mount_points().into_iter().filter(|point| point.starts_with("/tmp")).collect();
    bench.equal("as listed", points, ["/tmp", "/tmp/a", "/tmp/a/b"]);
    // The second hides the first.
    let mounts = [tmpfs("/tmp/a", &["size=1m"]), tmpfs("/tmp", &["size=2m"])];
    let report = bench.probe(&with_mounts(bench, &mounts), &["list:/tmp"])?;
    bench.equal("hidden", report.answer("list:/tmp"), "ok ");
    Ok(())
}

/// An option, and the flag that it sets or that must not be there.
const FLAGS: [(&str, &str, bool); 14] = [
    ("ro", "ro", true),
    ("rw", "ro", false),
    ("nosuid", "nosuid", true),
    ("suid", "nosuid", false),
    ("nodev", "nodev", true),
    ("dev", "nodev", false),
    ("noexec", "noexec", true),
    ("exec", "noexec", false),
    ("noatime", "noatime", true),
    ("nodiratime", "nodiratime", true),
    ("relatime", "relatime", true),
    ("strictatime", "relatime", false),
    ("nosymfollow", "nosymfollow", true),
    ("defaults", "ro", false),
];

/// One option a run: what is not known is refused, and must not hide the others.
fn options(bench: &Bench) -> Result<()> {
    for (option, flag, right) in FLAGS {
        let seen = bench.run(&with_mounts(bench, &[tmpfs("/tmp", &["mode=755", option])]));
        let seen = seen.map(|report| {
            report.mount("/tmp").map(|mount| (mount.has(flag), mount.options().join(",")))
        });
        bench.comes(option, seen, |seen| seen.as_ref().is_some_and(|(has, _)| *has == right));
    }
    Ok(())
}

/// Of a file system that has all the flags, and of one that has none.
fn options_of_bind(bench: &Bench) -> Result<()> {
    let source = bench.path("source");
    fs::create_dir(&source)?;
    let mut mounts = vec![tmpfs("/tmp", &[])];
    for (option, ..) in FLAGS.iter().filter(|(option, ..)| *option != "nosymfollow") {
        let options = ["rbind", option];
        let destination = format!("/tmp/{option}");
        mounts.push(json!({"destination": destination, "type": "bind", "source": source, "options": options}));
    }
    let report = bench.run(&with_mounts(bench, &mounts))?;
    for (option, flag, right) in FLAGS {
        if let Some(mount) = report.mount(&format!("/tmp/{option}")) {
            bench.holds(option, mount.has(flag) == right, mount.options());
        }
    }
    Ok(())
}

/// A recursive option, and what it must do to a mount below.
const RECURSIVE: [(&str, &str, bool); 13] = [
    ("rro", "ro", true),
    ("rrw", "ro", false),
    ("rnosuid", "nosuid", true),
    ("rsuid", "nosuid", false),
    ("rnodev", "nodev", true),
    ("rdev", "nodev", false),
    ("rnoexec", "noexec", true),
    ("rexec", "noexec", false),
    ("rnoatime", "noatime", true),
    ("rnodiratime", "nodiratime", true),
    ("rrelatime", "relatime", true),
    ("rstrictatime", "relatime", false),
    ("rnosymfollow", "nosymfollow", true),
];

fn recursive(bench: &Bench) -> Result<()> {
    let source = bench.path("source");
    fs::create_dir_all(source.join("below"))?;
    let below = bench.mounted(&source.join("below"), "tmpfs", "mode=755")?;
    for (option, flag, right) in RECURSIVE {
        let mount = json!({"destination": "/tmp", "type": "bind", "source": source,
            "options": ["rbind", option]});
        let seen = bench.run(&with_mounts(bench, &[mount]));
        let seen = seen.map(|report| {
            report.mount("/tmp/below").map(|mount| (mount.has(flag), mount.options().join(",")))
        });
        bench.comes(option, seen, |seen| seen.as_ref().is_some_and(|(has, _)| *has == right));
    }
    drop(below);
    Ok(())
}

fn data(bench: &Bench) -> Result<()> {
    let options = ["size=1024k", "mode=1700", "nr_inodes=99"];
    let report = bench.run(&with_mounts(bench, &[tmpfs("/tmp", &options)]))?;
    let seen = report.mount("/tmp").context("no mount")?.data();
    for option in options {
        bench.holds(option, seen.contains(&option), &seen);
    }
    let wrong = with_mounts(bench, &[tmpfs("/tmp", &["sizzle=1"])]);
    bench.fails("unknown to the file system", &bench.try_run(&wrong)?, 1);
    Ok(())
}

fn bind(source: &str, destination: &str, options: &[&str]) -> Value {
    json!({"destination": destination, "type": "bind", "source": source, "options": options})
}

/// A directory with a file in it.
fn source(bench: &Bench) -> Result<String> {
    let source = bench.path("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("file"), "content")?;
    bench.own(&source)?;
    bench.own(&source.join("file"))?;
    Ok(source.to_string_lossy().into_owned())
}

fn bind_directory(bench: &Bench) -> Result<()> {
    let config = with_mounts(bench, &[bind(&source(bench)?, "/tmp", &["rbind", "rw"])]);
    let report = bench.probe(&config, &["read:/tmp/file", "create:/tmp/new"])?;
    bench.equal("its content", report.answer("read:/tmp/file"), "ok content");
    bench.equal("writable", report.answer("create:/tmp/new"), "ok ");
    bench.holds("on the host", bench.path("source/new").exists(), "no");
    Ok(())
}

fn bind_file(bench: &Bench) -> Result<()> {
    let file = format!("{}/file", source(bench)?);
    let config = with_mounts(bench, &[bind(&file, "/etc/file", &["bind"])]);
    let report = bench.probe(&config, &["read:/etc/file"])?;
    bench.equal("its content", report.answer("read:/etc/file"), "ok content");
    Ok(())
}

fn bind_relative(bench: &Bench) -> Result<()> {
    let inside = bench.bundle().join("data");
    fs::create_dir(&inside)?;
    bench.own(&inside)?;
    fs::write(inside.join("file"), "of the bundle")?;
    let config = with_mounts(bench, &[bind("data", "/tmp", &["rbind"])]);
    let report = bench.probe(&config, &["read:/tmp/file"])?;
    bench.equal("from the bundle on", report.answer("read:/tmp/file"), "ok of the bundle");
    Ok(())
}

fn bind_read_only(bench: &Bench) -> Result<()> {
    let config = with_mounts(bench, &[bind(&source(bench)?, "/tmp", &["rbind", "ro"])]);
    let report = bench.probe(&config, &["read:/tmp/file", "create:/tmp/new", "write:/tmp/file"])?;
    bench.equal("read", report.answer("read:/tmp/file"), "ok content");
    bench.equal("create", report.answer("create:/tmp/new"), "errno 30");
    bench.equal("write", report.answer("write:/tmp/file"), "errno 30");
    Ok(())
}

fn bind_missing(bench: &Bench) -> Result<()> {
    let nowhere = bench.path("nowhere").to_string_lossy().into_owned();
    let config = with_mounts(bench, &[bind(&nowhere, "/tmp", &["rbind"])]);
    bench.fails("refused", &bench.try_run(&config)?, 1);
    bench.holds("it is not made", !bench.path("nowhere").exists(), "it was");
    Ok(())
}

fn bind_by_option(bench: &Bench) -> Result<()> {
    let mut mount = bind(&source(bench)?, "/tmp", &["bind"]);
    mount["type"] = json!("none");
    let report = bench.probe(&with_mounts(bench, &[mount.clone()]), &["read:/tmp/file"])?;
    bench.equal("type none", report.answer("read:/tmp/file"), "ok content");
    mount.as_object_mut().map(|mount| mount.remove("type"));
    let report = bench.probe(&with_mounts(bench, &[mount]), &["read:/tmp/file"])?;
    bench.equal("no type", report.answer("read:/tmp/file"), "ok content");
    Ok(())
}

fn rbind(bench: &Bench) -> Result<()> {
    let source = bench.path("source");
    fs::create_dir_all(source.join("below"))?;
    let below = bench.mounted(&source.join("below"), "tmpfs", "mode=755")?;
    for (option, right) in [("rbind", true), ("bind", false)] {
        let mount = bind(&source.to_string_lossy(), "/tmp", &[option]);
        let report = bench.run(&with_mounts(bench, &[mount]))?;
        bench.equal(option, report.mount("/tmp/below").is_some(), right);
    }
    drop(below);
    Ok(())
}

fn is_made(bench: &Bench) -> Result<()> {
    let file = format!("{}/file", source(bench)?);
    let mounts = [tmpfs("/new/directory", &[]), bind(&file, "/new/file", &["bind"])];
    let report = bench.probe(&with_mounts(bench, &mounts), &["read:/new/file"])?;
    bench.holds("a directory", report.mount("/new/directory").is_some(), "not there");
    bench.equal("a file", report.answer("read:/new/file"), "ok content");
    Ok(())
}

/// A link to somewhere else means somewhere else in the root.
fn link(bench: &Bench) -> Result<()> {
    let canary = bench.path("canary");
    fs::create_dir(&canary)?;
    bench.own(&canary)?;
    for (target, name) in [("/tmp", "inside"), ("../../../../../tmp", "up")] {
        std::os::unix::fs::symlink(target, bench.root().join(name))?;
        let config = with_mounts(bench, &[tmpfs(&format!("/{name}"), &["size=1m"])]);
        let report = bench.run(&config)?;
        bench.holds(name, report.mount("/tmp").is_some(), report.mount_points());
    }
    std::os::unix::fs::symlink(&canary, bench.root().join("out"))?;
    let config = with_mounts(bench, &[tmpfs("/out/new", &[])]);
    let _ = bench.try_run(&config)?;
    bench.holds("nothing outside", fs::read_dir(&canary)?.next().is_none(), "something was made");
    Ok(())
}

/// `/proc` and `/sys` must be real, or whatever is written there goes elsewhere.
fn proc_link(bench: &Bench) -> Result<()> {
    fs::create_dir(bench.root().join("elsewhere"))?;
    fs::remove_dir(bench.root().join("proc"))?;
    std::os::unix::fs::symlink("elsewhere", bench.root().join("proc"))?;
    bench.fails("refused", &bench.try_run(&bench.config())?, 1);
    Ok(())
}

fn copy_up(bench: &Bench) -> Result<()> {
    fs::write(bench.root().join("tmp/below"), "copied")?;
    bench.own(&bench.root().join("tmp/below"))?;
    let config = with_mounts(bench, &[tmpfs("/tmp", &["tmpcopyup"])]);
    let report = bench.probe(&config, &["read:/tmp/below"])?;
    bench.equal("its content", report.answer("read:/tmp/below"), "ok copied");
    let data = report.mount("/tmp").context("no mount")?.data();
    bench.holds("no option of tmpfs", !data.contains(&"tmpcopyup"), data);
    Ok(())
}

fn unknown_type(bench: &Bench) -> Result<()> {
    let mount = json!({"destination": "/tmp", "type": "nofs", "source": "nofs"});
    bench.fails("refused", &bench.try_run(&with_mounts(bench, &[mount]))?, 1);
    Ok(())
}

fn idmap(bench: &Bench) -> Result<()> {
    let mut mount = bind(&source(bench)?, "/tmp", &["rbind", "idmap"]);
    let map = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
    mount["uidMappings"] = map.clone();
    mount["gidMappings"] = map;
    let report = bench.probe(&with_mounts(bench, &[mount]), &["stat:/tmp/file"])?;
    bench.equal("the owner", report.answer("stat:/tmp/file"), "ok - 0644 1000 1000 0:0 nlink 1");
    Ok(())
}

fn proc_is_new(bench: &Bench) -> Result<()> {
    let report = bench.probe(&bench.config(), &["read:/proc/1/cmdline", "stat:/proc/2"])?;
    let right = "ok /bin/payload\0read:/proc/1/cmdline\0stat:/proc/2\0report\0";
    bench.equal("pid 1 is the payload", report.answer("read:/proc/1/cmdline"), right);
    bench.equal("there is no other", report.answer("stat:/proc/2"), "errno 2");
    Ok(())
}

fn isolated(bench: &Bench) -> Result<()> {
    let config = bench.config();
    let report = bench.run(&config)?;
    let asked = config["mounts"].as_array().into_iter().flatten();
    let mut right: Vec<&str> = asked.filter_map(|mount| mount["destination"].as_str()).collect();
    right.push("/");
    let is_known = |point: &&str| {
        let masked = ["maskedPaths", "readonlyPaths"].map(|list| &config["linux"][list]);
        let listed = masked.iter().any(|list| {
            list.as_array().into_iter().flatten().any(|path| path.as_str() == Some(*point))
        });
        let below = ["/sys/", "/dev/"].iter().any(|above| point.starts_with(above));
        right.contains(point) || listed || below
    };
    let others: Vec<&str> =
        report.mount_points().into_iter().filter(|point| !is_known(point)).collect();
    bench.equal("only what was asked for", others, Vec::<&str>::new());
    let folder = bench.path("").to_string_lossy().into_owned();
    let host = std::fs::read_to_string("/proc/self/mountinfo")?;
    bench.holds("nothing on the host", !host.contains(&folder), folder);
    Ok(())
}
