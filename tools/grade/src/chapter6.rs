//! Chapter 6: what lies in a layer, and who sees it?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use primitives::{mkfifo, mknod_character};

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run};
use crate::seen::Seen;
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[whiteouts, share, pack];

/// Why no whiteout can be made here; none when it can. Linux 5.8 lets everybody make them.
fn no_whiteouts(folder: &Folder) -> Option<String> {
    let made = mknod_character(&folder.file("attempt"), 0, (0, 0), "see whether it can be made");
    made.err().map(|_| "nobody but root can make whiteouts here (Linux 5.8)".to_string())
}

/// An upper directory with things of all kinds, and which names it says are deleted.
fn upper(bench: &mut Bench, folder: &Folder) -> Result<Vec<String>> {
    let upper = folder.file("upper");
    fs::create_dir(&upper)?;
    let mut gone = Vec::new();
    for _ in 0..bench.chance.number(2..=4) {
        let name = bench.chance.word("gone-");
        mknod_character(&upper.join(&name), 0, (0, 0), "say that it is deleted")?;
        gone.push(name);
    }
    gone.sort();
    gone.dedup();
    Ok(gone)
}

/// 6.1: deletes what is said to be deleted, and nothing else.
pub(crate) fn whiteouts(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    if let Some(why) = no_whiteouts(&folder) {
        return Ok(Verdict::Skipped(why));
    }
    let gone = upper(bench, &folder)?;
    let kept = [bench.chance.word("empty-"), bench.chance.word("pipe-"), bench.chance.word(".wh.")];
    fs::write(folder.file("upper").join(&kept[0]), "")?;
    mkfifo(&folder.file("upper").join(&kept[1]), 0o600, "have something that is no file")?;
    fs::write(folder.file("upper").join(&kept[2]), "")?;
    let (from, below) = (folder.file("from"), bench.chance.word("below-"));
    fs::create_dir(&from)?;
    for name in gone.iter().chain(&kept).chain([&below]) {
        fs::write(from.join(name), name)?;
    }
    let options = words(["--upper", &text(&folder.file("upper")), "--from", &text(&from)]);
    let run = Launch::new(&bench.program, options, Vec::new()).run(&folder)?;
    let left = names(&from)?;
    let criteria = vec![
        none_of(&left, &gone, "what UPPER says is deleted is gone from DIR"),
        all_of(&left, kept.iter().chain([&below]), "everything else is still in DIR"),
        criterion(
            "nothing is removed from UPPER",
            names(&folder.file("upper"))?.len() == gone.len() + kept.len(),
            || "something is missing there".to_string(),
        ),
        criterion(
            "the trace shows one removal for each of them",
            run.trace.done("unlink").count() == gone.len(),
            || format!("it shows {} of them", run.trace.done("unlink").count()),
        ),
        ended_with(&run, "your program ends with 0", 0),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let listed = fs::read_dir(directory)?.collect::<std::io::Result<Vec<_>>>()?;
    Ok(listed.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn none_of(left: &[String], gone: &[String], what: &str) -> Criterion {
    let still: Vec<&String> = gone.iter().filter(|name| left.contains(name)).collect();
    criterion(what, still.is_empty(), || format!("still there: {}", still[0]))
}

fn all_of<'a>(left: &[String], kept: impl Iterator<Item = &'a String>, what: &str) -> Criterion {
    let missing: Vec<&String> = kept.filter(|name| !left.contains(name)).collect();
    criterion(what, missing.is_empty(), || format!("missing: {}", missing[0]))
}

/// What was found in two stacks while the program inside waited.
#[derive(Default)]
struct Stacks {
    both_see_the_layer: bool,
    other_reads: String,
    layer_reads: String,
    written_above: String,
}

/// 6.2: two stacks on one layer.
pub(crate) fn share(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    for name in ["lower", "one", "two"] {
        fs::create_dir(folder.file(name))?;
    }
    for stack in ["one", "two"] {
        for part in ["upper", "work", "merged"] {
            fs::create_dir(folder.file(stack).join(part))?;
        }
    }
    let (name, below) = (bench.chance.word("file-"), bench.chance.word("below-"));
    fs::write(folder.file("lower").join(&name), &below)?;
    let [lower, one, two] = ["lower", "one", "two"].map(|name| text(&folder.file(name)));
    let options = words(["--lower", &lower, "--one", &one, "--two", &two]);
    let code = bench.chance.exit_code();
    let launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let mut found = None;
    let run =
        launch.run_and(&folder, |seen| found = try_stacks(seen, &folder, &name, &below).ok())?;
    Ok(judged(share_criteria(&run, code, found, &below, &folder), &run))
}

/// Writes through one stack and reads through the other, by the child's own view of files.
fn try_stacks(seen: &Seen, folder: &Folder, name: &str, below: &str) -> Result<Stacks> {
    let inside = |stack: &str| {
        let merged = text(&folder.file(stack).join("merged"));
        format!("/proc/{}/root{merged}/{name}", seen.pid)
    };
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let both_see_the_layer = ["one", "two"].iter().all(|stack| read(&inside(stack)) == below);
    fs::write(inside("one"), "changed").context("nothing can be written through ONE")?;
    Ok(Stacks {
        both_see_the_layer,
        other_reads: read(&inside("two")),
        layer_reads: read(&text(&folder.file("lower").join(name))),
        written_above: read(&text(&folder.file("one").join("upper").join(name))),
    })
}

fn share_criteria(
    run: &Run,
    code: u8,
    found: Option<Stacks>,
    below: &str,
    folder: &Folder,
) -> Vec<Criterion> {
    let count = run.seen.as_ref().map(|seen| {
        seen.mounts.iter().filter(|mount| mount.kind == "overlay").filter(|mount| {
            let merged = |stack: &str| text(&folder.file(stack).join("merged"));
            mount.place == merged("one") || mount.place == merged("two")
        })
    });
    let count = count.map(Iterator::count);
    let hidden = fs::read_to_string("/proc/self/mountinfo")
        .is_ok_and(|mounts| !mounts.contains(&text(folder.path())));
    let found = found.unwrap_or_default();
    vec![
        in_a_child(run),
        criterion("two stacks are mounted where CMD is", count == Some(2), || match count {
            Some(count) => format!("of file system overlay, at these places: {count}"),
            None => NEVER_SEEN.to_string(),
        }),
        criterion("nobody outside sees them", hidden, || "they are mounted out here".to_string()),
        criterion("through both, the file of LOWER is read", found.both_see_the_layer, || {
            "it is not".to_string()
        }),
        criterion(
            "what is written through ONE lies in its upper",
            found.written_above == "changed",
            || format!("there lies {:?}", found.written_above),
        ),
        criterion("through TWO, nothing of it is seen", found.other_reads == below, || {
            format!("{:?} is read", found.other_reads)
        }),
        criterion("nothing is written into LOWER", found.layer_reads == below, || {
            format!("it has {:?}", found.layer_reads)
        }),
        status_taken(run, code),
        ended_with(run, "your program ends with the exit code of CMD", code),
        nothing_left(run),
    ]
}

/// 6.3: packs files and whiteouts.
pub(crate) fn pack(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    if let Some(why) = no_whiteouts(&folder) {
        return Ok(Verdict::Skipped(why));
    }
    let gone = upper(bench, &folder)?;
    let mut wanted: BTreeMap<String, String> =
        gone.iter().map(|name| (format!(".wh.{name}"), String::new())).collect();
    for _ in 0..bench.chance.number(2..=4) {
        let (name, content) = (bench.chance.word("file-"), bench.chance.word("content-"));
        fs::write(folder.file("upper").join(&name), &content)?;
        wanted.insert(name, content);
    }
    let layer = folder.file("layer.tar");
    let options = words(["--upper", &text(&folder.file("upper")), "--layer", &text(&layer)]);
    let run = Launch::new(&bench.program, options, Vec::new()).run(&folder)?;
    let found = entries(&fs::read(&layer).unwrap_or_default());
    let content = |name: &str| found.iter().find(|entry| entry.name == name);
    let absent = |(name, _): &(&String, &String)| content(name).is_none();
    let missing = wanted.iter().find(absent).map(|(name, _)| name);
    let other = wanted.iter().find(|(name, wanted)| {
        content(name).is_some_and(|entry| entry.kind != b'0' || entry.content != **wanted)
    });
    let strange = found.iter().find(|entry| !wanted.contains_key(&entry.name));
    let criteria = vec![
        criterion("each file and each deletion is in FILE", missing.is_none(), || {
            format!("missing: {}", missing.map_or("", String::as_str))
        }),
        criterion("nothing else is", strange.is_none(), || {
            format!("there is {:?}", strange.map_or("", |entry| &entry.name))
        }),
        criterion("each is a plain file with its content", other.is_none(), || {
            format!("other: {}", other.map_or("", |(name, _)| name))
        }),
        criterion("the entries are sorted", found.is_sorted_by_key(|entry| &entry.name), || {
            "they are in another order".to_string()
        }),
        ended_with(&run, "your program ends with 0", 0),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

/// An entry of a tar with short names.
struct Entry {
    name: String,
    kind: u8,
    content: String,
}

/// The entries of a tar: blocks of 512 bytes, the name first, the size in octal at 124, the kind at 156.
fn entries(mut bytes: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    while let Some(header) = bytes.get(..512).filter(|header| header[0] != 0) {
        let field = |range: std::ops::Range<usize>| {
            let text = String::from_utf8_lossy(&header[range]).into_owned();
            text.trim_matches(['\0', ' ']).to_string()
        };
        let size = usize::from_str_radix(&field(124..136), 8).unwrap_or(0);
        let content = bytes.get(512..512 + size).unwrap_or_default();
        found.push(Entry {
            name: field(0..100),
            kind: if header[156] == 0 { b'0' } else { header[156] },
            content: String::from_utf8_lossy(content).into_owned(),
        });
        bytes = bytes.get(512 + size.div_ceil(512) * 512..).unwrap_or_default();
    }
    found
}
