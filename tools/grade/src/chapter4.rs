//! Chapter 4: which mounts does the process see, and where is its root?

use std::path::Path;

use anyhow::Result;
use trace::Arg;

use crate::bench::{Bench, Check, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{Trace, ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run, succeeds};
use crate::seen::{Mount, Seen};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[by_source, one_way, read_only, leave];

/// 4.1: takes mountinfo apart, whatever the names are.
pub(crate) fn by_source(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = cannot_mount(bench)? {
        return Ok(Verdict::Skipped(why));
    }
    let source = format!("disk {}", bench.chance.word(""));
    let word = bench.chance.word("");
    let wanted =
        ["plain", "two words", "back\\040slash", "line\nfeed", "a - tmpfs b", "tab\tulator"];
    let wanted = wanted.map(|name| (source.clone(), format!("{word} {name}")));
    let others = [
        (format!("{source}s"), "more of it"),
        ("disk".to_string(), "less of it"),
        (source.replace(' ', "\\040"), "looks like it"),
        ("tmpfs".to_string(), &format!("- tmpfs {source} -")),
        (word.clone(), source.as_str()),
    ]
    .map(|(source, name)| (source, name.to_string()));
    let mut script = "mount -t tmpfs place /mnt; ".to_string();
    for (source, name) in wanted.iter().chain(&others) {
        script += &format!("mkdir '/mnt/{name}'; mount -t tmpfs '{source}' '/mnt/{name}'; ");
    }
    let options = words(["--source", &source]);
    let (run, code) = staged(bench, &script, &[], options)?;
    let left = |seen: &Seen, source: &str| {
        seen.mounts.iter().filter(|mount| mount.source == escaped(source)).count()
    };
    let still = run.seen.as_ref().map(|seen| left(seen, &source));
    let gone = run.seen.as_ref().map(|seen| {
        let missing = others.iter().filter(|(source, _)| left(seen, source) == 0);
        missing.map(|(source, _)| format!("{source:?}")).collect::<Vec<_>>().join(", ")
    });
    let all = wanted.len();
    let mut criteria = vec![
        in_a_child(&run),
        criterion(format!("CMD sees no mount of {source:?}"), still == Some(0), || match still {
            Some(still) => format!("of {all} there are {still} left"),
            None => NEVER_SEEN.to_string(),
        }),
        criterion(
            "all other mounts are still there",
            gone.as_deref() == Some(""),
            || match &gone {
                Some(gone) => format!("gone is what came from {gone}"),
                None => NEVER_SEEN.to_string(),
            },
        ),
    ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// A name as the kernel writes it in mountinfo.
fn escaped(name: &str) -> String {
    let escape = |c: char| match c {
        ' ' | '\t' | '\n' | '\\' | '#' => format!("\\{:03o}", u32::from(c)),
        c => c.to_string(),
    };
    name.chars().map(escape).collect()
}

/// 4.2: has mounts come in, and none go out.
pub(crate) fn one_way(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = cannot_mount(bench)? {
        return Ok(Verdict::Skipped(why));
    }
    let (run, code) = staged(bench, "", &["--propagation", "shared"], Vec::new())?;
    let mut criteria = vec![
        in_a_child(&run),
        each_mount(&run, "each mount of CMD has a master outside", |mount| {
            mount.ties.iter().any(|tie| tie.starts_with("master:"))
        }),
        each_mount(&run, "no mount of CMD has peers", |mount| {
            !mount.ties.iter().any(|tie| tie.starts_with("shared:"))
        }),
    ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

fn each_mount(run: &Run, what: &str, holds: fn(&Mount) -> bool) -> Criterion {
    let mounts = run.seen.as_ref().map(|seen| seen.mounts.as_slice()).unwrap_or_default();
    let not = mounts.iter().find(|mount| !holds(mount));
    criterion(what, !mounts.is_empty() && not.is_none(), || match not {
        Some(Mount { place, ties, .. }) if ties.is_empty() => format!("{place} has no ties at all"),
        Some(Mount { place, ties, .. }) => format!("{place} has {}", ties.join(" ")),
        None => NEVER_SEEN.to_string(),
    })
}

/// 4.3: shows a directory at a second place, read-only.
pub(crate) fn read_only(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = cannot_mount(bench)? {
        return Ok(Verdict::Skipped(why));
    }
    let (from, to) = (bench.chance.word("from-"), bench.chance.word("to-"));
    let script = format!("mount -t tmpfs place /mnt; mkdir /mnt/{from} /mnt/{to}; ");
    let paths = [format!("/mnt/{from}"), format!("/mnt/{to}")];
    let options = words(["--from", &paths[0], "--to", &paths[1]]);
    let (run, code) = staged(bench, &script, &[], options)?;
    let mounts = run.seen.as_ref().map(|seen| seen.mounts.as_slice()).unwrap_or_default();
    let at = |place: &str| mounts.iter().rev().find(|mount| mount.place == place);
    let (base, copy) = (at("/mnt"), at(&paths[1]));
    let is_read_only = |mount: Option<&Mount>| mount.map(|m| m.options.iter().any(|o| o == "ro"));
    let root = copy.map(|mount| mount.root.as_str());
    let mut criteria = vec![
        in_a_child(&run),
        criterion("CMD sees FROM at TO", root == Some(&format!("/{from}")), || match root {
            Some(root) => format!("{root} of the file system is mounted there"),
            None => "nothing is mounted there".to_string(),
        }),
        criterion("it is read-only there", is_read_only(copy) == Some(true), || {
            copy.map_or("nothing is mounted there".to_string(), |mount| {
                format!("its options are {}", mount.options.join(","))
            })
        }),
        criterion("one can write at FROM", is_read_only(base) == Some(false), || {
            "the mount that holds FROM is read-only, or gone".to_string()
        }),
    ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// 4.4: leaves a chroot by an open directory.
pub(crate) fn leave(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = cannot_mount(bench)? {
        return Ok(Verdict::Skipped(why));
    }
    let jail = format!("/mnt/{}", bench.chance.word("jail-"));
    let script = format!("mount -t tmpfs place /mnt; mkdir {jail}; ");
    let (run, code) = staged(bench, &script, &[], words(["--jail", &jail]))?;
    let root = run.seen.as_ref().and_then(|seen| seen.root.clone());
    let mut criteria =
        vec![
            in_a_child(&run),
            locked_in_first(&run.trace, &jail),
            criterion("the root of CMD is that of the outside", root == Some("/".into()), || {
                match &root {
                    Some(root) => format!("it is {}", root.display()),
                    None => NEVER_SEEN.to_string(),
                }
            }),
        ];
    criteria.extend(well_ended(&run, code));
    Ok(judged(criteria, &run))
}

/// The jail was closed, and only then left through a descriptor.
fn locked_in_first(trace: &Trace, jail: &str) -> Criterion {
    let path = Arg::Path(jail.to_string());
    let locked = trace.done("chroot").find(|at| trace.at(*at).args.first() == Some(&path));
    let left = trace.done("fchdir").last();
    let met = matches!((locked, left), (Some(locked), Some(left)) if trace.before(locked, left));
    criterion("it was locked into DIR, and left by a descriptor", met, || match (locked, left) {
        (None, _) => "no chroot to DIR succeeded in the trace".to_string(),
        (_, None) => "no fchdir succeeded in the trace".to_string(),
        _ => "the fchdir came first".to_string(),
    })
}

/// Runs the learner's program as root of a user namespace and a mount namespace, after `script`.
fn staged(
    bench: &mut Bench,
    script: &str,
    flags: &[&str],
    options: Vec<String>,
) -> Result<(Run, u8)> {
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let mut launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let mut kinds = vec!["--user", "--map-root", "--mount"];
    kinds.extend(flags);
    launch.before = bench.unshare(&kinds)?;
    launch.before.extend(words(["sh", "-ec", &format!("{script} exec \"$@\""), "sh"]));
    Ok((launch.run(&folder)?, code))
}

/// Why no prepared view of files can be had on this machine; none when it can.
fn cannot_mount(bench: &Bench) -> Result<Option<String>> {
    if !Path::new("/mnt").is_dir() || !succeeds(&words(["mount", "--version"])) {
        return Ok(Some("this machine has no mount(8), or no directory /mnt".to_string()));
    }
    bench.no_user_namespaces()
}

fn well_ended(run: &Run, code: u8) -> [Criterion; 3] {
    [
        status_taken(run, code),
        ended_with(run, "your program ends with the exit code of CMD", code),
        nothing_left(run),
    ]
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_are_escaped_as_the_kernel_does() {
        assert_eq!(escaped("a b\nc\\040"), "a\\040b\\012c\\134040");
    }
}
