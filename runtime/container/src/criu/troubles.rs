//! What has gone wrong in criu, and what can be done about it?
//!
//! criu says "failed" to who has asked, and the reason to its log, somewhere in a thousand lines.

use std::path::Path;

use primitives::{Error, read_small};

use super::{Version, Work};

/// The newest words that may be read of a log: one can grow large.
const MOST: usize = 3;

/// What is said of a failure that is told by these words in the log.
const HINTS: &[(&str, &str)] = &[
    (
        "vdso",
        "this criu does not know what this kernel shows to every process: kernels from 6.13 on need \
         criu 4.1 or newer",
    ),
    (
        "for fd=",
        "a file that the container has open is not in it: give it a pipe, a terminal or /dev/null for \
         its output",
    ),
    (
        "has bad size",
        "a file that it had open must be as long as it was; one that was its output is given to it again \
         with >>",
    ),
    ("Connected TCP socket", "it has connections: --tcp-established keeps them"),
    ("file lock", "it holds locks: --file-locks keeps them"),
    ("External socket is used", "it speaks to somebody outside: --ext-unix-sk allows that"),
    ("dangling tty", "it sits at a terminal of the host: --shell-job allows that"),
    ("session leader", "it sits at a terminal of the host: --shell-job allows that"),
    (
        "Unexpected task",
        "a program that `exec` has started runs in it, whose parent is outside: wait for its end",
    ),
    ("Can't find tool", "a program that criu runs is missing: it needs iptables and iproute2"),
    ("mem_track", "this kernel does not tell which memory has changed"),
    ("Tracking memory is not available", "this kernel does not tell which memory has changed"),
];

/// criu says so of what it would like to have and can do without.
const HARMLESS: &[&str] = &["Can't setup RLIMIT_NOFILE", "Unable to create tun"];

/// criu's failure as an error that says why.
pub(super) fn told(work: Work, version: Version, log: &Path, words: &str) -> Error {
    let text = read_small(log).unwrap_or_default();
    let reasons = reasons(&text);
    let reason = match (reasons.is_empty(), words) {
        (false, _) => reasons.join("; "),
        (true, "") => "it does not say why".to_string(),
        (true, words) => words.to_string(),
    };
    let hint = hint(&reason).map(|hint| format!(" ({hint})")).unwrap_or_default();
    let (work, log) = (work.word(), log.display());
    Error::Unusable(format!("criu {version} failed to {work}: {reason}{hint}; its log is {log}"))
}

fn hint(reason: &str) -> Option<&'static str> {
    let known = HINTS.iter().find(|(words, _)| reason.contains(words));
    known.map(|(_, hint)| *hint)
}

/// The first things that went wrong, which are the reasons of the others. The last line only says that it
/// has failed.
fn reasons(log: &str) -> Vec<String> {
    let error = |line: &str| {
        let (_, rest) = line.split_once("Error (")?;
        let (_, text) = rest.split_once("): ")?;
        Some(text.trim().to_string())
    };
    let counts = |text: &String| {
        let is_end = text.ends_with("FAILED.");
        !is_end && !HARMLESS.iter().any(|words| text.contains(words))
    };
    log.lines().filter_map(error).filter(counts).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::{hint, reasons};

    #[test]
    fn the_reason_is_the_first_error() {
        let log = "\
(00.03) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted
(00.16) 27446 fdinfo 1: pos:                0 flags:           100001/0
(00.16) Error (criu/files-reg.c:1790): Can't lookup mount=27 for fd=1 path=/tmp/out
(00.16) Error (criu/cr-dump.c:1681): Dump files (pid: 27446) failed with -1
(00.22) Error (criu/cr-dump.c:2111): Dumping FAILED.
";
        let found = reasons(log);
        assert_eq!(found[0], "Can't lookup mount=27 for fd=1 path=/tmp/out");
        assert_eq!(found.len(), 2);
        assert!(hint(&found.join("; ")).unwrap().contains("/dev/null"));
    }

    #[test]
    fn a_kernel_that_is_too_new_is_told_so() {
        let log = "(00.0) Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds\n";
        assert!(hint(&reasons(log).join("; ")).unwrap().contains("4.1"));
    }
}
