//! From an image to a bundle, and to a container that is gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::archive::{Entry, directory, file, symlink};
use crate::bed::{may_be_anybody, tree};
use crate::image::Made;

const CONFIG: &str = r#"{"User":"redis","Env":["PATH=/bin","A=b"],"Entrypoint":["/bin/busybox"],
    "Cmd":["id"],"WorkingDir":"/work/dir","ExposedPorts":{"6379/tcp":{}},"Volumes":{"/data":{}},
    "StopSignal":"SIGINT","Labels":{"org.systemd.property.ExecStart":"x","run.oci.hooks":"y"}}"#;

fn busybox() -> Entry {
    let path = primitives_busybox();
    file("bin/busybox", fs::read(path).unwrap()).mode(0o755)
}

fn primitives_busybox() -> PathBuf {
    ["/bin/busybox", "/usr/bin/busybox"].iter().map(PathBuf::from).find(|p| p.is_file()).unwrap()
}

fn layers() -> Vec<Vec<Entry>> {
    let passwd = "root:x:0:0::/root:/bin/sh\nredis:x:999:998::/data:/bin/sh\n";
    vec![
        vec![
            directory("etc"),
            file("etc/passwd", passwd),
            file("etc/group", "root:x:0:\nredis:x:998:\ntty:x:5:redis\n"),
            directory("bin"),
            busybox(),
            directory("old"),
            file("old/gone", "x"),
            file("old/kept", "x"),
            directory("hidden"),
            file("hidden/f", "x"),
            directory("turned"),
            file("turned/f", "x"),
        ],
        vec![
            directory("old"),
            file("old/.wh.gone", ""),
            directory("hidden").mode(0o700),
            file("hidden/.wh..wh..opq", ""),
            file("hidden/new", "x"),
            file("turned", "now a file"),
            symlink("bin/sh", "busybox"),
        ],
    ]
}

/// What the layers are when they lie over each other.
fn must_be_one_root(root: &Path) {
    let tree = tree(root, false);
    let has = |name: &str| tree.contains_key(Path::new(name));
    assert!(
        has("old/kept") && !has("old/gone") && has("hidden/new") && !has("hidden/f"),
        "{tree:?}"
    );
    assert!(tree[Path::new("turned")].starts_with("file \"now a file\""), "{tree:?}");
    assert!(tree[Path::new("hidden")].starts_with("directory 0700"), "{tree:?}");
}

#[test]
fn layers_become_one_root_in_every_way() {
    if !may_be_anybody("layers_become_one_root_in_every_way") {
        return;
    }
    let made = Made::new(&layers(), CONFIG);
    assert_eq!(made.image(&["unpack", "test", "copied"]), (Some(0), String::new()));
    must_be_one_root(&made.path("copied"));
    fs::create_dir(made.path("mounted")).unwrap();
    assert_eq!(made.image(&["mount", "test", "mounted"]), (Some(0), String::new()));
    let (copied, mut mounted) =
        (tree(&made.path("copied"), false), tree(&made.path("mounted"), false));
    // Overlayfs gives all layers one number, but each its own.
    assert_eq!(made.image(&["umount", "mounted"]), (Some(0), String::new()));
    // A root that no layer says anything about has the time when it was made.
    mounted.insert(PathBuf::new(), copied[Path::new("")].clone());
    assert_eq!(mounted, copied);
    assert!(fs::read_dir(made.store().join("containers")).unwrap().next().is_none());
}

/// What a layer has no entry for is as the layer below says, in every way to have a root.
#[test]
fn directories_that_a_layer_only_uses() {
    if !may_be_anybody("directories_that_a_layer_only_uses") {
        return;
    }
    let layers = [
        vec![directory("a").mode(0o1777).owner(1, 2), directory("a/b").mode(0o700), busybox()],
        vec![file("a/b/f", "x"), file("new/f", "x")],
        vec![file("a/b/g", "x"), directory("c"), file("c/f", "x")],
    ];
    let made = Made::new(&layers, "{}");
    fs::create_dir(made.path("mounted")).unwrap();
    assert_eq!(made.image(&["mount", "test", "mounted"]), (Some(0), String::new()));
    let mounted = tree(&made.path("mounted"), false);
    assert_eq!(made.image(&["umount", "mounted"]), (Some(0), String::new()));
    assert_eq!(
        made.image(&["bundle", "test", "bundle", "--", "/bin/busybox"]),
        (Some(0), String::new())
    );
    let bundled = tree(&made.path("bundle/rootfs"), false);
    assert_eq!(made.image(&["umount", "bundle"]), (Some(0), String::new()));
    assert_eq!(made.image(&["unpack", "test", "copied"]), (Some(0), String::new()));
    let copied = tree(&made.path("copied"), false);
    for tree in [mounted, bundled, copied] {
        let is = |name: &str| tree[Path::new(name)].as_str();
        assert_eq!(is("a"), "directory 1777 1:2 1000000000.000000000");
        assert_eq!(is("a/b"), "directory 0700 0:0 1000000000.000000000");
        assert!(tree.contains_key(Path::new("a/b/f")) && tree.contains_key(Path::new("a/b/g")));
        assert!(is("new").starts_with("directory 0755 0:0 "), "{}", is("new"));
    }
}

#[test]
fn hundreds_of_layers() {
    if !may_be_anybody("hundreds_of_layers") {
        return;
    }
    let layers: Vec<Vec<Entry>> = (0..250)
        .map(|number| vec![file("last", format!("{number}")), file(format!("f{number}"), "x")])
        .collect();
    let made = Made::new(&layers, "{}");
    fs::create_dir(made.path("mounted")).unwrap();
    assert_eq!(made.image(&["mount", "test", "mounted"]), (Some(0), String::new()));
    let last = fs::read_to_string(made.path("mounted/last"));
    let count = fs::read_dir(made.path("mounted")).unwrap().count();
    assert_eq!(made.image(&["umount", "mounted"]), (Some(0), String::new()));
    assert_eq!((last.unwrap().as_str(), count), ("249", 251));
}

#[test]
fn what_is_opaque_at_its_root_hides_all_below() {
    if !may_be_anybody("what_is_opaque_at_its_root_hides_all_below") {
        return;
    }
    let layers = [
        vec![file("old", "x")],
        vec![file(".wh..wh..opq", ""), file("new", "x")],
        vec![file("newer", "x")],
    ];
    let made = Made::new(&layers, "{}");
    fs::create_dir(made.path("mounted")).unwrap();
    assert_eq!(made.image(&["mount", "test", "mounted"]), (Some(0), String::new()));
    let names = |name: &str| {
        let entries =
            fs::read_dir(made.path(name)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    let mounted = names("mounted");
    assert_eq!(made.image(&["umount", "mounted"]), (Some(0), String::new()));
    assert_eq!(made.image(&["unpack", "test", "copied"]), (Some(0), String::new()));
    assert_eq!(mounted, ["new", "newer"]);
    assert_eq!(names("copied"), ["new", "newer"]);
}

fn config(bundle: &Path) -> Value {
    serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap()
}

#[test]
fn an_image_becomes_a_bundle() {
    if !may_be_anybody("an_image_becomes_a_bundle") {
        return;
    }
    let made = Made::new(&layers(), CONFIG);
    let bundle = ["bundle", "--copy", "test", "bundle", "--", "sh", "-c", "true"];
    assert_eq!(made.image(&bundle), (Some(0), String::new()));
    let config = config(&made.path("bundle"));
    let process = &config["process"];
    assert_eq!(process["args"], serde_json::json!(["/bin/busybox", "sh", "-c", "true"]));
    assert_eq!(process["cwd"], "/work/dir");
    assert!(made.path("bundle/rootfs/work/dir").is_dir());
    let user = serde_json::json!({ "uid": 999, "gid": 998, "additionalGids": [5, 998] });
    assert_eq!(process["user"], user);
    assert_eq!(process["env"], serde_json::json!(["PATH=/bin", "HOME=/data", "A=b"]));
    let annotations = config["annotations"].as_object().unwrap();
    assert!(annotations.keys().all(|key| key.starts_with("org.opencontainers.image.")));
    assert_eq!(annotations["org.opencontainers.image.stopSignal"], "SIGINT");
    must_be_as_strict_as_all(&config);
    let text = fs::read(made.path("bundle/config.json")).unwrap();
    let read = ::bundle::read(&text, &made.path("bundle"));
    read.unwrap_or_else(|complaints| panic!("the runtime does not take it: {complaints}"));
}

/// Never more than Docker, containerd or Podman allow: their lists are data here, and not derived from
/// ours.
fn must_be_as_strict_as_all(config: &Value) {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
    };
    let containerd = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETGID SETPCAP SETUID";
    let allowed: Vec<String> = containerd.split(' ').map(|name| format!("CAP_{name}")).collect();
    for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
        let given = &config["process"]["capabilities"][set];
        let given = if given.is_null() { Vec::new() } else { texts(given) };
        assert!(given.iter().all(|name| allowed.contains(name)), "{set}: {given:?}");
        assert!(
            given.is_empty() || set == "bounding",
            "{set} of a user that is not root: {given:?}"
        );
    }
    let masked = texts(&config["linux"]["maskedPaths"]);
    for path in [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/dev/block",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
        "/sys/fs/selinux",
    ] {
        assert!(masked.iter().any(|other| other == path), "{path} is not masked");
    }
    let readonly = texts(&config["linux"]["readonlyPaths"]);
    for path in ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"] {
        assert!(readonly.iter().any(|other| other == path), "{path} can be written");
    }
    assert_eq!(config["process"]["noNewPrivileges"], true);
    let seccomp = &config["linux"]["seccomp"];
    assert_eq!(seccomp["defaultAction"], "SCMP_ACT_ERRNO");
    for call in [
        "add_key",
        "bpf",
        "chroot",
        "delete_module",
        "finit_module",
        "fsopen",
        "init_module",
        "io_uring_setup",
        "kexec_load",
        "keyctl",
        "mount",
        "move_mount",
        "open_by_handle_at",
        "open_tree",
        "perf_event_open",
        "pivot_root",
        "quotactl",
        "reboot",
        "request_key",
        "setns",
        "swapon",
        "syslog",
        "umount2",
        "unshare",
        "userfaultfd",
        "vhangup",
    ] {
        for rule in seccomp["syscalls"].as_array().unwrap() {
            assert!(!texts(&rule["names"]).iter().any(|name| name == call), "{call} is allowed");
        }
    }
}

#[test]
fn a_users_file_that_is_no_users_file() {
    if !may_be_anybody("a_users_file_that_is_no_users_file") {
        return;
    }
    let etc = |passwd: Entry| vec![vec![directory("etc"), passwd, busybox()]];
    let huge = file("etc/passwd", "").pax("GNU.sparse.size", "1073741824");
    let bundle = |layers: &[Vec<Entry>], config: &str| {
        let made = Made::new(layers, config);
        let result = made.image(&["bundle", "--copy", "test", "bundle", "--", "x"]);
        (result, made)
    };
    let named = r#"{"User":"redis"}"#;
    for (what, passwd, words) in [
        ("a fifo", crate::archive::entry(b'6', "etc/passwd"), "no plain file"),
        ("a device", crate::archive::device(b'3', "etc/passwd", 1, 5), "no plain file"),
        ("a gigabyte", huge.pax("GNU.sparse.map", ""), "too large"),
        ("a link to the machine's", symlink("etc/passwd", "/../../../../etc/passwd"), "ymbolic"),
        (
            "a link outside",
            symlink("etc/passwd", "../../../../../etc/hostname"),
            "not in /etc/passwd",
        ),
        ("nobody", file("etc/passwd", "other:x:5:5::/:\n"), "not in /etc/passwd of the image"),
    ] {
        let ((code, said), _) = bundle(&etc(passwd), named);
        assert!(code == Some(125) && said.contains(words), "{what}: {code:?} {said}");
    }
    // The directory to start in is made beneath the root, wherever a link in the image leads to.
    let (result, made) =
        bundle(&[vec![symlink("w", "../../.."), busybox()]], r#"{"WorkingDir":"/w/new/dir"}"#);
    assert_eq!(result, (Some(0), String::new()));
    assert!(made.path("bundle/rootfs/new/dir").is_dir());
}

#[test]
fn a_container_runs_and_is_gone() {
    if !may_be_anybody("a_container_runs_and_is_gone") {
        return;
    }
    let made = Made::new(&layers(), CONFIG);
    let mut cargo = std::process::Command::new(env!("CARGO"));
    assert!(cargo.args(["build", "--quiet", "-p", "runtime"]).status().unwrap().success());
    let script = "id -u; pwd; echo $A; touch /x 2>/dev/null || echo refused; exit 7";
    let (code, said) = made.image(&["run", "test", "--", "sh", "-c", script]);
    assert_eq!((code, said.as_str()), (Some(7), "999\n/work/dir\nb\nrefused\n"));
    assert!(fs::read_dir(made.store().join("containers")).unwrap().next().is_none());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(made.directory.path().to_str().unwrap()), "{mounts}");
}
