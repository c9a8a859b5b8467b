//! Chapter 5: which mounts does the process see, and what is behind them?

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rootfs::Source;
use trace::Arg;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[change, hide, doors];

/// 5.1: gives a program another root mount, and takes the old one away.
pub(crate) fn change(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    if rootfs::static_busybox().is_none() {
        let why = "this machine has no static busybox (Debian: busybox-static)";
        return Ok(Verdict::Skipped(why.to_string()));
    }
    let folder = Folder::new()?;
    let root = folder.file(&bench.chance.word("root-"));
    fs::create_dir(&root)?;
    rootfs::make(&root, &Source::Machine).context("a root to change to")?;
    let (file, token) = (bench.chance.word("file-"), bench.chance.word("token-"));
    fs::write(root.join(&file), format!("{token}\n"))?;
    let code = bench.chance.exit_code();
    let outside = text(folder.path());
    let script = format!("cat /{file}; ls -d /..{outside} 2>/dev/null; exit {code}");
    let command = words(["sh", "-c", &script]);
    let run = Launch::new(&bench.program, vec![text(&root)], command).run(&folder)?;
    let found = run.out.contains(&outside);
    let criteria = vec![
        in_a_child(&run),
        changed(&run),
        detached(&run),
        criterion("CMD finds the files of ROOT at /", run.out.starts_with(&token), || {
            format!("it does not find /{file}")
        }),
        criterion("CMD finds nothing of the machine behind /..", !found, || {
            "the old root is still there".to_string()
        }),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn changed(run: &Run) -> Criterion {
    let met = run.trace.done("pivot_root").next().is_some();
    criterion("another mount becomes the root", met, || {
        "no pivot_root in the trace has succeeded".to_string()
    })
}

fn detached(run: &Run) -> Criterion {
    let trace = &run.trace;
    let pivot = trace.done("pivot_root").next();
    let program = trace.became(&run.command);
    let lazily = |at: &usize| trace.at(*at).args.get(1) == Some(&Arg::Word("MNT_DETACH".into()));
    let between = |at: &usize| {
        pivot.is_some_and(|pivot| trace.before(pivot, *at))
            && program.is_some_and(|program| trace.before(*at, program))
    };
    let met = trace.done("umount2").filter(lazily).any(|at| between(&at));
    criterion("the old root is detached, after that and before CMD", met, || {
        "no umount2 with MNT_DETACH lies between pivot_root and the execve of CMD".to_string()
    })
}

/// 5.2: hides files and directories.
pub(crate) fn hide(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for _ in 0..bench.chance.number(1..=3) {
        let file = folder.file(&bench.chance.word("file-"));
        fs::write(&file, "secret")?;
        let directory = folder.file(&bench.chance.word("directory-"));
        fs::create_dir(&directory)?;
        fs::write(directory.join("inner"), "secret")?;
        paths.extend([file, directory]);
    }
    let code = bench.chance.exit_code();
    let options = paths.iter().flat_map(|path| ["--hide".to_string(), text(path)]).collect();
    let launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let mut inside = None;
    let run = launch.run_and(&folder, |seen| {
        inside = Some(paths.iter().map(|path| visible(seen.pid, path)).collect::<Vec<_>>());
    })?;
    let inside: Option<Vec<String>> = inside.map(|all| all.into_iter().flatten().collect());
    let intact = paths.iter().all(|path| match path.is_dir() {
        true => path.join("inner").exists(),
        false => fs::read(path).is_ok_and(|content| content == b"secret"),
    });
    let what = "in there every file and directory is empty, and the directories are read-only";
    let criteria = vec![
        in_a_child(&run),
        criterion(what, inside.as_ref().is_some_and(Vec::is_empty), || match &inside {
            Some(wrong) => wrong.join("; "),
            None => NEVER_SEEN.to_string(),
        }),
        criterion("outside they are what they were", intact, || "one has changed".to_string()),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

/// What of a path a process sees that it should not; none when it is hidden.
fn visible(pid: i32, path: &Path) -> Option<String> {
    let through = PathBuf::from(format!("/proc/{pid}/root{}", path.display()));
    let kind = if path.is_dir() { "a directory" } else { "a file" };
    let empty = match path.is_dir() {
        true => fs::read_dir(&through).is_ok_and(|mut entries| entries.next().is_none()),
        false => fs::read(&through).is_ok_and(|content| content.is_empty()),
    };
    if !empty {
        return Some(format!("{kind} is not empty"));
    }
    (path.is_dir() && !is_read_only(pid, path)).then(|| format!("{kind} can be written to"))
}

/// Whether the topmost mount at a path is read-only, by the sixth field of mountinfo.
fn is_read_only(pid: i32, path: &Path) -> bool {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let at = text(path);
    let here = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some(&at));
    let options = here.and_then(|line| line.split(' ').nth(5));
    options.is_some_and(|options| options.split(',').any(|option| option == "ro"))
}

/// 5.3: fills a directory with devices.
pub(crate) fn doors(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    let directory = folder.file(&bench.chance.word("dev-"));
    fs::create_dir(&directory)?;
    let mut devices = bench.chance.some_of(&["zero", "full", "random", "urandom"]);
    devices.push("null");
    let code = bench.chance.exit_code();
    let mut options: Vec<String> =
        devices.iter().flat_map(|name| ["--device".to_string(), name.to_string()]).collect();
    options.push(text(&directory));
    let launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let mut inside = None;
    let run = launch.run_and(&folder, |seen| inside = Some(nodes(seen.pid, &directory)))?;
    let wanted: BTreeSet<(String, Option<u64>)> = devices
        .iter()
        .map(|name| (name.to_string(), number(&Path::new("/dev").join(name))))
        .collect();
    let what = format!("DIR has these devices and nothing else: {}", devices.join(", "));
    let left = fs::read_dir(&directory)?.count();
    let criteria = vec![
        in_a_child(&run),
        criterion(what, inside.as_ref() == Some(&wanted), || match &inside {
            Some(found) => {
                let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
                format!("it has [{}], or one of them is another device", names.join(", "))
            }
            None => NEVER_SEEN.to_string(),
        }),
        criterion("outside, DIR is still empty", left == 0, || format!("entries in it: {left}")),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

/// What a process sees in a directory, with the numbers of devices.
fn nodes(pid: i32, directory: &Path) -> BTreeSet<(String, Option<u64>)> {
    let through = PathBuf::from(format!("/proc/{pid}/root{}", directory.display()));
    let entries = fs::read_dir(through).into_iter().flatten().flatten();
    let node = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), number(&entry.path()))
    };
    entries.map(node).collect()
}

fn number(path: &Path) -> Option<u64> {
    let metadata = fs::metadata(path).ok()?;
    // A plain file has the number 0.
    (metadata.st_rdev() != 0).then(|| metadata.st_rdev())
}
