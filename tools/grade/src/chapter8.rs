//! Chapter 8: is the process in the cgroup, does the limit hold, and is nothing left?

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[limited, born_in_it, last_one_out];

/// What was read from the kernel while CMD waited.
#[derive(Default)]
struct Found {
    /// The line of the hierarchy in `/proc/PID/cgroup` of CMD.
    member: bool,
    /// What stood in the file of the limit.
    limit: String,
}

/// 8.1: a limit that is there before anybody is.
fn limited(bench: &mut Bench) -> Result<Verdict> {
    let Some(group) = Group::new(bench, "pids.max") else { return Ok(no_cgroup()) };
    let most = bench.chance.number(20..=90);
    let options = vec!["--most".to_string(), most.to_string()];
    let (run, found, code) = group.run(bench, options)?;
    let writes = |file| run.trace.writes(file).next();
    let moved = writes("cgroup.procs").or_else(|| writes("tasks"));
    let in_time = match (writes("pids.max"), moved) {
        (Some(limit), Some(moved)) => run.trace.before(limit, moved),
        _ => false,
    };
    let mut criteria = vec![
        in_a_child(&run),
        is_member(&run, &found),
        criterion(
            format!("pids.max of the cgroup is {most}"),
            found.limit.trim() == most.to_string(),
            || format!("it says {:?}", found.limit.trim()),
        ),
        criterion("the limit was there before the process".to_string(), in_time, || {
            "the write of pids.max does not come before the process moves in".to_string()
        }),
    ];
    criteria.extend(group.well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// 8.2: no moment outside.
fn born_in_it(bench: &mut Bench) -> Result<Verdict> {
    let Some(group) = Group::new(bench, "cgroup.events") else { return Ok(no_cgroup()) };
    let (run, found, code) = group.run(bench, Vec::new())?;
    let moved = run.trace.writes("cgroup.procs").next().is_some();
    let mut criteria = vec![
        in_a_child(&run),
        is_member(&run, &found),
        criterion("nobody was moved".to_string(), !moved, || {
            "something was written into cgroup.procs".to_string()
        }),
    ];
    criteria.extend(group.well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// 8.3: not removed before the last one has gone.
fn last_one_out(bench: &mut Bench) -> Result<Verdict> {
    let Some(group) = Group::new(bench, "cgroup.events") else { return Ok(no_cgroup()) };
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let tenths = bench.chance.number(3..=9);
    let here = bench.here(&folder, code);
    let done = folder.file("done");
    let script = "(sleep 0.$0; echo done > \"$1\") & shift; exec \"$@\"";
    let mut command = words(["sh", "-c", script, &tenths.to_string(), &text(&done)]);
    command.extend(here.clone());
    let mut launch = Launch::new(&bench.program, group.options(Vec::new()), command);
    launch.awaited = here;
    let mut found = Found::default();
    let run = launch.run_and(&folder, |seen| found = group.look(seen.pid))?;
    let finished = done.exists();
    let mut criteria = vec![
        in_a_child(&run),
        is_member(&run, &found),
        criterion("what CMD had started could finish its work".to_string(), finished, || {
            "it was ended, or your program did not wait for it".to_string()
        }),
    ];
    // What has ended may still wait for somebody who takes its status, and nobody of ours can.
    criteria.extend(group.ended(&run, code));
    Ok(judged(criteria, &run))
}

pub(crate) fn no_cgroup() -> Verdict {
    let why = "you may make no cgroup here: work as root, or in `cargo run -p lab -- shell`";
    Verdict::Skipped(why.to_string())
}

fn is_member(run: &Run, found: &Found) -> Criterion {
    criterion("CMD is in the cgroup".to_string(), found.member, || match run.seen {
        Some(_) => "the kernel says that it is elsewhere".to_string(),
        None => NEVER_SEEN.to_string(),
    })
}

/// The cgroup that the learner's program shall make; removed in any case.
struct Group {
    directory: PathBuf,
    name: String,
}

impl Group {
    /// A name in a hierarchy where new cgroups have this file, below the grader's own cgroup; none where
    /// none can be made.
    fn new(bench: &mut Bench, file: &str) -> Option<Group> {
        let name = format!("grade-{}-{}", std::process::id(), bench.chance.number(1000..=9999));
        let parent = places().into_iter().find(|parent| {
            let probe = parent.join(format!("{name}-probe"));
            let made = fs::create_dir(&probe).is_ok();
            let has = made && probe.join(file).exists();
            let _ = fs::remove_dir(&probe);
            has
        })?;
        Some(Group { directory: parent.join(&name), name })
    }

    fn options(&self, more: Vec<String>) -> Vec<String> {
        let mut options = words(["--cgroup", &text(&self.directory)]);
        options.extend(more);
        options
    }

    fn run(&self, bench: &mut Bench, more: Vec<String>) -> Result<(Run, Found, u8)> {
        let folder = Folder::new()?;
        let code = bench.chance.exit_code();
        let here = bench.here(&folder, code);
        let mut found = Found::default();
        let launch = Launch::new(&bench.program, self.options(more), here);
        let run = launch.run_and(&folder, |seen| found = self.look(seen.pid))?;
        Ok((run, found, code))
    }

    fn look(&self, pid: i32) -> Found {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let groups = read(Path::new(&format!("/proc/{pid}/cgroup")));
        Found {
            member: groups.lines().any(|line| line.ends_with(&format!("/{}", self.name))),
            limit: read(&self.directory.join("pids.max")),
        }
    }

    fn well_ended(&self, run: &Run, code: u8) -> Vec<Criterion> {
        let mut criteria = self.ended(run, code);
        criteria.push(nothing_left(run));
        criteria
    }

    fn ended(&self, run: &Run, code: u8) -> Vec<Criterion> {
        let gone = !self.directory.exists();
        vec![
            status_taken(run, code),
            ended_with(run, "your program ends with the exit code of CMD", code),
            criterion("the cgroup is gone".to_string(), gone, || {
                format!("{} is still there", self.directory.display())
            }),
        ]
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(3);
        // What the learner's program has left behind was ended, but may need a moment to go.
        while fs::remove_dir(&self.directory).is_err()
            && self.directory.exists()
            && Instant::now() < deadline
        {
            sleep(Duration::from_millis(5));
        }
    }
}

/// The cgroups that this process is in, and those above them, in every hierarchy.
pub(crate) fn places() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut places = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let kind = right.split(' ').next().unwrap_or_default();
        let Some(mount) = left.split(' ').nth(4).filter(|_| kind.starts_with("cgroup")) else {
            continue;
        };
        let options = right.rsplit(' ').next().unwrap_or_default();
        let path = own.lines().find_map(|line| {
            let (names, path) = line.split_once(':')?.1.split_once(':')?;
            let is_v2 = kind == "cgroup2" && names.is_empty();
            let is_v1 = kind == "cgroup"
                && names.split(',').all(|name| options.split(',').any(|o| o == name));
            (is_v2 || is_v1 && !names.is_empty()).then_some(path)
        });
        let path = Path::new(path.unwrap_or("/").trim_start_matches('/'));
        places.extend(path.ancestors().map(|path| Path::new(mount).join(path)));
    }
    places
}
