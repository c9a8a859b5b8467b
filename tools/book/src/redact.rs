//! What in plain text differs from run to run or from machine to machine, and what stands there
//! instead?
//!
//! A trace is hidden by type ([`crate::events`]). Text has no types, so a scene names the kinds
//! that it prints, and each kind knows what it looks like. Scenes have no patterns of their own: a
//! kind that is missing is added here, with a test.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Deserialize;

use crate::canon::Canon;

/// Something that differs from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Pids, as numbers of their own: those of the trace become letters, `pid 812` becomes `pid _`.
    Pids,
    /// `uts:[4026531838]` becomes `uts:[#1]`, as in the trace.
    Namespaces,
    /// `12 µs`, `1.5 s`, `13:05:59` and dates lose their digits.
    Times,
    /// `4.2 MiB` loses its digits.
    Sizes,
    /// `0x7ffe…` becomes `0x_`.
    Addresses,
    /// This machine's name becomes `host`.
    Hostname,
    /// This machine's kernel release becomes `KERNEL`.
    Kernel,
    /// The ids of whoever runs the program, where they are not 0, become `ID`.
    Ids,
    /// The random part of the names of temporary files becomes `XXXXXX`.
    Tmp,
    /// A text of more than 72 characters in an argument of the trace, such as what is written into a
    /// file, is cut after 24.
    Long,
    /// Every number of three digits and more becomes `_`: the last resort.
    Numbers,
}

/// Who ran a scene, and where: what the kinds need to know.
#[derive(Debug, Default)]
pub(crate) struct Redact {
    kinds: Vec<Kind>,
    scratch: String,
    repo: String,
    hostname: String,
    kernel: String,
    id: u32,
}

impl Redact {
    /// Hides `kinds`, and in any case the names of the two folders.
    pub(crate) fn new(kinds: &[Kind], scratch: &Path, repo: &Path, id: u32) -> Redact {
        let proc = |file: &str| fs::read_to_string(format!("/proc/sys/kernel/{file}"));
        let line = |file| proc(file).map(|text| text.trim().to_string()).unwrap_or_default();
        Redact {
            kinds: kinds.to_vec(),
            scratch: scratch.display().to_string(),
            repo: repo.display().to_string(),
            hostname: line("hostname"),
            kernel: line("osrelease"),
            id,
        }
    }

    /// Text that stands in an argument of the trace.
    pub(crate) fn argument(&self, text: &str) -> String {
        let text = self.machine(text);
        match self.kinds.contains(&Kind::Long) && text.chars().count() > 72 {
            true => text.chars().take(24).chain(['…']).collect(),
            false => text,
        }
    }

    /// What a program printed. `canon` has seen its trace.
    pub(crate) fn output(&self, text: &str, canon: &mut Canon) -> String {
        let mut text = self.machine(text);
        for kind in &self.kinds {
            text = match kind {
                Kind::Pids => pids(&text, canon),
                Kind::Namespaces => namespaces(&text, canon),
                Kind::Times => TIMES.replace_all(&text, digits).into_owned(),
                Kind::Sizes => SIZES.replace_all(&text, digits).into_owned(),
                Kind::Addresses => ADDRESSES.replace_all(&text, "0x_").into_owned(),
                Kind::Numbers => NUMBERS.replace_all(&text, "_").into_owned(),
                Kind::Hostname | Kind::Kernel | Kind::Ids | Kind::Tmp | Kind::Long => text,
            };
        }
        text
    }

    /// What belongs to the machine and not to the run.
    fn machine(&self, text: &str) -> String {
        let mut text = replace(text, &self.scratch, "/tmp/scene");
        text = replace(&text, &format!("{}/", self.repo), "");
        for kind in &self.kinds {
            text = match kind {
                Kind::Hostname => whole_word(&text, &self.hostname, "host"),
                Kind::Kernel => whole_word(&text, &self.kernel, "KERNEL"),
                Kind::Ids if self.id != 0 => whole_word(&text, &self.id.to_string(), "ID"),
                Kind::Tmp => TMP.replace_all(&text, temporary).into_owned(),
                _ => text,
            };
        }
        text
    }
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d+\b"));
static PID: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(pids?|process|PID)([ =:]+)\d{2,}\b"));
static OBJECT: LazyLock<Regex> = LazyLock::new(|| regex(r"\b([a-z_]+):\[(\d+)\]"));
static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b\d+(\.\d+)? ?(ns|µs|us|ms|s|min|seconds)\b|\b\d\d:\d\d(:\d\d(\.\d+)?)?\b|\b\d{4}-\d\d-\d\d\b",
    )
});
static SIZES: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d+(\.\d+)? ?(bytes|[kKMGT]i?B?|B)\b"));
static ADDRESSES: LazyLock<Regex> = LazyLock::new(|| regex(r"\b0x[0-9a-f]+\b"));
static NUMBERS: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d{3,}\b"));
// Either below TMPDIR, or as mkstemp(3) makes them anywhere below `/tmp`: `runc.AbC123`.
static TMP: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(/tmp/scene/tmp/(?:\.tmp|[a-z]+[-.])|/tmp/(?:[^\s"]*/)?[a-z]+\.)([A-Za-z0-9]{6,10})\b"#,
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns stand above and are tested")
}

/// The template of a temporary name, as it stands in mkstemp(3).
fn temporary(found: &Captures<'_>) -> String {
    match &found[2] {
        // Endings that happen to be as long as the random part.
        "config" | "socket" => found[0].to_string(),
        _ => format!("{}XXXXXX", &found[1]),
    }
}

fn pids(text: &str, canon: &Canon) -> String {
    let known = NUMBER.replace_all(text, |found: &Captures<'_>| {
        let number = &found[0];
        let pid = number.parse::<i32>().ok().filter(|pid| *pid >= 10);
        pid.and_then(|pid| canon.letter_of(pid)).unwrap_or_else(|| number.to_string())
    });
    PID.replace_all(&known, "$1${2}_").into_owned()
}

fn namespaces(text: &str, canon: &mut Canon) -> String {
    let name = |found: &Captures<'_>| {
        let inode = found[2].parse().unwrap_or_default();
        format!("{}:[#{}]", &found[1], canon.object(&found[1], inode))
    };
    OBJECT.replace_all(text, name).into_owned()
}

/// The same text with `_` for each run of digits.
fn digits(found: &Captures<'_>) -> String {
    let mut out = String::new();
    for c in found[0].chars() {
        match c {
            '0'..='9' | '.' if out.ends_with('_') => {}
            '0'..='9' => out.push('_'),
            c => out.push(c),
        }
    }
    out
}

fn replace(text: &str, from: &str, to: &str) -> String {
    match from.len() > 1 {
        true => text.replace(from, to),
        false => text.to_string(),
    }
}

/// Replaces `from` where it is not a part of a longer word.
fn whole_word(text: &str, from: &str, to: &str) -> String {
    if from.is_empty() {
        return text.to_string();
    }
    let pattern = regex(&format!(r"\b{}\b", regex::escape(from)));
    pattern.replace_all(text, regex::NoExpand(to)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Kind, Redact};
    use crate::canon::Canon;

    fn output(kinds: &[Kind], text: &str) -> String {
        let redact = Redact {
            hostname: "vm-7".into(),
            kernel: "6.1.0".into(),
            id: 65534,
            ..Redact::new(kinds, Path::new("/tmp/x"), Path::new("/home/me/repo"), 0)
        };
        redact.output(text, &mut Canon::default())
    }

    #[test]
    fn each_kind_hides_what_it_is_about() {
        let all = [
            (Kind::Pids, "pid 4711, 12 apples, pid 1", "pid _, 12 apples, pid 1"),
            (Kind::Namespaces, "uts:[402] uts:[403] uts:[402]", "uts:[#1] uts:[#2] uts:[#1]"),
            (Kind::Times, "12 µs, 1.5 s at 13:05:59", "_ µs, _ s at _:_:_"),
            (Kind::Sizes, "4.2 MiB of 100M", "_ MiB of _M"),
            (Kind::Addresses, "at 0x7ffe12", "at 0x_"),
            (Kind::Hostname, "vm-7 but vm-77", "host but vm-77"),
            (Kind::Kernel, "Linux 6.1.0", "Linux KERNEL"),
            (Kind::Ids, "uid 65534", "uid ID"),
            (Kind::Tmp, "/tmp/x/tmp/.tmpAbC123/etc", "/tmp/scene/tmp/.tmpXXXXXX/etc"),
            (Kind::Tmp, "/tmp/crun.AbC123 /tmp/x/b.config", "/tmp/crun.XXXXXX /tmp/scene/b.config"),
            (Kind::Numbers, "12 and 1234", "12 and _"),
        ];
        for (kind, before, after) in all {
            assert_eq!(output(&[kind], before), after, "{kind:?}");
        }
    }

    #[test]
    fn folders_of_this_machine_are_always_hidden() {
        assert_eq!(output(&[], "/tmp/x/home /home/me/repo/book"), "/tmp/scene/home book");
    }
}
