//! runc's `exec`: another process in a running container.

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use crate::conformance::report::Report;
use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("exec/same-place", "runc: exec joins all namespaces", Fits::All, same_place),
    case("exec/inherits", "runc: exec begins with config.json's process", Fits::All, inherits),
    case("exec/flags", "runc: exec --cwd --env --user", Fits::Root, flags),
    case("exec/groups", "runc: exec --additional-gids", Fits::Root, groups),
    case("exec/capabilities", "runc: exec --cap", Fits::Root, capabilities),
    case("exec/no-new-privileges", "runc: exec --no-new-privs", Fits::Root, no_new_privileges),
    case("exec/process-file", "runc: exec --process", Fits::All, process_file),
    case("exec/exit-code", "runc: exec ends as the program", Fits::All, exit_code),
    case("exec/missing-program", "runc: exec fails with 255", Fits::All, missing),
    case("exec/users", "CVE-2026-30892: what a user is", Fits::Root, users),
    case("exec/detached", "runc: exec --detach --pid-file", Fits::All, detached),
    case("exec/not-running", "runc: exec needs a running container", Fits::All, not_running),
    case("exec/paused", "runc: exec in a paused container", Fits::Root, paused),
    case("exec/descriptors", "no descriptor leaks in", Fits::All, descriptors),
    case("exec/cgroup", "runc: exec is in the container's cgroup", Fits::Root, cgroup),
    case("exec/input-and-output", "runc: exec passes on all three", Fits::All, input),
];

fn running(bench: &Bench) -> Result<Report> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))
}

/// What a second payload says, with these flags.
fn exec(bench: &Bench, flags: &[&str]) -> Result<Report> {
    let words = [&["exec"], flags, &[bench.id(), "/bin/payload", "report"]].concat();
    Report::read(&bench.command(&words)?.good()?.stdout)
}

fn same_place(bench: &Bench) -> Result<()> {
    let first = running(bench)?;
    let second = exec(bench, &[])?;
    bench.equal("namespaces", &second.0["namespaces"], &first.0["namespaces"]);
    bench.equal("root", &second.0["root"], &first.0["root"]);
    bench.equal("hostname", second.word("hostname"), first.word("hostname"));
    Ok(())
}

fn inherits(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    config["process"]["cwd"] = json!("/etc");
    config["process"]["oomScoreAdj"] = json!(123);
    config["process"]["user"]["umask"] = json!(0o27);
    config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]);
    let first = bench.run_detached(&config)?;
    let second = exec(bench, &[])?;
    bench.equal("cwd", second.word("cwd"), "/etc");
    bench.equal("umask", second.status("Umask"), "0027");
    bench.equal("oom score", second.word("oom_score_adj"), "123");
    bench.equal("rlimits", second.limit("Max open files"), ["77", "88"]);
    bench.equal("env", second.environment(), first.environment());
    for line in ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Uid", "Groups"] {
        bench.equal(line, second.status(line), first.status(line));
    }
    Ok(())
}

fn flags(bench: &Bench) -> Result<()> {
    running(bench)?;
    let seen =
        exec(bench, &["--cwd", "/tmp", "--env", "A=b", "--env", "C=d=e", "--user", "1000:1001"])?;
    bench.equal("cwd", seen.word("cwd"), "/tmp");
    bench.holds(
        "env",
        ["A=b", "C=d=e"].iter().all(|line| seen.environment().contains(line)),
        seen.environment(),
    );
    bench.equal("uid", seen.status("Uid"), "1000\t1000\t1000\t1000");
    bench.equal("gid", seen.status("Gid"), "1001\t1001\t1001\t1001");
    bench.fails(
        "a relative cwd",
        &bench.command(&["exec", "--cwd", "tmp", bench.id(), "/bin/payload"])?,
        255,
    );
    Ok(())
}

fn groups(bench: &Bench) -> Result<()> {
    running(bench)?;
    let seen = exec(bench, &["--user", "1000", "-g", "5", "-g", "6"])?;
    bench.equal("as given", seen.groups(), ["5", "6"]);
    Ok(())
}

/// CHOWN is bit 0; what the container has stays.
fn capabilities(bench: &Bench) -> Result<()> {
    let first = running(bench)?;
    let seen = exec(bench, &["--cap", "CAP_CHOWN"])?;
    let bits = u64::from_str_radix(first.status("CapEff"), 16)? | 1;
    for line in ["CapBnd", "CapEff", "CapPrm"] {
        bench.equal(line, seen.status(line), format!("{bits:016x}"));
    }
    bench.equal("inheritable", seen.status("CapInh"), "0000000000000000");
    Ok(())
}

fn no_new_privileges(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    config["process"]["noNewPrivileges"] = json!(false);
    bench.run_detached(&config)?;
    bench.equal("as in config.json", exec(bench, &[])?.status("NoNewPrivs"), "0");
    bench.equal("asked for", exec(bench, &["--no-new-privs"])?.status("NoNewPrivs"), "1");
    Ok(())
}

fn process_file(bench: &Bench) -> Result<()> {
    running(bench)?;
    let mut process = bench.config()["process"].clone();
    process["cwd"] = json!("/tmp");
    process["args"] = json!(["/bin/payload", "report"]);
    process["env"] = json!(["ONLY=this", bench.mark()]);
    process["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 55, "hard": 66}]);
    let file = bench.path("process.json");
    fs::write(&file, process.to_string())?;
    let done =
        bench.command(&["exec", "--process", &file.to_string_lossy(), bench.id()])?.good()?;
    let seen = Report::read(&done.stdout)?;
    bench.equal("cwd", seen.word("cwd"), "/tmp");
    bench.equal("rlimits", seen.limit("Max open files"), ["55", "66"]);
    bench.holds("env", seen.environment().contains(&"ONLY=this"), seen.environment());
    bench.holds(
        "no other env",
        !seen.environment().iter().any(|line| line.starts_with("PATH=")),
        seen.environment(),
    );
    fs::write(&file, "{")?;
    let words = ["exec", "--process", &file.to_string_lossy(), bench.id()];
    bench.fails("no JSON", &bench.command(&words)?, 255);
    Ok(())
}

fn exit_code(bench: &Bench) -> Result<()> {
    running(bench)?;
    for code in [0, 7, 255] {
        let word = format!("exit:{code}");
        let done = bench.command(&["exec", bench.id(), "/bin/payload", &word])?;
        bench.equal(&word, (done.code, done.stdout + &done.stderr), (code, String::new()));
    }
    let done = bench.command(&["exec", bench.id(), "/bin/busybox", "sh", "-c", "kill -9 $$"])?;
    bench.equal("a signal", done.code, 128 + 9);
    Ok(())
}

fn missing(bench: &Bench) -> Result<()> {
    running(bench)?;
    for program in ["nowhere", "/bin/nowhere", "/etc", "/etc/passwd"] {
        bench.fails(program, &bench.command(&["exec", bench.id(), program])?, 255);
    }
    bench.equal("the container goes on", bench.state()?["status"].as_str(), Some("running"));
    Ok(())
}

/// What is given, and the uid and gid that it is, or none when it must be refused.
fn users(bench: &Bench) -> Result<()> {
    running(bench)?;
    for (user, right) in [("1", "1 0"), ("1:2", "1 2"), ("65534:65534", "65534 65534")] {
        let seen = exec(bench, &["--user", user])?;
        let first = |line: &str| seen.status(line).split('\t').next().unwrap_or("").to_string();
        bench.equal(user, format!("{} {}", first("Uid"), first("Gid")), right.to_string());
    }
    for user in [":1", "1:", "-1", "4294967296", "0x1", "nobody", "1:2:3"] {
        let done =
            bench.command(&["exec", "--user", user, bench.id(), "/bin/payload", "report"])?;
        bench.holds(user, done.code != 0 && !done.stderr.trim().is_empty(), done);
    }
    Ok(())
}

fn detached(bench: &Bench) -> Result<()> {
    running(bench)?;
    let file = bench.path("user/exec.pid");
    let words = [
        "exec",
        "--detach",
        "--pid-file",
        &file.to_string_lossy(),
        bench.id(),
        "/bin/payload",
        "sleep",
    ];
    let done = bench.command(&words)?.good()?;
    bench.equal("silent", done.stdout + &done.stderr, "");
    let pid: i32 = fs::read_to_string(&file)?.trim().parse()?;
    bench.until("its process is the payload", || {
        let command = fs::read(format!("/proc/{pid}/cmdline"))?;
        Ok((command == b"/bin/payload\0sleep\0").then_some(()))
    })?;
    Ok(())
}

fn not_running(bench: &Bench) -> Result<()> {
    let words = ["exec", bench.id(), "/bin/payload", "report"];
    bench.fails("unknown", &bench.command(&words)?, 255);
    running(bench)?;
    bench.stop()?;
    bench.fails("stopped", &bench.command(&words)?, 255);
    Ok(())
}

fn paused(bench: &Bench) -> Result<()> {
    running(bench)?;
    bench.command(&["pause", bench.id()])?.good()?;
    let done = bench.command(&["exec", bench.id(), "/bin/payload", "report"])?;
    bench.command(&["resume", bench.id()])?.good()?;
    bench.fails("refused", &done, 255);
    exec(bench, &[])?;
    Ok(())
}

fn descriptors(bench: &Bench) -> Result<()> {
    running(bench)?;
    let words = ["exec", bench.id(), "/bin/payload", "report"];
    let done = bench.finish(super::process::with_open_files(bench, &words))?.good()?;
    let seen = Report::read(&done.stdout)?;
    bench.equal("only the three", seen.more_descriptors(), Vec::<(&str, &str)>::new());
    let words = ["exec", "--preserve-fds", "1", bench.id(), "/bin/payload", "report"];
    let done = bench.finish(super::process::with_open_files(bench, &words))?.good()?;
    let seen = Report::read(&done.stdout)?;
    let numbers: Vec<_> = seen.more_descriptors().iter().map(|(number, _)| *number).collect();
    bench.equal("one more", numbers, ["3"]);
    Ok(())
}

fn cgroup(bench: &Bench) -> Result<()> {
    let first = running(bench)?;
    let second = exec(bench, &[])?;
    bench.equal("the same", second.word("cgroup"), first.word("cgroup"));
    Ok(())
}

fn input(bench: &Bench) -> Result<()> {
    running(bench)?;
    let script = "printf 'in\\n' | \"$@\"";
    let words = ["exec", bench.id(), "/bin/busybox", "sh", "-c", "read x; echo $x; echo err >&2"];
    let command = bench.ready_under(&["sh", "-c", script, "sh"], &words);
    let done = bench.finish(command).context("exec with input")?.good()?;
    bench.equal("output", (done.stdout, done.stderr), ("in\n".to_string(), "err\n".to_string()));
    Ok(())
}
