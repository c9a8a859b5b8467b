//! How is each engine started, and how is its command line called?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::yard::wait_for;
use super::{Engine, Kind, Yard, runtime_in};

/// The name of the image, in full, as nobody shall look for it elsewhere.
pub(super) const IMAGE: &str = "localhost/porthole:1";

/// Podman's settings. Its own limits are higher than a process without CAP_SYS_RESOURCE may set.
const CONTAINERS_CONF: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

pub(super) fn start(kind: Kind) -> Engine {
    let yard = Yard::new(kind.name());
    let engine = Engine { kind, runtime: runtime_in(&yard), root: root(&yard), yard };
    match kind {
        Kind::Docker => docker(&engine),
        Kind::Podman => podman(&engine),
        Kind::Containerd => containerd(&engine),
    }
    if kind != Kind::Containerd {
        let tar = engine.yard.folder().join("root.tar");
        let made =
            Command::new("tar").arg("-C").arg(&engine.root).arg("-cf").arg(&tar).arg(".").status();
        assert!(made.is_ok_and(|status| status.success()), "tar cannot pack the root");
        engine.does(&["import", &tar.to_string_lossy(), IMAGE]);
    }
    engine.yard.has_settled();
    engine
}

/// A root of this machine's busybox.
fn root(yard: &Yard) -> PathBuf {
    let root = yard.folder().join("root");
    fs::create_dir(&root).expect("a folder can be made");
    rootfs::make(&root, &rootfs::Source::Machine).expect("this machine has a root to give");
    root
}

fn docker(engine: &Engine) {
    let yard = &engine.yard;
    let at = |name: &str| yard.work().join(name).to_string_lossy().into_owned();
    let host = format!("unix://{}", socket(yard, "docker"));
    let runtime = engine.runtime.to_string_lossy();
    let runtimes = serde_json::json!({
        "default-runtime": "ours",
        "runtimes": {
            "ours": { "path": runtime },
            "watched": { "path": runtime, "runtimeArgs": ["--debug"] },
        },
    });
    let settings = file(yard, "daemon.json", &runtimes.to_string());
    let flags: [&[&str]; 5] = [
        &["--config-file", &settings, "--host", &host],
        &["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")],
        &["--iptables=false", "--ip6tables=false", "--bridge=none"],
        &["--storage-driver", "overlay2"],
        &["--cgroup-parent", &yard.cgroup],
    ];
    yard.start("dockerd", &flags.concat());
    wait_for("Docker", || (engine.says(&["version"]).code == 0).then_some(()));
}

fn podman(engine: &Engine) {
    file(&engine.yard, "containers.conf", CONTAINERS_CONF);
}

fn containerd(engine: &Engine) {
    let yard = &engine.yard;
    let at = |name: &str| yard.work().join(name).to_string_lossy().into_owned();
    let settings = format!(
        "version = 2\nroot = {:?}\nstate = {:?}\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n\
         [grpc]\naddress = {:?}\n",
        at("data"),
        at("exec"),
        socket(yard, "containerd")
    );
    yard.start("containerd", &["--config", &file(yard, "containerd.toml", &settings)]);
    wait_for("containerd", || (engine.says(&["version"]).code == 0).then_some(()));
}

fn file(yard: &Yard, name: &str, text: &str) -> String {
    let path = yard.folder().join(name);
    fs::write(&path, text).expect("a file can be written");
    path.to_string_lossy().into_owned()
}

fn socket(yard: &Yard, name: &str) -> String {
    yard.folder().join(format!("{name}.sock")).to_string_lossy().into_owned()
}

pub(super) fn client(engine: &Engine) -> Command {
    let yard = &engine.yard;
    let at = |name: &str| yard.work().join(name);
    match engine.kind {
        Kind::Docker => {
            // By its path: beside Debian's a machine may have another one.
            let mut docker = yard.command(found("docker"));
            docker.env("DOCKER_CONFIG", at("client"));
            docker.env("DOCKER_HOST", format!("unix://{}", socket(yard, "docker")));
            docker
        }
        Kind::Podman => {
            let mut podman = yard.command("podman");
            podman.env("CONTAINERS_CONF", yard.folder().join("containers.conf"));
            podman.arg("--root").arg(at("data")).arg("--runroot").arg(at("run"));
            podman.arg("--tmpdir").arg(at("tmp")).args(["--storage-driver", "vfs"]);
            podman.arg("--runtime").arg(&engine.runtime);
            podman
        }
        Kind::Containerd => {
            let mut ctr = yard.command("ctr");
            ctr.args(["--address", &socket(yard, "containerd")]);
            ctr
        }
    }
}

fn found(name: &str) -> &str {
    match (name, Path::new("/usr/bin/docker").exists()) {
        ("docker", true) => "/usr/bin/docker",
        _ => name,
    }
}

pub(super) fn run_flags(engine: &Engine) -> Vec<&str> {
    match engine.kind {
        Kind::Docker => vec!["--network", "none"],
        Kind::Podman => vec!["--cgroup-parent", &engine.yard.cgroup],
        Kind::Containerd => Vec::new(),
    }
}
