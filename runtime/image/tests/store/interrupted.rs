//! What is left when a command is killed, or refused, at each of its requests in turn?
//!
//! A store that `fsck` finds well, in which the same command then succeeds; and after a garbage
//! collection nothing of the interrupted one.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use trace::Event;

use crate::bench::{Bench, content, is_root, said};
use crate::keeping::loaded;
use crate::samples::{archive, three};

/// What happens in place of a request.
#[derive(Clone, Copy, Debug)]
enum Instead {
    Killed,
    Refused(&'static str),
}

/// The commands, and a store as it is before them.
fn sweep(before: &Bench, words: &[&str]) {
    let undisturbed = Bench::copy_of(before);
    let trace = undisturbed.path("trace");
    let window = ["--trace", "json", "--trace-file", trace.to_str().unwrap()];
    undisturbed.does(&[words, &window].concat());
    let calls = calls(&trace);
    fs::remove_file(&trace).unwrap();
    assert!(calls.len() >= 3, "{words:?} makes only {} requests", calls.len());
    let expected = settled(&undisturbed);
    for (at, call) in calls.iter().enumerate() {
        for instead in [Instead::Killed, Instead::Refused("EPERM"), Instead::Refused("ENOSPC")] {
            let bench = Bench::copy_of(before);
            disturb(&bench, words, at + 1, call, instead);
            // It may have been done by then, and then it cannot be done again.
            let again = bench.command(words).output().unwrap();
            let done = again.status.success() || said(&again).contains("no image");
            let about = format!("{words:?}, {instead:?} at request {} ({call})", at + 1);
            assert!(done, "{about}: again: {}", said(&again));
            assert!(settled(&bench) == expected, "{about}: something is left, or missing");
        }
    }
    println!("{words:?}: {} requests, {} cases", calls.len(), calls.len() * 3);
}

fn disturb(bench: &Bench, words: &[&str], at: usize, call: &str, instead: Instead) {
    let flags = match instead {
        Instead::Killed => ["--kill-at".to_string(), format!("parent:{at}")],
        Instead::Refused(errno) => ["--fail-at".to_string(), format!("parent:{at}={errno}")],
    };
    let output = bench.command(words).args(flags).output().unwrap();
    let about = format!("{words:?}, {instead:?} at request {at} ({call}): {}", said(&output));
    assert!(!about.contains("panicked"), "{about}");
    match instead {
        Instead::Killed => assert_eq!(output.status.signal(), Some(9), "{about}"),
        Instead::Refused(errno) => {
            assert!(!output.status.success(), "it went on: {about}");
            let named = about.contains(&format!("{call}(")) && about.contains(errno);
            assert!(named, "the error names not all: {about}");
        }
    }
    let is_well = bench.command(&["fsck"]).output().unwrap();
    // What was wrong before may be wrong still.
    let known = said(&is_well).contains("stranger");
    assert!(is_well.status.success() || known, "{about}: {}", said(&is_well));
}

/// The calls of an undisturbed run that can be refused, in their order.
fn calls(trace: &Path) -> Vec<String> {
    let events = trace::json::parse_all(&fs::read_to_string(trace).unwrap()).unwrap();
    let requests = events.into_iter().filter_map(|event| match event {
        Event::Request(record) if !record.cleans_up => Some(record.call.to_string()),
        _ => None,
    });
    requests.collect()
}

/// All that is in the folder when nobody has anything more to do there.
fn settled(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    bench.does(&["gc"]);
    bench.is_well();
    assert_eq!(bench.oddities(), [] as [&str; 0]);
    content(&bench.path("")).into_iter().filter(|(name, _)| !name.contains("locks/")).collect()
}

/// Something to load, in a folder of its own.
fn files() -> Bench {
    let files = Bench::new();
    fs::write(files.path("three.tar"), archive(&three().files())).unwrap();
    three().write(&files.path("layout"));
    files
}

#[test]
fn load_from_an_archive() {
    let (files, before) = (files(), empty());
    sweep(&before, &["load", files.path("three.tar").to_str().unwrap()]);
}

#[test]
fn load_from_a_layout() {
    let (files, before) = (files(), empty());
    sweep(&before, &["load", files.path("layout").to_str().unwrap()]);
}

/// A place where there will be a store.
fn empty() -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.root()).unwrap();
    bench
}

#[test]
fn load_in_dockers_form() {
    let (files, before) = (files(), empty());
    let saved = loaded();
    let path = files.path("docker.tar");
    let path = path.to_str().unwrap();
    saved.does(&["save", "--format", "docker", "-o", path, "host.example/one:1"]);
    sweep(&before, &["load", path]);
}

#[test]
fn tag() {
    sweep(&without_layout(), &["tag", "host.example/one:1", "other"]);
}

#[test]
fn rm() {
    sweep(&without_layout(), &["rm", "host.example/two:1", "host.example/both:1"]);
}

/// A store with images, and nothing else in the folder.
fn without_layout() -> Bench {
    let bench = loaded();
    fs::remove_dir_all(bench.path("layout")).unwrap();
    bench
}

#[test]
fn gc() {
    let bench = without_layout();
    bench.does(&["rm", "--no-gc", "host.example/two:1"]);
    let layer = bench.root().join("layers/sha256").join("0".repeat(64));
    fs::create_dir_all(layer.join("a/b")).unwrap();
    fs::write(layer.join("a/b/file"), "garbage").unwrap();
    let lease = bench.root().join("ingest").join(format!("sha256-{}", "0".repeat(64)));
    fs::write(&lease, "old").unwrap();
    bench.tool("touch", &["-d", "2020-01-01", lease.to_str().unwrap()]);
    bench.tool("chmod", &["600", lease.to_str().unwrap()]);
    sweep(&bench, &["gc"]);
}

#[test]
fn repair() {
    let bench = without_layout();
    let stranger = bench.root().join("blobs/sha256/stranger");
    fs::write(&stranger, "").unwrap();
    bench.tool("chmod", &["600", stranger.to_str().unwrap()]);
    sweep(&bench, &["fsck", "--repair"]);
}

#[test]
fn save_into_a_file() {
    sweep(&without_layout(), &["save", "-o", "saved.tar", "host.example/one:1"]);
}

#[test]
fn save_into_a_folder() {
    let words = ["save", "--format", "folder", "-o", "saved", "host.example/one:1"];
    sweep(&without_layout(), &words);
}

/// A disk that is really full, and then has room again.
#[test]
fn a_full_disk() {
    if !is_root() {
        return;
    }
    let files = Bench::new();
    let mut layout = crate::samples::Layout::default();
    let mut state = 1_u32;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let noise: Vec<u8> = (0..3 << 20).map(|_| noise()).collect();
    let image = layout.image("amd64", &[("large", &noise), ("small", b"1")]);
    layout.name(image, "host.example/large:1");
    layout.write(&files.path("layout"));
    let program = env!("CARGO_BIN_EXE_image");
    let script = format!(
        "exec 2>&1; mkdir root; mount -t tmpfs -o size=2m none root
         {program} --root root load layout; echo first $?
         {program} --root root fsck; echo well $?
         mount -o remount,size=32m root
         {program} --root root load layout; echo second $?
         {program} --root root fsck; echo well $?; ls -A root/ingest"
    );
    let said = files.tool("unshare", &["--mount", "sh", "-c", &script]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(said.contains("ENOSPC (the file system is full)"), "{said}");
    assert!(lines.contains(&"first 125") && lines.contains(&"second 0"), "{said}");
    assert_eq!(said.matches("well 0").count(), 2, "{said}");
    assert_eq!(lines.last(), Some(&"well 0"), "{said}");
}
