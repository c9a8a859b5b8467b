//! Is the trace of the store's commands exactly what the kernel saw?
//!
//! Both are put into the same short words, in their order: every record has its system calls, and there
//! is no system call that changes files and has no record.

use std::fs;

use trace::{Arg, Event, Record};

use crate::bench::{Bench, has};
use crate::keeping::loaded;
use crate::samples::three;

const WATCHED: &str = "mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,\
    symlink,symlinkat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,mknod,mknodat,truncate,\
    ftruncate,fallocate,flock,fcntl,fsync,fdatasync,sync,syncfs,write,pwrite64,writev,openat,open,\
    creat,openat2,utimensat,setxattr,fsetxattr,copy_file_range,sendfile";

/// Of the window's own descriptors the first; standard output and error are not files of ours.
const WINDOWS: u32 = 900;

#[test]
fn the_trace_is_what_the_kernel_saw() {
    if !has("strace") {
        return;
    }
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    is_true(&bench, &["load", "layout"]);
    bench.does(&["save", "-o", "three.tar", "host.example/both:1", "host.example/two:1"]);
    bench.does(&["save", "--format", "docker", "-o", "docker.tar", "host.example/one:1"]);
    let other = Bench::new();
    for archive in ["three.tar", "docker.tar"] {
        is_true(&other, &["load", bench.path(archive).to_str().unwrap()]);
    }
    is_true(&bench, &["tag", "host.example/one:1", "other"]);
    is_true(&bench, &["save", "-o", "again.tar", "other"]);
    is_true(&bench, &["save", "-o", "again.tar", "other"]);
    is_true(&bench, &["save", "--format", "folder", "-o", "again", "other"]);
    is_true(&bench, &["rm", "host.example/two:1"]);
    let garbage = bench.root().join("layers/sha256").join("0".repeat(64));
    fs::create_dir_all(garbage.join("a/b")).unwrap();
    fs::write(garbage.join("a/b/file"), "garbage").unwrap();
    is_true(&bench, &["gc"]);
    fs::write(bench.root().join("blobs/sha256/stranger"), "").unwrap();
    is_true(&bench, &["fsck", "--repair"]);
    is_true(&bench, &["ls"]);
}

/// An interrupted blob is gone on with, and one that is too long is cut off.
#[test]
fn so_is_that_of_a_blob_that_is_gone_on_with() {
    if !has("strace") {
        return;
    }
    let bench = loaded();
    let blobs = bench.root().join("blobs/sha256");
    for (name, more) in fs::read_dir(&blobs).unwrap().flatten().zip([0_usize, 1, 2]) {
        let bytes = fs::read(name.path()).unwrap();
        let begun = [&bytes[..bytes.len() / 2], &vec![0; bytes.len() * more]].concat();
        let file = format!("sha256-{}", name.file_name().to_string_lossy());
        fs::write(bench.root().join("ingest").join(file), begun).unwrap();
        fs::remove_file(name.path()).unwrap();
    }
    is_true(&bench, &["load", "layout"]);
    bench.is_well();
}

fn is_true(bench: &Bench, words: &[&str]) {
    let (trace, strace) = (bench.path("trace"), bench.path("strace"));
    let root = bench.root();
    let own = [env!("CARGO_BIN_EXE_image"), "--root", root.to_str().unwrap()];
    let window = ["--trace", "json", "--trace-file", trace.to_str().unwrap()];
    let filter = format!("trace={WATCHED}");
    let flags = ["-q", "-s", "4096", "-e", "signal=none", "-e", &filter];
    let flags = [&flags[..], &["-o", strace.to_str().unwrap(), "--"]].concat();
    bench.tool("strace", &[&flags[..], &own, words, &window].concat());
    let events = trace::json::parse_all(&fs::read_to_string(&trace).unwrap()).unwrap();
    let records = events.iter().filter_map(|event| match event {
        Event::Request(record) => Some(record),
        _ => None,
    });
    let told: Vec<String> = records.flat_map(told).collect();
    let log = fs::read_to_string(&strace).unwrap();
    let own = format!("{:?}", trace.display().to_string());
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains(&own)).collect();
    let seen = seen(&lines);
    for (at, (told, seen)) in told.iter().zip(&seen).enumerate() {
        assert_eq!(
            told, seen,
            "{words:?}: request {at} was told of as the first, and is the second"
        );
    }
    assert!(told.len() >= 3, "{words:?} asks for next to nothing: {told:?}");
    let (told, more) = (told.len(), seen.iter().skip(told.len()).take(3).collect::<Vec<_>>());
    assert_eq!(told, seen.len(), "{words:?}: nobody tells of {more:?}");
}

/// What a record says that the kernel has seen.
fn told(record: &Record) -> Vec<String> {
    let arg = |at: usize| record.args[at].to_string();
    match (record.call.as_ref(), record.primitive.as_ref()) {
        ("creat", _) => {
            let size = match &record.args[1] {
                Arg::Data(size) | Arg::Cut { bytes: size, .. } => *size,
                Arg::Text(text) => text.len(),
                other => panic!("{other} is no content"),
            };
            vec![format!("open {}", arg(0)), format!("write {size}"), "fsync".to_string()]
        }
        ("write", _) => {
            let Arg::Data(size) = &record.args[1] else { panic!("{record:?}") };
            vec![format!("write {size}")]
        }
        ("open", _) => vec![format!("open {}", arg(0))],
        ("fsync", _) => vec!["fsync".to_string()],
        ("flock", _) => vec![format!("flock {} {}", bare(&arg(0)), arg(1))],
        ("ftruncate", _) => vec![format!("ftruncate {}", arg(1))],
        ("unlinkat", "remove_tree") => vec![format!("remove {}", arg(1))],
        ("linkat", _) => vec![format!("linkat {}", arg(3))],
        ("rename", _) => vec![format!("rename {} {}", arg(0), arg(1))],
        (call, _) => vec![format!("{call} {}", arg(0))],
    }
}

/// A descriptor as strace has it.
fn bare(fd: &str) -> &str {
    fd.strip_prefix("fd ").unwrap_or(fd)
}

fn seen(lines: &[&str]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for line in lines.iter().filter(|line| line.contains('(')) {
        let (name, rest) = line.split_once('(').unwrap();
        let (args, result) = rest.rsplit_once(" = ").unwrap();
        let args = args.trim_end().strip_suffix(')').unwrap();
        let parts: Vec<&str> = args.split(", ").collect();
        let word = match name {
            "openat" | "openat2" if !["WRONLY", "RDWR"].iter().any(|way| args.contains(way)) => {
                continue;
            }
            "fcntl" if !args.contains("SETLK") => continue,
            "openat" => format!("open {}", parts[1]),
            "write" => {
                let number: u32 = parts[0].parse().unwrap();
                // Its own output, and the trace.
                match number <= 2 || number >= WINDOWS {
                    true => continue,
                    false => format!("write {result}"),
                }
            }
            "fsync" => "fsync".to_string(),
            "flock" => format!("flock {} {}", parts[0], parts[1]),
            "ftruncate" => format!("ftruncate {}", parts[1]),
            "linkat" => format!("linkat {}", parts[3]),
            "rename" => format!("rename {} {}", parts[0], parts[1]),
            // Of a tree that goes the last one is the one that is told of.
            "unlinkat" => {
                if seen.last().is_some_and(|last| last.starts_with("remove ")) {
                    seen.pop();
                }
                format!("remove {}", parts[1])
            }
            name => format!("{name} {}", parts[0]),
        };
        seen.push(word);
    }
    seen
}
