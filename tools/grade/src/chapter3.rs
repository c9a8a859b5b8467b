//! Chapter 3: who is the process, in there and out here?

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use primitives::own_ids;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{Trace, ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run};
use crate::seen::Seen;
use crate::subids::{User, user_with_range};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[one_user, one_group, range, nest];

/// 3.1: maps one user, and in time.
pub(crate) fn one_user(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let inside = bench.chance.number(1..=60_000);
    let (run, code) = run(bench, "--inside", inside)?;
    let (uid, _) = own_ids();
    let knew = run.seen.as_ref().map(|seen| seen.said.uid);
    let mut criteria =
        vec![
            in_a_child(&run),
            at_depth(run.seen.as_ref(), 1),
            mapped(run.seen.as_ref(), Map::Users, &[[inside, uid, 1]]),
            criterion(format!("CMD finds that it is user {inside}"), knew == Some(inside), || {
                match knew {
                    Some(other) => format!("it finds that it is user {other}"),
                    None => NEVER_SEEN.to_string(),
                }
            }),
            written_in_time(&run, "uid_map"),
        ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// 3.2: gives up changing groups, and then maps one.
pub(crate) fn one_group(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let inside = bench.chance.number(1..=60_000);
    let (run, code) = run(bench, "--group", inside)?;
    let (uid, gid) = own_ids();
    let mut criteria = vec![
        in_a_child(&run),
        at_depth(run.seen.as_ref(), 1),
        mapped(run.seen.as_ref(), Map::Users, &[[0, uid, 1]]),
        mapped(run.seen.as_ref(), Map::Groups, &[[inside, gid, 1]]),
        given_up(run.seen.as_ref()),
        given_up_first(&run.trace),
        written_in_time(&run, "gid_map"),
    ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// Runs the program with one option that has a number.
fn run(bench: &mut Bench, option: &str, number: u32) -> Result<(Run, u8)> {
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let options = vec![option.to_string(), number.to_string()];
    let run = Launch::new(&bench.program, options, bench.here(&folder, code)).run(&folder)?;
    Ok((run, code))
}

fn well_ended(run: &Run, code: u8) -> [Criterion; 3] {
    [
        status_taken(run, code),
        ended_with(run, "your program ends with the exit code of CMD", code),
        nothing_left(run),
    ]
}

fn at_depth(seen: Option<&Seen>, depth: usize) -> Criterion {
    let what = match depth {
        1 => "CMD is in a new user namespace".to_string(),
        depth => format!("CMD is {depth} user namespaces further in"),
    };
    let found = seen.and_then(|seen| seen.depth);
    criterion(what, found == Some(depth), || match found {
        Some(0) => "it is in the user namespace that your program was started in".to_string(),
        Some(found) => format!("it is {found} further in"),
        None => NEVER_SEEN.to_string(),
    })
}

#[derive(Clone, Copy)]
enum Map {
    Users,
    Groups,
}

/// The kernel shows this map of the program, seen from out here.
fn mapped(seen: Option<&Seen>, which: Map, wanted: &[[u32; 3]]) -> Criterion {
    let (file, found) = match which {
        Map::Users => ("uid_map", seen.map(|seen| &seen.uid_map)),
        Map::Groups => ("gid_map", seen.map(|seen| &seen.gid_map)),
    };
    let what = format!("{file} of CMD is \"{}\"", lines(wanted));
    criterion(what, found.is_some_and(|found| found == wanted), || match found {
        Some(found) if found.is_empty() => "it is empty: nobody is anybody in there".to_string(),
        Some(found) => format!("it is \"{}\"", lines(found)),
        None => NEVER_SEEN.to_string(),
    })
}

fn lines(map: &[[u32; 3]]) -> String {
    let lines: Vec<String> =
        map.iter().map(|[inside, outside, count]| format!("{inside} {outside} {count}")).collect();
    lines.join(", ")
}

/// Whatever the machine does meanwhile, the program starts when the file is written.
fn written_in_time(run: &Run, file: &str) -> Criterion {
    let trace = &run.trace;
    let (written, program) = (trace.writes(file).last(), trace.became(&run.command));
    let met = matches!((written, program), (Some(w), Some(p)) if trace.before(w, p));
    let what = format!("CMD cannot start before {file} is written");
    criterion(what, met, || match (written, program) {
        (None, _) => format!("no write to {file} succeeded in the trace"),
        (_, None) => "CMD never ran".to_string(),
        _ => "nothing in the trace makes one process wait for the other".to_string(),
    })
}

fn given_up(seen: Option<&Seen>) -> Criterion {
    let found = seen.map(|seen| seen.setgroups.as_str());
    let what = "/proc/PID/setgroups of CMD says that changing groups is given up";
    criterion(what, found == Some("deny"), || match found {
        Some(found) => format!("it says {found:?}"),
        None => NEVER_SEEN.to_string(),
    })
}

fn given_up_first(trace: &Trace) -> Criterion {
    let (denied, mapped) = (trace.writes("setgroups").next(), trace.writes("gid_map").next());
    let met = matches!((denied, mapped), (Some(d), Some(m)) if trace.before(d, m));
    let what = "changing groups is given up before the group is mapped";
    criterion(what, met, || match (denied, mapped) {
        (_, None) => "the trace has no group map that the kernel accepted".to_string(),
        (None, _) => "the trace has no request that gives it up".to_string(),
        _ => "the group was mapped first".to_string(),
    })
}

/// 3.3: has a range mapped by the programs that may.
pub(crate) fn range(bench: &mut Bench) -> Result<Verdict> {
    let user = match user_with_range(bench)? {
        Ok(user) => user,
        Err(why) => return Ok(Verdict::Skipped(why)),
    };
    let folder = Folder::new()?;
    let count = bench.chance.number(2..=user.count.min(5_000));
    let code = bench.chance.exit_code();
    let options = words(["--count", &count.to_string()]);
    let launch = match user.made_up {
        false => Launch::new(&bench.program, options, bench.here(&folder, code)),
        true => as_somebody_else(bench, &user, options, code, &folder)?,
    };
    let run = launch.run(&folder)?;
    let map = |own, first| [[0, own, 1], [1, first, count]];
    let mut criteria = vec![
        in_a_child(&run),
        helped(&run, "newuidmap"),
        helped(&run, "newgidmap"),
        mapped(run.seen.as_ref(), Map::Users, &map(user.uid, user.first_user)),
        mapped(run.seen.as_ref(), Map::Groups, &map(user.gid, user.first_group)),
    ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// A run as another user, who finds the range in /etc/subuid. The programs are copied to where that
/// user may execute them: a checkout often lies in a home directory that is closed to others.
fn as_somebody_else(
    bench: &Bench,
    user: &User,
    options: Vec<String>,
    code: u8,
    folder: &Folder,
) -> Result<Launch> {
    let copied = |program: &Path, name: &str| -> Result<PathBuf> {
        let copy = folder.file(name);
        fs::copy(program, &copy).context("the program cannot be copied")?;
        Ok(copy)
    };
    let program = copied(&bench.program, "program")?;
    let mut here = bench.here(folder, code);
    here[0] = text(&copied(&bench.grade, "grade")?);
    let subids = folder.file("subids");
    fs::write(&subids, format!("{}:{}:{}\n", user.uid, user.first_user, user.count))?;
    folder.give_to(user.uid, user.gid)?;
    let mut launch = Launch::new(&program, options, here);
    launch.before = bench.unshare(&["--mount"])?;
    launch.before.extend(words([
        &text(&bench.grade),
        "stage",
        &text(folder.path()),
        "--subids",
        &text(&subids),
        "--user",
        &user.uid.to_string(),
        "--group",
        &user.gid.to_string(),
        "--",
    ]));
    Ok(launch)
}

/// One of the two helpers was run and agreed, before the program started.
fn helped(run: &Run, helper: &str) -> Criterion {
    let trace = &run.trace;
    let ran = trace.done("execve").find(|at| {
        let path = trace.at(*at).args.first();
        path.is_some_and(|path| path.to_string().trim_matches('"').ends_with(&format!("/{helper}")))
    });
    let agreed = ran.is_some_and(|at| trace.taken().contains(&(trace.at(at).host_pid, 0)));
    let program = trace.became(&run.command);
    let in_time = matches!((ran, program), (Some(r), Some(p)) if trace.before(r, p));
    let what = format!("{helper} has run and agreed before CMD starts");
    criterion(what, agreed && in_time, || match (ran, agreed) {
        (None, _) => format!("the trace has no execve of {helper}"),
        (_, false) => format!("{helper} did not end with 0; what it says stands below"),
        _ => "nothing in the trace makes CMD wait for it".to_string(),
    })
}

/// 3.4: makes a namespace in a namespace in a namespace.
pub(crate) fn nest(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let depth = bench.chance.number(3..=7);
    let (run, code) = run(bench, "--depth", depth)?;
    let (uid, gid) = own_ids();
    let mut criteria = vec![
        in_a_child(&run),
        at_depth(run.seen.as_ref(), depth as usize),
        mapped(run.seen.as_ref(), Map::Users, &[[0, uid, 1]]),
        mapped(run.seen.as_ref(), Map::Groups, &[[0, gid, 1]]),
        a_map_for_each(&run.trace, depth as usize),
        written_in_time(&run, "uid_map"),
    ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

fn a_map_for_each(trace: &Trace, depth: usize) -> Criterion {
    let (users, groups) = (trace.writes("uid_map").count(), trace.writes("gid_map").count());
    let what = format!("each of the {depth} levels has a map of users and one of groups");
    criterion(what, users == depth && groups == depth, || {
        format!("the trace has {users} maps of users and {groups} of groups")
    })
}

#[cfg(test)]
mod tests {
    use trace::{Arg, Outcome};

    use super::{Map, given_up_first, helped, mapped};
    use crate::judge::Trace;
    use crate::judge::tests::{birth, ended, execve, run_of, write, zero};
    use crate::seen::Seen;

    #[test]
    fn giving_up_counts_when_the_kernel_took_it_and_before_the_map() {
        let deny = |seq, outcome| write(seq, 10, 11, "setgroups", outcome);
        let map = |seq| write(seq, 10, 11, "gid_map", zero());
        let judge = |events: &[trace::Event]| given_up_first(&Trace::new(events)).is_met();
        assert!(judge(&[birth(1, 10, 11), deny(2, zero()), map(3)]));
        assert!(!judge(&[birth(1, 10, 11), map(2), deny(3, zero())]));
        let refused = Outcome::Errno("EPERM".into());
        assert!(!judge(&[birth(1, 10, 11), deny(2, refused), map(3)]));
        assert!(!judge(&[birth(1, 10, 11), deny(2, zero())]));
    }

    #[test]
    fn a_map_is_what_the_kernel_shows() {
        let seen = Seen { uid_map: vec![[5, 1000, 1]], ..Seen::default() };
        assert!(mapped(Some(&seen), Map::Users, &[[5, 1000, 1]]).is_met());
        assert!(!mapped(Some(&seen), Map::Users, &[[0, 1000, 1]]).is_met());
        assert!(!mapped(Some(&seen), Map::Groups, &[[5, 1000, 1]]).is_met());
        assert!(!mapped(None, Map::Users, &[]).is_met());
    }

    #[test]
    fn a_helper_that_refused_has_not_helped() {
        let events = |code| {
            [
                birth(1, 10, 11),
                birth(2, 10, 12),
                execve(3, 12, &["/usr/bin/newuidmap"], zero()),
                ended(4, 10, 12, ("exited", Arg::Number(code))),
                birth(5, 10, 13),
                execve(6, 13, &["sh"], zero()),
            ]
        };
        assert!(helped(&run_of(&events(0), &["sh"]), "newuidmap").is_met());
        assert!(!helped(&run_of(&events(1), &["sh"]), "newuidmap").is_met());
        assert!(!helped(&run_of(&events(0), &["sh"]), "newgidmap").is_met());
    }
}
