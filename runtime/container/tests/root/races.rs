//! What can an enemy do who changes the root while it is used?
//!
//! The runtime stops before each of its requests (`--step`), and each time something in the root is
//! exchanged for a link to the canary, or back. So between any two requests that follow each other the
//! root has changed, once in each direction; in further runs it changes after every second of them,
//! every fourth, every eighth.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::bed::{Bed, By, ordinary, rootless, with, with_new};

/// What a volume shared with another container lets an enemy exchange.
const EXCHANGED: [&str; 8] =
    ["/dev", "/proc", "/sys", "/etc", "/etc/passwd", "/data", "/data/deep", "/tmp"];
/// After how many requests. All of them with ROOT_RACES=all, which takes minutes.
const EVERY: [usize; 4] = [1, 2, 4, 8];

pub(crate) fn between_any_two_requests() {
    play(|config| config);
}

pub(crate) fn between_any_two_requests_in_a_user_namespace() {
    play(|mut config| {
        let with_user = rootless(0, 65536);
        for name in ["uidMappings", "gidMappings", "namespaces"] {
            config["linux"][name] = with_user["linux"][name].clone();
        }
        config
    });
}

/// When and where a root is changed.
#[derive(Clone, Copy, Debug)]
struct Enemy {
    path: &'static str,
    every: usize,
    /// Whether it begins as a link.
    swapped: bool,
    /// Whether the container's `/dev` is the root's own.
    bare: bool,
}

fn enemies() -> impl Iterator<Item = Enemy> {
    let all = std::env::var_os("ROOT_RACES").is_some_and(|value| value == "all");
    let every = EVERY.into_iter().take(if all { EVERY.len() } else { 1 });
    every.flat_map(|every| {
        EXCHANGED.into_iter().flat_map(move |path| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|(swapped, bare)| Enemy { path, every, swapped, bare })
        })
    })
}

fn play(change: impl Fn(serde_json::Value) -> serde_json::Value) {
    let (mut runs, mut all, mut refused) = (0, 0, 0);
    for enemy in enemies() {
        let bed = Bed::new();
        fs::create_dir_all(bed.root("/data/deep/er")).unwrap();
        fs::create_dir(bed.path("volume")).unwrap();
        bed.write(&change(configuration(&bed, enemy)));
        let (exchanges, code) = exchange(&bed, enemy);
        assert!(matches!(code, Some(0 | 125)), "{enemy:?}: {code:?}");
        assert_eq!(fs::read_dir(bed.path("volume")).unwrap().count(), 0, "{enemy:?}");
        bed.assert_canary();
        (runs, all, refused) = (runs + 1, all + exchanges, refused + usize::from(code != Some(0)));
    }
    println!("{runs} runs, {all} exchanges, {refused} refused");
}

fn configuration(bed: &Bed, enemy: Enemy) -> serde_json::Value {
    // Whoever gets into a program is at least as guarded as the configuration says.
    const LOOK: &str = "test ! -e /proc/keys || test $(stat -c %t:%T /proc/keys) = 1:3 || exit 3; \
                        echo x 2>/dev/null >/proc/sys/kernel/domainname && exit 4; exit 0";
    let mut config = with(ordinary(), "/data/deep/er/new", &bed.path("volume"), &["bind"]);
    config = with(config, "/etc/passwd", &bed.path("canary/file"), &["bind", "ro"]);
    config = with_new(config, "/tmp", "tmpfs", &["tmpcopyup"]);
    config["linux"]["maskedPaths"] = json!(["/etc/group", "/proc/keys", "/data/deep"]);
    config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/etc"]);
    config["process"]["args"] = json!(["/bin/sh", "-c", LOOK]);
    if enemy.bare {
        config["mounts"].as_array_mut().unwrap().remove(1);
    }
    config
}

/// Runs it, and exchanges a path for a link to the canary, or back, at every so many stops.
fn exchange(bed: &Bed, enemy: Enemy) -> (usize, Option<i32>) {
    const ASKED: &[u8] = b"help) ";
    let (real, link) = (bed.root(enemy.path), bed.path("link"));
    let target = if real.is_dir() { bed.path("canary") } else { bed.path("canary/file") };
    symlink(target, &link).unwrap();
    let mut exchanges = usize::from(enemy.swapped && swap(&real, &link));
    let mut command = bed.command(By::Root, &["--step", "--commands", "-", "--trace", "off"]);
    let pipes = command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut runtime = pipes.spawn().unwrap();
    let mut answers = runtime.stdin.take().unwrap();
    let mut questions = runtime.stderr.take().unwrap();
    let mut stops: usize = 0;
    let mut heard = Vec::new();
    let mut some = [0; 4096];
    while let Ok(length @ 1..) = questions.read(&mut some) {
        heard.extend_from_slice(&some[..length]);
        // Not only at the end: the container's own program may say something behind it.
        if !heard.windows(ASKED.len()).any(|part| part == ASKED) {
            continue;
        }
        heard.clear();
        stops += 1;
        exchanges += usize::from(stops.is_multiple_of(enemy.every) && swap(&real, &link));
        if answers.write_all(b"next\n").is_err() {
            break;
        }
    }
    (exchanges, runtime.wait().unwrap().code())
}

/// Not in one moment, as renameat2 would; nobody looks meanwhile, because all are stopped.
fn swap(one: &Path, other: &Path) -> bool {
    let aside = other.with_extension("aside");
    // What is a mount point in the container is none out here, so nothing holds it.
    fs::rename(one, &aside).is_ok()
        && fs::rename(other, one).is_ok()
        && fs::rename(&aside, other).is_ok()
}
