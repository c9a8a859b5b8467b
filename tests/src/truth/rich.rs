//! A container that asks for as much as one can, so that as many requests as possible are looked at.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::conformance::Bench;
use crate::places::Place;
use crate::programs::program;

/// Everything that goes without a new user namespace; as a user, with the one that there must be.
pub(super) fn rich(bench: &Bench) -> Result<Value> {
    let mut config = everything(bench)?;
    if bench.place() == Place::Root {
        for_root(bench, &mut config)?;
    }
    Ok(config)
}

/// The same in a user namespace with several ranges of ids.
pub(super) fn mapped(bench: &Bench) -> Result<Value> {
    let mut config = everything(bench)?;
    if bench.place() == Place::Root {
        let maps = json!([
            {"containerID": 0, "hostID": 100_000, "size": 1000},
            {"containerID": 1000, "hostID": 200_000, "size": 64536},
        ]);
        list(&mut config, "namespaces")?.push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = maps.clone();
        config["linux"]["gidMappings"] = maps;
        config["linux"]["resources"] = limits();
        config["process"]["user"] = json!({"uid": 5, "gid": 6, "additionalGids": [7, 8]});
    }
    Ok(config)
}

/// A container that shares much with its host, and another root than most.
pub(super) fn shared(bench: &Bench) -> Result<Value> {
    let mut config = bench.config();
    let shared = ["network", "ipc", "uts"];
    list(&mut config, "namespaces")?
        .retain(|space| !shared.iter().any(|name| space["type"] == *name));
    config.as_object_mut().context("an object")?.remove("hostname");
    config["root"]["readonly"] = json!(false);
    config["linux"]["rootfsPropagation"] = json!("shared");
    config["process"]["noNewPrivileges"] = json!(false);
    config["process"]["apparmorProfile"] = json!("");
    // sysfs shows the network of its owner.
    let mounts = config["mounts"].as_array_mut().context("a list")?;
    mounts.retain(|mount| mount["type"] != "sysfs" && mount["type"] != "mqueue");
    mounts.push(json!({"destination": "/sys", "type": "bind", "source": "/sys",
        "options": ["rbind", "nosuid", "noexec", "nodev", "rro"]}));
    Ok(config)
}

fn everything(bench: &Bench) -> Result<Value> {
    let mut config = bench.config();
    config["hostname"] = json!("rich");
    config["domainname"] = json!("example");
    config["process"]["args"] = json!(["/bin/payload", "report"]);
    config["process"]["oomScoreAdj"] = json!(500);
    config["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 1024},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_STACK", "soft": 8_388_608, "hard": 8_388_608},
    ]);
    config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
    config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
    config["process"]["user"]["umask"] = json!(0o027);
    config["linux"]["personality"] = json!({"domain": "LINUX32"});
    config["linux"]["sysctl"] = json!({"kernel.msgmax": "4001"});
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {"names": ["read", "write", "exit_group", "openat", "close"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
    });
    let masked = ["/proc/kcore", "/proc/timer_list", "/sys/firmware", "/not/there"];
    config["linux"]["maskedPaths"] = json!(masked);
    config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/proc/bus", "/not/there"]);
    add_mounts(bench, &mut config)?;
    add_hooks(bench, &mut config)?;
    Ok(config)
}

fn add_mounts(bench: &Bench, config: &mut Value) -> Result<()> {
    for name in ["source", "source/below", "root-of-it"] {
        fs::create_dir_all(bench.path(name))?;
        bench.own(&bench.path(name))?;
    }
    fs::write(bench.path("source/file"), "content")?;
    bench.own(&bench.path("source/file"))?;
    for name in ["ro", "rro", "file", "copied", "copied/below"] {
        let path = bench.root().join(name);
        match name {
            "file" => fs::write(&path, "")?,
            _ => fs::create_dir(&path)?,
        }
        bench.own(&path)?;
    }
    fs::write(bench.root().join("copied/below/file"), "copied")?;
    bench.own(&bench.root().join("copied/below/file"))?;
    let bind = |source: &str, to: &str, options: &[&str]| json!({"destination": to, "type": "bind", "source": bench.path(source), "options": options});
    config["mounts"].as_array_mut().context("a list")?.extend([
        bind("source", "/ro", &["bind", "ro", "nosuid", "private"]),
        bind("source", "/rro", &["rbind", "rro", "rnodev", "rslave"]),
        bind("source/file", "/file", &["bind", "noexec", "nosuid"]),
        json!({"destination": "/copied", "type": "tmpfs", "source": "tmpfs",
            "options": ["tmpcopyup", "nosuid", "size=1m", "mode=0755"]}),
    ]);
    Ok(())
}

fn add_hooks(bench: &Bench, config: &mut Value) -> Result<()> {
    let payload = program("payload", bench.place());
    for kind in
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    {
        let path = if kind == "startContainer" { "/bin/payload".into() } else { payload.clone() };
        let hook = json!({"path": path, "args": ["payload", "say:x"], "env": [bench.mark()],
            "timeout": 5});
        config["hooks"][kind] = json!([hook]);
    }
    Ok(())
}

fn for_root(bench: &Bench, config: &mut Value) -> Result<()> {
    config["linux"]["resources"] = limits();
    list(config, "namespaces")?.push(json!({"type": "time"}));
    config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 100, "nanosecs": 5}});
    config["linux"]["sysctl"]["net.ipv4.ip_forward"] = json!("1");
    config["linux"]["devices"] = json!([
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 5, "gid": 6},
        {"path": "/dev/sda", "type": "b", "major": 8, "minor": 0, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
        {"path": "/dev/deep/er/big", "type": "c", "major": 300, "minor": 70000, "fileMode": 0o666},
    ]);
    config["process"]["user"] = json!({"uid": 5, "gid": 6, "additionalGids": [7, 8], "umask": 63});
    let capabilities = json!(["CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    for set in ["effective", "permitted", "bounding", "inheritable", "ambient"] {
        config["process"]["capabilities"][set] = capabilities.clone();
    }
    // Who sees to access times on a mount is not for a less privileged namespace to say.
    config["mounts"].as_array_mut().context("a list")?.push(json!({
        "destination": "/file", "type": "bind", "source": bench.path("source/file"),
        "options": ["bind", "noatime", "nodiratime"],
    }));
    if crate::conformance::kernel::idmapped_mounts().is_none() {
        let map = json!([{"containerID": 0, "hostID": 1000, "size": 10}]);
        config["mounts"].as_array_mut().context("a list")?.push(json!({
            "destination": "/tmp", "type": "bind", "source": bench.path("source"),
            "options": ["rbind", "idmap"], "uidMappings": map, "gidMappings": map,
        }));
    }
    Ok(())
}

fn limits() -> Value {
    json!({
        "memory": {"limit": 67_108_864, "reservation": 33_554_432},
        "cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 50},
        "devices": [{"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
    })
}

fn list<'a>(config: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    config["linux"][name].as_array_mut().with_context(|| format!("{name} is a list"))
}
