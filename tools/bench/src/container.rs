//! What does a container cost, from nothing to its end, beside the least that it can cost?
//!
//! The least is `limit.c`: one clone3, the mounts, one pivot_root, one execve, and no limits at all.
//! Beside it stand the whole script of chapter 8 as one command, the same script as it is typed by
//! hand, and the runtimes of others where they are installed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::programs::{beside_me, time};
use crate::{head, row};

/// The limits of the course's script.
const LIMITS: [&str; 8] = [
    "--memory",
    "100000000",
    "--cpu-shares",
    "512",
    "--cpu-period",
    "1000000",
    "--cpu-quota",
    "2000000",
];

/// The script as it is typed by hand; `$1` is the root file system, `$2` the name.
const BY_HAND: &str = "cgcreate -g cpu,memory:$2 && cgset -r memory.limit_in_bytes=100000000 $2 \
    && cgset -r cpu.shares=512 $2 && cgset -r cpu.cfs_period_us=1000000 $2 \
    && cgset -r cpu.cfs_quota_us=2000000 $2 && cgexec -g cpu,memory:$2 unshare -uinpUrf \
    --mount-proc sh -c \"hostname $2; exec chroot $1 /bin/true\"; code=$?; \
    cgdelete -r -g cpu,memory:$2; exit $code";

/// Prints the table. What is not installed, or cannot run on this machine, is named below it.
pub(crate) fn compare(rounds: usize) -> Result<()> {
    let bundle = bundle()?;
    let name = format!("porthole-bench-{}", std::process::id());
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    let mut missing = Vec::new();
    for (name, words) in candidates(bundle.path(), &name)? {
        match time(&words, bundle.path()) {
            Ok(_) => rows.push((name, words)),
            Err(error) => missing.push(format!("{name}: {error:#}")),
        }
    }
    let mut samples = vec![Vec::new(); rows.len()];
    for _ in 0..rounds {
        for ((name, words), samples) in rows.iter().zip(&mut samples) {
            let took = time(words, bundle.path()).with_context(|| (*name).to_string())?;
            samples.push(took);
        }
    }
    remove_what_crun_leaves(&name);
    head("/bin/true in a container, start to finish");
    let mut base = 0.0;
    for ((name, _), samples) in rows.iter().zip(&mut samples) {
        let median = row(name, samples, "ms", base);
        base = if base == 0.0 { median } else { base };
    }
    missing.iter().for_each(|what| println!("not measured: {what}"));
    Ok(())
}

fn candidates(bundle: &Path, name: &str) -> Result<Vec<(&'static str, Vec<String>)>> {
    let root = bundle.join("rootfs").to_string_lossy().into_owned();
    let limit = compile(bundle)?;
    let mut ours = vec![beside_me("chapter8")?, "--trace".into(), "off".into(), "container".into()];
    let mut bare = ours.clone();
    ours.extend(LIMITS.map(str::to_string));
    for words in [&mut ours, &mut bare] {
        words.extend(["--hostname", name, "--rootfs", &root, "--", "/bin/true"].map(String::from));
    }
    let own_root = [&ours[..4], &["--".to_string(), "/bin/true".to_string()]].concat();
    let runtime = |program: &str| [program, "run", name].map(String::from).to_vec();
    Ok(vec![
        ("limit.c, the least there is", vec![limit]),
        ("chapter8 container, with its own root", own_root),
        ("chapter8 container --rootfs", bare),
        ("chapter8 container --rootfs, all limits", ours),
        ("by hand: cgroup-tools, unshare, chroot", by_hand(&root, name)),
        ("crun run", runtime("crun")),
        ("runc run", runtime("runc")),
    ])
}

fn by_hand(root: &str, name: &str) -> Vec<String> {
    ["sh", "-c", BY_HAND, "sh", root, name].map(String::from).to_vec()
}

/// On a hybrid machine crun makes a cgroup before it finds that it can do nothing with it.
fn remove_what_crun_leaves(name: &str) {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    for hierarchy in hierarchies {
        let _ = fs::remove_dir(hierarchy.path().join(name));
    }
}

/// A bundle for `/bin/true`.
fn bundle() -> Result<TempDir> {
    let folder = root_file_system()?;
    config(folder.path())?;
    Ok(folder)
}

/// A folder with a root file system that has one program.
pub(crate) fn root_file_system() -> Result<TempDir> {
    let folder = TempDir::with_prefix("porthole-bench-")?;
    let root = folder.path().join("rootfs");
    for directory in ["bin", "dev", "proc", "sys", "tmp"] {
        fs::create_dir_all(root.join(directory))?;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    let busybox = busybox.into_iter().find(|path| path.exists());
    let busybox = busybox.context("no busybox to run in the container (Debian: busybox-static)")?;
    fs::copy(busybox, root.join("bin/busybox"))?;
    for name in ["true", "sh", "sleep"] {
        symlink("busybox", root.join("bin").join(name))?;
    }
    Ok(folder)
}

/// A config.json for the runtimes of others, as `runc spec` makes it, for `/bin/true`.
fn config(bundle: &Path) -> Result<()> {
    let made = Command::new("runc").arg("spec").current_dir(bundle).status();
    if !made.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let path = bundle.join("config.json");
    let text = fs::read_to_string(&path)?.replace("\"terminal\": true", "\"terminal\": false");
    fs::write(path, text.replace("\"sh\"", "\"/bin/true\""))?;
    Ok(())
}

/// `limit.c`, compiled as it says.
pub(crate) fn compile(folder: &Path) -> Result<String> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("limit.c");
    let binary = folder.join("limit");
    let status =
        Command::new("cc").args(["-O2", "-static", "-o"]).arg(&binary).arg(&source).status()?;
    ensure!(status.success(), "cc cannot compile {}", source.display());
    Ok(binary.to_string_lossy().into_owned())
}
