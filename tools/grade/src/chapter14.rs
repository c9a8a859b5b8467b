//! Chapter 14: what was believed, what was chosen, and where did it land?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::bench::{Bench, Check, text, words};
use crate::chance::Chance;
use crate::judge::{ended_with, nothing_left};
use crate::run::{Folder, Launch, Run};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[promised, choice, inside, same_name];

/// 14.1: a blob is kept if it is what was promised, and never otherwise.
fn promised(bench: &mut Bench) -> Result<Verdict> {
    let right = bench.chance.word("content of a blob-").repeat(40).into_bytes();
    let flipped = {
        let mut bytes = right.clone();
        let at = bench.chance.number(0..=bytes.len() as u32 - 1) as usize;
        bytes[at] ^= 1;
        bytes
    };
    let longer = [&right[..], b"!"].concat();
    let shorter = right[1..].to_vec();
    let mut runs = Vec::new();
    let mut criteria = Vec::new();
    let (run, kept) = offered(bench, &right, &right)?;
    criteria.push(criterion(
        "a blob that is right is kept",
        kept.as_deref() == Some(&right),
        || "FILE is not there, or holds something else".to_string(),
    ));
    criteria.push(ended_with(&run, "your program ends with 0 then", 0));
    runs.push(run);
    for (what, blob) in
        [("with one bit wrong", flipped), ("that is too long", longer), ("too short", shorter)]
    {
        let (run, kept) = offered(bench, &right, &blob)?;
        let made = run.trace.done("creat").count();
        let what = format!("a blob {what} is refused, and FILE is never made");
        criteria.push(criterion(what, kept.is_none() && made == 0 && run.code != Some(0), || {
            format!("files made: {made}; exit code: {:?}", run.code)
        }));
        runs.push(run);
    }
    criteria.extend(runs.last().map(nothing_left));
    Ok(all_of(criteria, &runs))
}

/// Offers a blob where another one was promised; gives what was kept.
fn offered(bench: &Bench, promised: &[u8], blob: &[u8]) -> Result<(Run, Option<Vec<u8>>)> {
    let folder = Folder::new()?;
    fs::write(folder.file("blob"), blob)?;
    let (path, output) = (text(&folder.file("blob")), text(&folder.file("output")));
    let (size, digest) = (promised.len().to_string(), digest(promised));
    let options =
        words(["--blob", &path, "--size", &size, "--digest", &digest, "--output", &output]);
    let run = Launch::new(&bench.program, options, Vec::new()).run(&folder)?;
    let kept = fs::read(folder.file("output")).ok();
    Ok((run, kept))
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The machines that an index may be for.
const MACHINES: [(&str, &str); 6] = [
    ("linux", "amd64"),
    ("linux", "arm64"),
    ("linux", "riscv64"),
    ("windows", "amd64"),
    ("freebsd", "amd64"),
    ("windows", "arm64"),
];

/// 14.2: the manifest for a machine.
fn choice(bench: &mut Bench) -> Result<Verdict> {
    let (os, architecture) = *bench.chance.one_of(&MACHINES);
    let mut manifests = vec![json!({ "digest": digest(b"no platform"), "size": 2 })];
    let mut wanted = String::new();
    for (its_os, its_architecture) in shuffled(&mut bench.chance, &MACHINES) {
        let digest = digest(bench.chance.word("manifest-").as_bytes());
        if (its_os, its_architecture) == (os, architecture) {
            wanted = digest.clone();
        }
        let platform = json!({ "os": its_os, "architecture": its_architecture });
        manifests.push(json!({ "digest": digest, "size": 2, "platform": platform }));
    }
    let platform = format!("{os}/{architecture}");
    let (run, chosen) = chooses(bench, &manifests, &platform)?;
    manifests.retain(|it| it["digest"] != wanted.as_str());
    let (other_run, other) = chooses(bench, &manifests, &platform)?;
    let criteria = vec![
        criterion("FILE holds the digest for this machine", chosen == Some(wanted), || {
            format!("for {platform} it holds {}", chosen.as_deref().unwrap_or("nothing"))
        }),
        ended_with(&run, "your program ends with 0", 0),
        criterion(
            "where there is none, it ends with an error, and makes no file",
            other.is_none() && other_run.code != Some(0),
            || format!("FILE holds {}", other.as_deref().unwrap_or("nothing")),
        ),
        nothing_left(&run),
    ];
    Ok(all_of(criteria, &[run, other_run]))
}

fn chooses(bench: &Bench, manifests: &[Value], platform: &str) -> Result<(Run, Option<String>)> {
    let folder = Folder::new()?;
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    fs::write(folder.file("index"), index.to_string())?;
    let (index, output) = (text(&folder.file("index")), text(&folder.file("output")));
    let options = words(["--index", &index, "--platform", platform, "--output", &output]);
    let run = Launch::new(&bench.program, options, Vec::new()).run(&folder)?;
    let chosen = fs::read_to_string(folder.file("output")).ok();
    Ok((run, chosen))
}

fn shuffled<T: Copy>(chance: &mut Chance, all: &[T]) -> Vec<T> {
    let mut left = all.to_vec();
    let mut taken = Vec::new();
    while !left.is_empty() {
        let last = u32::try_from(left.len() - 1).unwrap_or(0);
        taken.push(left.swap_remove(chance.number(0..=last) as usize));
    }
    taken
}

/// 14.3: what a link leads to lies inside.
fn inside(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    let root = folder.file("root");
    fs::create_dir(&root)?;
    let [way, prey, run_link, below] =
        ["way-", "prey-", "run-", "below-"].map(|prefix| bench.chance.word(prefix));
    fs::write(folder.file(&prey), "alive")?;
    let layer = [
        entry("run", EntryType::Directory, "", "")?,
        entry(&run_link, EntryType::Symlink, "/run", "")?,
        entry(&format!("{run_link}/{below}"), EntryType::Regular, "", "inside")?,
        entry(&way, EntryType::Symlink, "..", "")?,
        entry(&format!("{way}/{prey}.new"), EntryType::Regular, "", "poison")?,
    ];
    fs::write(folder.file("layer"), layer.concat())?;
    let options = words(["--layer", &text(&folder.file("layer")), "--root", &text(&root)]);
    let run = Launch::new(&bench.program, options, Vec::new()).run(&folder)?;
    let poison = format!("{prey}.new");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let outside = folder.file(&poison).exists() || Path::new("/run").join(&below).exists();
    let criteria = vec![
        criterion("nothing is made outside of ROOT", !outside, || {
            "a file of the layer is out here".to_string()
        }),
        criterion(
            "a file behind a link to /run is in ROOT/run",
            read(&root.join("run").join(&below)) == "inside",
            || "it is not there".to_string(),
        ),
        criterion(
            "a file behind a link to .. is in ROOT",
            read(&root.join(&poison)) == "poison",
            || "it is not there".to_string(),
        ),
        criterion(
            "both links are made as they are",
            fs::read_link(root.join(&way)).is_ok_and(|to| to == Path::new(".."))
                && fs::read_link(root.join(&run_link)).is_ok_and(|to| to == Path::new("/run")),
            || "one is missing, or leads elsewhere".to_string(),
        ),
        ended_with(&run, "your program ends with 0", 0),
        nothing_left(&run),
    ];
    Ok(all_of(criteria, &[run]))
}

/// An entry of an archive, without the archive's end.
fn entry(name: &str, kind: EntryType, link: &str, content: &str) -> Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    if !link.is_empty() {
        header.set_link_name(link)?;
    }
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, content.as_bytes())?;
    let mut bytes = builder.into_inner()?;
    bytes.truncate(bytes.len() - 1024);
    Ok(bytes)
}

/// 14.4: the same tree is the same bytes.
fn same_name(bench: &mut Bench) -> Result<Verdict> {
    let mut files = BTreeMap::new();
    for _ in 0..bench.chance.number(6..=12) {
        files.insert(bench.chance.word("file-"), bench.chance.word("content-"));
    }
    let names: Vec<&String> = files.keys().collect();
    let (one, first) = packed(bench, &files, &names)?;
    let order = shuffled(&mut bench.chance, &names);
    let (two, second) = packed(bench, &files, &order)?;
    let found: BTreeMap<String, String> = entries(&first)?;
    let criteria = vec![
        criterion("each file is in the layer, and nothing else is", found == files, || {
            format!("{} of {} files are as they are in TREE", found.len(), files.len())
        }),
        criterion(
            "the same files, made in another order at another time, give the same bytes",
            !first.is_empty() && first == second,
            || format!("{} and {}", digest(&first), digest(&second)),
        ),
        ended_with(&one, "your program ends with 0", 0),
        ended_with(&two, "both times", 0),
        nothing_left(&two),
    ];
    Ok(all_of(criteria, &[one, two]))
}

fn packed(
    bench: &mut Bench,
    files: &BTreeMap<String, String>,
    order: &[&String],
) -> Result<(Run, Vec<u8>)> {
    let folder = Folder::new()?;
    let (tree, layer) = (folder.file("tree"), folder.file("layer"));
    fs::create_dir(&tree)?;
    for name in order {
        fs::write(tree.join(name), &files[*name])?;
        let file = fs::File::open(tree.join(name))?;
        let seconds = u64::from(bench.chance.number(1..=1_000_000_000));
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))?;
    }
    let options = words(["--tree", &text(&tree), "--layer", &text(&layer)]);
    let run = Launch::new(&bench.program, options, Vec::new()).run(&folder)?;
    Ok((run, fs::read(layer).unwrap_or_default()))
}

fn entries(tar: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut content = String::new();
        std::io::Read::read_to_string(&mut entry, &mut content)?;
        found.insert(name, content);
    }
    Ok(found)
}

fn all_of(criteria: Vec<Criterion>, runs: &[Run]) -> Verdict {
    Verdict::Judged { criteria, said: runs.iter().map(|run| run.err.as_str()).collect() }
}
