//! Chapter 2: which namespaces is the process in?

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use trace::Arg;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{Trace, ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run, Target};
use crate::seen::{Seen, inode_in, members, namespace, strangers};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[members_of_one, join, hold];

/// 2.1: finds the members of a namespace.
pub(crate) fn members_of_one(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let crowd = crowd(bench)?;
    let _others = self::crowd(bench)?;
    let own = *bench.chance.one_of(&["uts", "ipc", "user"]);
    let shared = *bench.chance.one_of(&["mnt", "net", "pid"]);
    let mut criteria = Vec::new();
    let mut said = String::new();
    for (kind, whose) in [(own, "a namespace of its own"), (shared, "one that others share")] {
        let inode = namespace(crowd.seen.pid, kind).context("the crowd's namespaces")?;
        let options = vec![kind.to_string(), crowd.seen.pid.to_string()];
        let (before, elsewhere) = (members(kind, inode), strangers(kind, inode));
        let run = Launch::new(&bench.program, options, Vec::new()).run(&Folder::new()?)?;
        let mut there = members(kind, inode);
        there.retain(|pid| before.contains(pid));
        criteria.push(named(&run.out, kind, inode, whose));
        criteria.extend(listed(&run.out, kind, inode, &there, &elsewhere));
        criteria.push(nothing_asked(&run.trace));
        criteria.push(ended_with(&run, "your program ends with 0", 0));
        said.push_str(&run.err);
    }
    Ok(Verdict::Judged { criteria, said })
}

/// Processes that share namespaces with each other and with nobody else.
fn crowd(bench: &mut Bench) -> Result<Target> {
    let folder = Folder::new()?;
    let mut before = bench.unshare(&["--user", "--map-root", "--uts", "--ipc"])?;
    let sleepers = "sleep 60 & ".repeat(bench.chance.number(2..=5) as usize);
    before.extend(words(["sh", "-c", &format!("{sleepers} \"$@\""), "sh"]));
    let here = bench.here(&folder, 0);
    Target::start(before, here, folder)
}

fn named(out: &str, kind: &str, inode: u64, whose: &str) -> Criterion {
    let first = out.lines().next().unwrap_or_default();
    let what = format!("the first line names the {kind} namespace ({whose})");
    criterion(what, inode_in(first, kind) == Some(inode), || {
        format!("expected what `readlink /proc/PID/ns/{kind}` prints, not {first:?}")
    })
}

/// Everybody who was there all the time is listed, and nobody who was elsewhere all the time:
/// whoever came or went meanwhile may be listed or not.
fn listed(out: &str, kind: &str, inode: u64, there: &[i32], elsewhere: &[i32]) -> [Criterion; 2] {
    let lines = out.lines().skip(1).map(|line| line.trim().parse::<i32>());
    let (read, unread): (Vec<_>, Vec<_>) = lines.partition(|line| line.is_ok());
    let listed: BTreeSet<i32> = read.into_iter().flatten().collect();
    let missing = there.iter().filter(|pid| !listed.contains(pid)).count();
    let still = strangers(kind, inode);
    let stays_away = |pid: &&i32| elsewhere.contains(pid) && still.contains(pid);
    let strangers = listed.iter().filter(stays_away).count();
    [
        criterion(
            format!("all {} processes that are in it are listed", there.len()),
            missing == 0,
            || format!("{missing} are not listed"),
        ),
        criterion(
            "nobody else is listed",
            strangers == 0 && unread.is_empty(),
            || match strangers {
                0 => format!("{} lines are no pids", unread.len()),
                _ => format!("{strangers} of those listed are in another {kind} namespace"),
            },
        ),
    ]
}

fn nothing_asked(trace: &Trace) -> Criterion {
    criterion("nothing was changed to find that out", trace.is_empty(), || {
        "the trace has requests in it; reading alone is enough".to_string()
    })
}

/// 2.2: joins the namespaces of a process through a descriptor of it.
pub(crate) fn join(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let name = bench.chance.word("box-");
    let mut kinds = vec!["--user", "--map-root", "--uts"];
    kinds.extend(bench.chance.some_of(&["--ipc", "--net", "--mount", "--cgroup"]));
    let target = {
        let folder = Folder::new()?;
        let mut here = bench.here(&folder, 0);
        here.extend(words(["--hostname", &name]));
        Target::start(bench.unshare(&kinds)?, here, folder)?
    };
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let options = vec![target.seen.pid.to_string()];
    let run = Launch::new(&bench.program, options, bench.here(&folder, code)).run(&folder)?;
    let criteria = vec![
        in_a_child(&run),
        taken_hold_of(&run.trace, target.seen.pid),
        joined_at_once(&run),
        same_namespaces(run.seen.as_ref(), &target.seen),
        same_name(run.seen.as_ref(), &name),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn taken_hold_of(trace: &Trace, pid: i32) -> Criterion {
    let open = |at: usize| trace.at(at).args.first() == Some(&Arg::Pid(pid));
    let what = "a descriptor of process PID is opened";
    criterion(what, trace.done("pidfd_open").any(open), || {
        "no request in the trace has opened one".to_string()
    })
}

/// One `setns`, through the process and not through a file, before the program started.
fn joined_at_once(run: &Run) -> Criterion {
    let trace = &run.trace;
    let joins: Vec<usize> = trace.done("setns").collect();
    let program = trace.became(&run.command);
    let found = match (joins.as_slice(), program) {
        ([], _) => Some("no request in the trace has joined anything".to_string()),
        ([one], _) if trace.at(*one).primitive != "setns_of_process" => {
            Some("it was joined through a file of /proc, not through the process".to_string())
        }
        ([one], Some(program)) if trace.before(*one, program) => None,
        ([_], _) => Some("nothing makes sure that it comes before CMD starts".to_string()),
        (many, _) => Some(format!("{} requests have joined one after the other", many.len())),
    };
    criterion("all namespaces are joined in one request", found.is_none(), || {
        found.clone().unwrap_or_default()
    })
}

pub(crate) fn same_namespaces(seen: Option<&Seen>, target: &Seen) -> Criterion {
    let other = |seen: &Seen| -> Vec<String> {
        let all = target.namespaces.iter();
        all.filter(|(name, inode)| seen.namespaces.get(*name) != Some(*inode))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let others = seen.map(other);
    let what = "CMD is in every namespace that process PID is in";
    criterion(what, others.as_ref().is_some_and(Vec::is_empty), || match &others {
        Some(others) => format!("it is in another one of: {}", others.join(", ")),
        None => NEVER_SEEN.to_string(),
    })
}

fn same_name(seen: Option<&Seen>, name: &str) -> Criterion {
    let hostname = seen.map(|seen| seen.said.hostname.as_str());
    let what = "CMD sees the host name that was set in there";
    criterion(what, hostname == Some(name), || match hostname {
        Some(other) => format!("it sees {other:?}"),
        None => NEVER_SEEN.to_string(),
    })
}

/// 2.3: leaves a namespace behind that a file holds.
pub(crate) fn hold(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    let name = bench.chance.word("kept-");
    let file = folder.file(&bench.chance.word("held-"));
    fs::write(&file, "")?;
    let options = words(["--hostname", &name, &text(&file)]);
    let mut launch = Launch::new(&bench.program, options, Vec::new());
    let stage =
        words([&text(&bench.grade), "stage", &text(folder.path()), "--join", &text(&file), "--"]);
    launch.awaited = stage.iter().cloned().chain(launch.words(&folder)).collect();
    launch.before = bench.unshare(&["--user", "--map-root", "--mount"])?;
    launch.before.extend(stage);
    let mut inside = None;
    let run = launch.run_and(&folder, |seen| {
        let held = held_at(seen, &text(&file));
        inside = held
            .map(|inode| members("uts", inode).into_iter().filter(|pid| *pid != seen.pid).count());
    })?;
    let criteria = vec![
        own_namespace(&run.trace),
        mounted(run.seen.as_ref(), &text(&file)),
        criterion("nobody is in it", inside == Some(0), || match inside {
            Some(count) => format!("processes that are still in it: {count}"),
            None => "nothing is held".to_string(),
        }),
        held_name(run.seen.as_ref(), &name),
        ended_with(&run, "your program ends with 0", 0),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn own_namespace(trace: &Trace) -> Criterion {
    let made = |call: &str| {
        let mut made = trace.done(call).map(|at| trace.at(at).request().to_string());
        made.any(|request| request.contains("CLONE_NEWUTS"))
    };
    let met = made("clone3") || made("unshare");
    criterion("a UTS namespace is made", met, || "no request in the trace has made one".to_string())
}

/// The inode of the UTS namespace that is mounted at this place.
fn held_at(seen: &Seen, place: &str) -> Option<u64> {
    let mut mounts = seen.mounts.iter();
    let mount = mounts.find(|mount| mount.place == place && mount.kind == "nsfs")?;
    inode_in(&mount.root, "uts")
}

fn mounted(seen: Option<&Seen>, place: &str) -> Criterion {
    let held = seen.and_then(|seen| held_at(seen, place));
    let own = namespace(std::process::id() as i32, "uts");
    let what = "a UTS namespace other than the machine's is mounted at FILE";
    criterion(what, held.is_some() && held != own, || match held {
        Some(_) => "it is the one that everybody is in".to_string(),
        None => "when your program has ended, no namespace is mounted there".to_string(),
    })
}

fn held_name(seen: Option<&Seen>, name: &str) -> Criterion {
    let found = seen.map(|seen| seen.said.hostname.as_str());
    let what = "whoever joins it through FILE finds the host name NAME";
    criterion(what, found == Some(name), || {
        "the host name that was found is another one".to_string()
    })
}

#[cfg(test)]
mod tests {
    use trace::{Arg, Outcome};

    use super::{joined_at_once, listed, named, taken_hold_of};
    use crate::judge::Trace;
    use crate::judge::tests::{birth, execve, request, run_of, zero};
    use crate::seen::namespace;

    #[test]
    fn printing_is_held_against_what_is_so() {
        let me = std::process::id() as i32;
        let inode = namespace(me, "uts").unwrap();
        let right = format!("uts:[{inode}]\n{me}\n");
        assert!(named(&right, "uts", inode, "").is_met());
        assert!(!named("uts:[1]\n", "uts", inode, "").is_met());
        assert!(listed(&right, "uts", inode, &[me], &[]).iter().all(|one| one.is_met()));
        let [all, nobody] = listed("uts:[1]\nme\n", "uts", inode, &[me], &[]);
        assert!(!all.is_met() && !nobody.is_met());
        let [_, strangers] = listed(&right, "uts", inode + 1, &[], &[me]);
        assert!(!strangers.is_met());
    }

    #[test]
    fn a_join_that_was_refused_or_done_in_parts_is_not_one() {
        let join =
            |seq, primitive, outcome| request((seq, 11), ("setns", primitive), Vec::new(), outcome);
        let judge = |joins: &[(&'static str, Outcome)]| {
            let mut events = vec![birth(1, 10, 11)];
            for (seq, (primitive, outcome)) in (2..).zip(joins) {
                events.push(join(seq, *primitive, outcome.clone()));
            }
            events.push(execve(9, 11, &["sh"], zero()));
            joined_at_once(&run_of(&events, &["sh"])).is_met()
        };
        assert!(judge(&[("setns_of_process", zero())]));
        assert!(!judge(&[("setns_of_process", Outcome::Errno("EPERM".into()))]));
        assert!(!judge(&[("setns", zero())]));
        assert!(!judge(&[("setns_of_process", zero()), ("setns_of_process", zero())]));
    }

    #[test]
    fn the_descriptor_must_be_of_the_right_process() {
        let names = ("pidfd_open", "pidfd_open");
        let opened = Outcome::Result(Arg::Fd(3));
        let trace = Trace::new(&[request((1, 10), names, vec![Arg::Pid(77)], opened)]);
        assert!(taken_hold_of(&trace, 77).is_met());
        assert!(!taken_hold_of(&trace, 78).is_met());
    }
}
