//! config.md, "Process": what a program is given.

use std::path::Path;
use std::process::Child;

use anyhow::Result;
use serde_json::{Value, json};

use crate::conformance::bench::PAYLOAD;
use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("process/args", "config.md, Process: args", Fits::All, args),
    case("process/args-empty", "config.md, Process: args", Fits::All, args_empty),
    case("process/args-by-path", "config.md, POSIX process: args", Fits::All, args_by_path),
    case("process/args-missing-program", "runtime.md, Create", Fits::All, missing_program),
    case("process/env", "config.md, Process: env", Fits::All, env),
    case("process/cwd", "config.md, Process: cwd", Fits::All, cwd),
    case("process/cwd-relative", "config.md, Process: cwd MUST be absolute", Fits::All, relative),
    case("process/cwd-is-made", "runc: a missing cwd is made", Fits::Root, cwd_is_made),
    case("process/cwd-outside", "CVE-2024-21626", Fits::All, cwd_outside),
    case("process/user", "config.md, User", Fits::Root, user),
    case("process/user-large", "config.md, User: uint32", Fits::Root, large_user),
    case("process/umask", "config.md, User: umask", Fits::All, umask),
    case("process/umask-default", "config.md, User: umask", Fits::All, umask_default),
    case("process/groups", "config.md, User: additionalGids", Fits::Root, groups),
    case("process/no-new-privileges", "config.md, Linux Process", Fits::All, no_new_privileges),
    case("process/rlimits", "config.md, POSIX process: rlimits", Fits::All, rlimits),
    case("process/rlimits-twice", "config.md, rlimits: duplicates MUST fail", Fits::All, twice),
    case("process/rlimits-unknown", "config.md, rlimits: MUST fail", Fits::All, unknown),
    case("process/oom-score", "config.md, Linux Process: oomScoreAdj", Fits::All, oom_score),
    case("process/oom-score-kept", "config.md: MUST NOT change", Fits::All, oom_score_kept),
    case("process/descriptors", "no descriptor leaks in", Fits::All, descriptors),
    case("process/preserve-fds", "runc: --preserve-fds", Fits::All, preserve_fds),
    case("process/is-pid-1", "config-linux.md, Namespaces: pid", Fits::All, is_pid_1),
    case("process/signals", "no signal is blocked or ignored", Fits::All, signals),
    case("process/exit-code", "runc: run ends as the payload", Fits::All, exit_code),
    case("process/session-keyring", "runc: --no-new-keyring", Fits::Root, keyring),
    case("process/absent", "config.md, Process: REQUIRED for start", Fits::All, absent),
];

/// Starts `run` and does not wait for it.
pub(super) fn in_foreground(bench: &Bench, out: &Path) -> Result<Child> {
    let command = bench.ready(&["run", bench.id()]);
    crate::conformance::command::start(
        command,
        &out.with_extension("out"),
        &out.with_extension("err"),
    )
}

/// Waits for it: its exit code.
pub(super) fn ended(bench: &Bench, child: &mut Child) -> Result<i32> {
    crate::conformance::command::wait(child, bench.deadline(), bench.mark())
}

fn args(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let words = json!([PAYLOAD, "report", "say:", "say: a  b\t", "say:\"'\\$`", "say:é\n"]);
    config["process"]["args"] = words.clone();
    let report = bench.run(&config)?;
    bench.equal("as given", &report.0["args"], &words);
    Ok(())
}

fn args_empty(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["args"] = json!([]);
    bench.fails("refused", &bench.try_run(&config)?, 1);
    config["process"].as_object_mut().map(|process| process.remove("args"));
    bench.fails("absent", &bench.try_run(&config)?, 1);
    Ok(())
}

fn args_by_path(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["args"] = json!(["payload", "report"]);
    let report = bench.run(&config)?;
    bench.equal("its own name is as given", &report.0["args"][0], &json!("payload"));
    config["process"]["args"] = json!(["bin/payload", "report"]);
    bench.run(&config)?;
    Ok(())
}

fn missing_program(bench: &Bench) -> Result<()> {
    for program in ["nowhere", "/bin/nowhere", "/etc", "/etc/passwd", ""] {
        let mut config = bench.config();
        config["process"]["args"] = json!([program]);
        bench.fails(&format!("{program:?}"), &bench.try_run(&config)?, 1);
        bench.fails("nothing stays", &bench.command(&["state", bench.id()])?, 1);
    }
    Ok(())
}

fn env(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let list = config["process"]["env"].as_array_mut().expect("there is an environment");
    list.extend([json!("EMPTY="), json!("EQUALS=a=b"), json!("SPACE= a b ")]);
    let mut right: Vec<String> =
        list.iter().filter_map(Value::as_str).map(str::to_string).collect();
    let report = bench.run(&config)?;
    let seen = report.environment();
    bench.holds("nothing is lost", right.iter().all(|line| seen.contains(&line.as_str())), &seen);
    // HOME is what runc adds from /etc/passwd, as a login would.
    right.push("HOME=/root".to_string());
    let more: Vec<_> = seen.iter().filter(|line| !right.iter().any(|is| is == *line)).collect();
    bench.equal("nothing is added", more, Vec::<&&str>::new());
    Ok(())
}

fn cwd(bench: &Bench) -> Result<()> {
    for directory in ["/", "/tmp", "/etc"] {
        let mut config = bench.config();
        config["process"]["cwd"] = json!(directory);
        bench.equal(directory, bench.run(&config)?.word("cwd"), directory);
    }
    Ok(())
}

fn relative(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["cwd"] = json!("tmp");
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn cwd_is_made(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["root"]["readonly"] = json!(false);
    config["process"]["cwd"] = json!("/new/directory");
    bench.equal("cwd", bench.run(&config)?.word("cwd"), "/new/directory");
    Ok(())
}

/// Directories that the runtime has open must not become a way out.
fn cwd_outside(bench: &Bench) -> Result<()> {
    for descriptor in 3..12 {
        let mut config = bench.config_for(&["list:.", "report"]);
        config["process"]["cwd"] = json!(format!("/proc/self/fd/{descriptor}"));
        let done = bench.try_run(&config)?;
        let listed = done.stdout.contains("\"list:.\":\"ok");
        bench.holds(&format!("descriptor {descriptor}"), done.code != 0 && !listed, done);
    }
    Ok(())
}

fn user(bench: &Bench) -> Result<()> {
    for (uid, gid) in [(0, 0), (1000, 1001), (65534, 65534)] {
        is_user(bench, uid, gid)?;
    }
    Ok(())
}

fn large_user(bench: &Bench) -> Result<()> {
    is_user(bench, 4_000_000_000, 4_000_000_001)
}

fn is_user(bench: &Bench, uid: u32, gid: u32) -> Result<()> {
    let mut config = bench.config();
    config["process"]["user"] = json!({"uid": uid, "gid": gid});
    let report = bench.run(&config)?;
    bench.equal("uid", report.status("Uid"), four(uid));
    bench.equal("gid", report.status("Gid"), four(gid));
    Ok(())
}

/// Real, effective, saved, and for files.
fn four(id: u32) -> String {
    format!("{id}\t{id}\t{id}\t{id}")
}

fn umask(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["user"]["umask"] = json!(0o27);
    bench.equal("as given", bench.run(&config)?.status("Umask"), "0027");
    config["process"]["user"]["umask"] = json!(0);
    bench.equal("none", bench.run(&config)?.status("Umask"), "0000");
    Ok(())
}

fn umask_default(bench: &Bench) -> Result<()> {
    bench.equal("as in runc", bench.run(&bench.config())?.status("Umask"), "0022");
    Ok(())
}

fn groups(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    bench.equal("none", bench.run(&config)?.groups(), Vec::<&str>::new());
    config["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [5, 6, 2000]});
    bench.equal("as given", bench.run(&config)?.groups(), ["5", "6", "2000"]);
    Ok(())
}

fn no_new_privileges(bench: &Bench) -> Result<()> {
    for (value, right) in [(true, "1"), (false, "0")] {
        let mut config = bench.config();
        config["process"]["noNewPrivileges"] = json!(value);
        let check = format!("{value}");
        bench.equal(&check, bench.run(&config)?.status("NoNewPrivs"), right);
    }
    Ok(())
}

/// Those that an ordinary user may lower to, by their words in `/proc/self/limits`.
const LIMITS: [(&str, &str, u64, u64); 15] = [
    ("RLIMIT_CPU", "Max cpu time", 1000, 2000),
    ("RLIMIT_FSIZE", "Max file size", 1_000_000, 2_000_000),
    ("RLIMIT_DATA", "Max data size", 1_000_000_000, 2_000_000_000),
    ("RLIMIT_STACK", "Max stack size", 4_000_000, 8_000_000),
    ("RLIMIT_CORE", "Max core file size", 0, 1000),
    ("RLIMIT_RSS", "Max resident set", 1_000_000_000, 2_000_000_000),
    ("RLIMIT_NPROC", "Max processes", 1000, 1500),
    ("RLIMIT_NOFILE", "Max open files", 100, 200),
    ("RLIMIT_MEMLOCK", "Max locked memory", 1000, 2000),
    ("RLIMIT_AS", "Max address space", 4_000_000_000, 8_000_000_000),
    ("RLIMIT_LOCKS", "Max file locks", 10, 20),
    ("RLIMIT_SIGPENDING", "Max pending signals", 10, 20),
    ("RLIMIT_MSGQUEUE", "Max msgqueue size", 1000, 2000),
    ("RLIMIT_NICE", "Max nice priority", 0, 0),
    ("RLIMIT_RTPRIO", "Max realtime priority", 0, 0),
];

fn rlimits(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let limit = |(kind, _, soft, hard): &(&str, &str, u64, u64)| json!({"type": kind, "soft": soft, "hard": hard});
    config["process"]["rlimits"] = LIMITS.iter().map(limit).collect();
    let report = bench.run(&config)?;
    for (kind, words, soft, hard) in LIMITS {
        bench.equal(kind, report.limit(words), [soft.to_string(), hard.to_string()]);
    }
    Ok(())
}

fn twice(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let limit = json!({"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100});
    config["process"]["rlimits"] = json!([limit, limit]);
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn unknown(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["rlimits"] = json!([{"type": "RLIMIT_PATIENCE", "soft": 1, "hard": 1}]);
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}

fn oom_score(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["process"]["oomScoreAdj"] = json!(321);
    bench.equal("as given", bench.run(&config)?.word("oom_score_adj"), "321");
    config["process"]["oomScoreAdj"] = json!(5000);
    bench.fails("out of range", &bench.try_run(&config)?, 1);
    Ok(())
}

fn oom_score_kept(bench: &Bench) -> Result<()> {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj")?;
    bench.equal("as it was", bench.run(&bench.config())?.word("oom_score_adj"), own.trim());
    Ok(())
}

/// The one who starts the runtime has left some open for everybody.
fn descriptors(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    let done = bench.finish(with_open_files(bench, &["run", bench.id()]))?.good()?;
    let report = crate::conformance::report::Report::read(&done.stdout)?;
    bench.equal("only the three", report.more_descriptors(), Vec::<(&str, &str)>::new());
    Ok(())
}

fn preserve_fds(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    let command = with_open_files(bench, &["run", "--preserve-fds", "2", bench.id()]);
    let done = bench.finish(command)?.good()?;
    let report = crate::conformance::report::Report::read(&done.stdout)?;
    let numbers: Vec<_> = report.more_descriptors().iter().map(|(number, _)| *number).collect();
    bench.equal("3 and 4", numbers, ["3", "4"]);
    Ok(())
}

/// A shell that opens descriptors 3 to 6, and becomes the runtime.
pub(super) fn with_open_files(bench: &Bench, words: &[&str]) -> std::process::Command {
    let script = "exec \"$@\" 3</etc/passwd 4</etc/passwd 5</etc/passwd 6</etc/passwd";
    bench.ready_under(&["sh", "-c", script, "sh"], words)
}

fn is_pid_1(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    bench.equal("pid", &report.0["stat"]["pid"], &json!(1));
    Ok(())
}

/// Neither is inherited from whoever has started the runtime.
fn signals(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    let under = ["sh", "-c", "trap '' USR1 USR2 TERM; exec \"$@\"", "sh"];
    let done = bench.finish(bench.ready_under(&under, &["run", bench.id()]))?.good()?;
    let report = crate::conformance::report::Report::read(&done.stdout)?;
    bench.equal("blocked", report.status("SigBlk"), "0000000000000000");
    // Rust ignores SIGPIPE by itself, and glibc's posix_spawn(3) the two that it needs for itself.
    const KNOWN: u64 = 1 << 12 | 1 << 31 | 1 << 32;
    let seen = report.status("SigIgn");
    bench.holds("ignored", u64::from_str_radix(seen, 16)? & !KNOWN == 0, seen);
    Ok(())
}

fn exit_code(bench: &Bench) -> Result<()> {
    for code in [0, 1, 42, 255] {
        let done = bench.try_run(&bench.config_for(&[&format!("exit:{code}")]))?;
        bench.equal("the payload's", done.code, code);
        bench.equal("nothing is said", done.stdout + &done.stderr, "");
    }
    bench.write(&bench.config_for(&["report", "sleep"]))?;
    let out = bench.output();
    let mut child = in_foreground(bench, &out)?;
    bench.first_report(&out)?;
    bench.command(&["kill", bench.id(), "KILL"])?.good()?;
    bench.equal("a signal", ended(bench, &mut child)?, 128 + 9);
    Ok(())
}

fn keyring(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config["linux"]["maskedPaths"] = json!([]);
    let name = format!("_ses.{}", bench.id());
    bench.write(&config)?;
    let done = bench.command(&["run", "--no-new-keyring", bench.id()])?.good()?;
    bench.holds("none", !done.stdout.contains(&name), done.stdout);
    let report = bench.run(&config)?;
    bench.holds("one of its own", report.word("keys").contains(&name), report.word("keys"));
    Ok(())
}

fn absent(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    config.as_object_mut().map(|config| config.remove("process"));
    bench.fails("refused", &bench.try_run(&config)?, 1);
    Ok(())
}
