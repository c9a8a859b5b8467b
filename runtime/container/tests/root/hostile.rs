//! What can a root do that was made by an enemy?
//!
//! Each path that this runtime touches is something else: a link to the canary, absolute or upwards, a
//! file, a pipe, a device. Either that is refused in words that name it, or it stays inside; never does
//! it reach the canary.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::bed::{Bed, By, ordinary, rootless, with};

const TOUCHED: [&str; 19] = [
    "/proc",
    "/sys",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/dev/null",
    "/dev/ptmx",
    "/dev/fd",
    "/dev/console",
    "/sys/fs/cgroup",
    "/etc",
    "/etc/resolv.conf",
    "/tmp",
    "/run",
    "/data",
    "/data/deep",
    "/data/deep/er",
    "/root",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trick {
    LinkOut,
    LinkUp,
    LinkToItself,
    LinkToProc,
    File,
    Pipe,
    Device,
    Directory,
}

const TRICKS: [Trick; 8] = [
    Trick::LinkOut,
    Trick::LinkUp,
    Trick::LinkToItself,
    Trick::LinkToProc,
    Trick::File,
    Trick::Pipe,
    Trick::Device,
    Trick::Directory,
];

fn play(bed: &Bed, trick: Trick, path: &str) {
    let at = bed.root(path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let _ = fs::remove_dir_all(&at);
    let _ = fs::remove_file(&at);
    let tool = |program: &str, arguments: &[&str]| {
        assert!(Command::new(program).arg(&at).args(arguments).status().unwrap().success());
    };
    match trick {
        Trick::LinkOut => symlink(bed.path("canary"), &at).unwrap(),
        Trick::LinkUp => {
            let up = "../".repeat(Path::new(path).components().count());
            symlink(format!("{up}canary"), &at).unwrap();
        }
        Trick::LinkToItself => symlink(at.file_name().unwrap(), &at).unwrap(),
        Trick::LinkToProc => symlink("/proc/self/root/proc/self/cwd", &at).unwrap(),
        Trick::File => fs::write(&at, "").unwrap(),
        Trick::Pipe => tool("mkfifo", &[]),
        Trick::Device => tool("mknod", &["c", "1", "5"]),
        Trick::Directory => fs::create_dir(&at).unwrap(),
    }
}

/// Everything that this runtime does with a root, once with a `/dev` of its own and once without.
fn configurations(bed: &Bed) -> [Value; 2] {
    let file = bed.path("resolv.conf");
    fs::write(&file, "x").unwrap();
    let mut config = with(ordinary(), "/etc/resolv.conf", &file, &["bind", "ro"]);
    config = with(config, "/data/deep/er", &bed.path("volume"), &["rbind"]);
    config = crate::bed::with_new(config, "/tmp", "tmpfs", &["tmpcopyup"]);
    config = crate::bed::with_new(config, "/run", "tmpfs", &["ro"]);
    config["linux"]["maskedPaths"] = json!(["/proc/keys", "/root", "/etc/shadow", "/data"]);
    config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/etc", "/tmp"]);
    config["process"]["args"] = json!(["/bin/sh", "-c", "echo in"]);
    let mut bare = config.clone();
    bare["mounts"].as_array_mut().unwrap().remove(1);
    [config, bare]
}

pub(crate) fn every_path_is_something_else() {
    play_all(By::Root, |config| config);
}

pub(crate) fn every_path_is_something_else_in_a_user_namespace() {
    play_all(By::Root, |mut config| {
        let with_user = rootless(0, 65536);
        for name in ["uidMappings", "gidMappings", "namespaces"] {
            config["linux"][name] = with_user["linux"][name].clone();
        }
        config
    });
}

fn play_all(by: By, change: impl Fn(Value) -> Value) {
    let mut runs = 0;
    let mut refused = 0;
    for path in TOUCHED {
        for trick in TRICKS {
            let bed = Bed::new();
            fs::create_dir(bed.path("volume")).unwrap();
            for config in configurations(&bed) {
                play(&bed, trick, path);
                bed.write(&change(config));
                let outcome = bed.start(by, &[]);
                let told = format!("{trick:?} at {path}: {}{}", outcome.out, outcome.err);
                match outcome.code {
                    Some(0) => assert_eq!(outcome.out, "in\n", "{told}"),
                    // The directory names what was found, or a directory on the way to it.
                    Some(125) => {
                        refused += 1;
                        let top = Path::new(path).components().nth(1).unwrap();
                        let top = top.as_os_str().to_str().unwrap();
                        // The link out leads to a /tmp inside, which has a mount of its own.
                        let names = |name: &str| outcome.err.contains(&format!("/{name}"));
                        assert!(names(top) || names("tmp"), "{told}");
                    }
                    _ => panic!("{told}"),
                }
                let inside = ["/proc", "/sys"].contains(&path);
                let link = matches!(trick, Trick::LinkOut | Trick::LinkUp | Trick::LinkToProc);
                if inside && link {
                    assert_eq!(outcome.code, Some(125), "{told}");
                }
                assert_eq!(fs::read_dir(bed.path("volume")).unwrap().count(), 0, "{told}");
                runs += 1;
            }
        }
    }
    println!("{runs} runs, {refused} refused");
}

/// Masked paths are covered with the container's own `/dev/null`: something else in its place would be
/// what is shown.
pub(crate) fn a_null_that_is_none() {
    for trick in [Trick::LinkOut, Trick::File, Trick::Pipe, Trick::Device, Trick::Directory] {
        let bed = Bed::new();
        let mut config = ordinary();
        config["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "source": bed.root("/dev"), "options": ["bind"]}]);
        config["linux"]["maskedPaths"] = json!(["/proc/keys"]);
        play(&bed, trick, "/dev/null");
        bed.run(config, "true").refused("/dev/null");
    }
}
