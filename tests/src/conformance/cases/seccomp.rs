//! config-linux.md, "Seccomp".

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::process::{ended, in_foreground};
use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("seccomp/none", "config-linux.md, Seccomp: OPTIONAL", Fits::All, none),
    case("seccomp/filter", "config-linux.md, Seccomp: syscalls", Fits::All, filter),
    case("seccomp/errno", "config-linux.md, Seccomp: errnoRet", Fits::All, errno),
    case(
        "seccomp/default-errno",
        "config-linux.md, Seccomp: defaultErrnoRet",
        Fits::All,
        default_errno,
    ),
    case("seccomp/kill", "config-linux.md, Seccomp: SCMP_ACT_KILL_PROCESS", Fits::All, kill),
    case("seccomp/operators", "config-linux.md, Seccomp: args[].op", Fits::All, operators),
    case("seccomp/several-args", "config-linux.md, Seccomp: args", Fits::All, several),
    case("seccomp/without-no-new-privileges", "config-linux.md, Seccomp", Fits::Root, privileged),
    case("seccomp/flags", "config-linux.md, Seccomp: flags", Fits::All, flags),
    case(
        "seccomp/unknown-syscall",
        "libseccomp: names of other kernels",
        Fits::All,
        unknown_syscall,
    ),
    case("seccomp/unknown-action", "config-linux.md, Seccomp: action", Fits::All, unknown_action),
    case(
        "seccomp/errno-for-kill",
        "config-linux.md, Seccomp: MUST print an error and fail",
        Fits::All,
        errno_for_kill,
    ),
    case(
        "seccomp/other-architecture",
        "config-linux.md, Seccomp: architectures",
        Fits::All,
        architectures,
    ),
    case("seccomp/listener", "config-linux.md, Seccomp: listenerPath", Fits::Root, listener),
    case(
        "seccomp/listener-missing",
        "config-linux.md, Seccomp: MUST generate an error",
        Fits::Root,
        no_listener,
    ),
    case("seccomp/exec", "runc: exec has the same filter", Fits::All, exec),
];

fn with(bench: &Bench, rules: &Value) -> Value {
    let mut config = bench.config();
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    });
    config
}

fn none(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    bench.equal("mode", report.status("Seccomp"), "0");
    Ok(())
}

fn filter(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]);
    let report = bench.probe(&with(bench, &rules), &["mkdir:/proc/x", "stat:/proc"])?;
    bench.equal("mode", report.status("Seccomp"), "2");
    bench.equal("filters", report.status("Seccomp_filters"), "1");
    bench.equal("the one", report.answer("mkdir:/proc/x"), "errno 1");
    bench.holds("the others", report.answer("stat:/proc").starts_with("ok"), "not ok");
    Ok(())
}

fn errno(bench: &Bench) -> Result<()> {
    let rules =
        json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]);
    let report = bench.probe(&with(bench, &rules), &["mkdir:/proc/x"])?;
    bench.equal("as given", report.answer("mkdir:/proc/x"), "errno 99");
    Ok(())
}

/// A list of what is allowed is too long for a case, so what is not allowed is one call that is
/// known not to be needed: everything below and above it in the table of calls is.
fn default_errno(bench: &Bench) -> Result<()> {
    let mut config = bench.config();
    let names: Vec<&str> = ALLOWED.split_whitespace().collect();
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 95,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    });
    let report = bench.probe(&config, &["mkdir:/proc/x"])?;
    bench.equal("as given", report.answer("mkdir:/proc/x"), "errno 95");
    Ok(())
}

/// What the payload needs, and what runtimes need between their filter and `execve`.
const ALLOWED: &str = "accept4 access arch_prctl bind brk capget capset chdir clock_gettime clone \
    clone3 close close_range connect dup dup2 dup3 epoll_create1 epoll_ctl epoll_pwait epoll_wait \
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fchdir fchown fcntl fstat fstatfs \
    futex getcwd getdents64 getegid geteuid getgid getgroups getpgid getpid getppid getrandom \
    getrlimit getsid gettid getuid ioctl kill listen lseek lstat madvise mmap mprotect mremap munmap \
    nanosleep newfstatat open openat openat2 pipe2 poll ppoll prctl pread64 prlimit64 pselect6 read \
    readlink readlinkat recvfrom recvmsg restart_syscall rseq rt_sigaction rt_sigprocmask \
    rt_sigreturn sched_getaffinity sched_yield seccomp sendmsg sendto set_robust_list \
    set_tid_address setgid setgroups setresgid setresuid setsid setuid sigaltstack socket stat statfs \
    statx tgkill umask uname unlinkat wait4 waitid write writev";

fn kill(bench: &Bench) -> Result<()> {
    for action in ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD"] {
        let rules = json!([{"names": ["mkdir", "mkdirat"], "action": action}]);
        let mut config = with(bench, &rules);
        config["process"]["args"] = json!(["/bin/payload", "mkdir:/proc/x", "say:alive"]);
        let done = bench.try_run(&config)?;
        // SIGSYS
        bench.equal(action, (done.code, done.stdout.as_str()), (128 + 31, ""));
    }
    Ok(())
}

/// An operator, its values, and whether mode 0644 matches.
const OPERATORS: [(&str, u64, u64, bool); 12] = [
    ("SCMP_CMP_EQ", 0o644, 0, true),
    ("SCMP_CMP_EQ", 0o645, 0, false),
    ("SCMP_CMP_NE", 0o645, 0, true),
    ("SCMP_CMP_NE", 0o644, 0, false),
    ("SCMP_CMP_LT", 0o645, 0, true),
    ("SCMP_CMP_LT", 0o644, 0, false),
    ("SCMP_CMP_LE", 0o644, 0, true),
    ("SCMP_CMP_LE", 0o643, 0, false),
    ("SCMP_CMP_GE", 0o644, 0, true),
    ("SCMP_CMP_GT", 0o644, 0, false),
    ("SCMP_CMP_MASKED_EQ", 0o600, 0o600, true),
    ("SCMP_CMP_MASKED_EQ", 0o700, 0o100, false),
];

fn operators(bench: &Bench) -> Result<()> {
    for (operator, value, second, matches) in OPERATORS {
        let argument = json!({"index": 1, "value": value, "valueTwo": second, "op": operator});
        let rules = json!([{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99, "args": [argument]}]);
        let report = bench.probe(&with(bench, &rules), &["chmod:644:/nowhere"])?;
        let right = if matches { "errno 99" } else { "errno 2" };
        bench.equal(&format!("{operator} {value:o}"), report.answer("chmod:644:/nowhere"), right);
    }
    Ok(())
}

/// All arguments of one rule must match; of several rules for a call, one.
fn several(bench: &Bench) -> Result<()> {
    let mode = |value: u64| json!({"index": 1, "value": value, "op": "SCMP_CMP_EQ"});
    let rule = |args: Value| json!({"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99, "args": args});
    let path = json!({"index": 0, "value": 0, "op": "SCMP_CMP_EQ"});
    let rules = json!([rule(json!([mode(0o644), path]))]);
    let report = bench.probe(&with(bench, &rules), &["chmod:644:/nowhere"])?;
    bench.equal("one of two", report.answer("chmod:644:/nowhere"), "errno 2");
    let rules = json!([rule(json!([mode(0o600)])), rule(json!([mode(0o644)]))]);
    let report = bench.probe(&with(bench, &rules), &["chmod:644:/nowhere"])?;
    bench.equal("the second rule", report.answer("chmod:644:/nowhere"), "errno 99");
    Ok(())
}

fn privileged(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]);
    let mut config = with(bench, &rules);
    config["process"]["noNewPrivileges"] = json!(false);
    config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let report = bench.probe(&config, &["mkdir:/proc/x"])?;
    bench.equal("mode", report.status("Seccomp"), "2");
    bench.equal("no new privileges", report.status("NoNewPrivs"), "0");
    bench.equal("it is in force", report.answer("mkdir:/proc/x"), "errno 1");
    Ok(())
}

fn flags(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]);
    for flag in
        ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    {
        let mut config = with(bench, &rules);
        config["linux"]["seccomp"]["flags"] = json!([flag]);
        let seen = bench.probe(&config, &["mkdir:/proc/x"]);
        let seen = seen.map(|report| report.answer("mkdir:/proc/x").to_string());
        bench.comes(flag, seen, |answer| answer == "errno 1");
    }
    let mut config = with(bench, &rules);
    config["linux"]["seccomp"]["flags"] = json!(["SECCOMP_FILTER_FLAG_NONE"]);
    bench.fails("unknown", &bench.try_run(&config)?, 1);
    Ok(())
}

/// Profiles name calls of all architectures and of newer kernels.
fn unknown_syscall(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir", "mkdirat", "levitate"], "action": "SCMP_ACT_ERRNO"}]);
    let report = bench.probe(&with(bench, &rules), &["mkdir:/proc/x"])?;
    bench.equal("the known one", report.answer("mkdir:/proc/x"), "errno 1");
    Ok(())
}

fn unknown_action(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir"], "action": "SCMP_ACT_SHRUG"}]);
    bench.fails("refused", &bench.try_run(&with(bench, &rules))?, 1);
    Ok(())
}

fn errno_for_kill(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir"], "action": "SCMP_ACT_KILL", "errnoRet": 5}]);
    bench.fails("refused", &bench.try_run(&with(bench, &rules))?, 1);
    Ok(())
}

/// Only for programs of another machine: then this one's own calls are refused altogether, or not
/// looked at; runtimes add the native one.
fn architectures(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]);
    let mut config = with(bench, &rules);
    config["linux"]["seccomp"]["architectures"] = json!(["SCMP_ARCH_AARCH64"]);
    let report = bench.probe(&config, &["mkdir:/proc/x"])?;
    bench.equal("the native one is filtered", report.answer("mkdir:/proc/x"), "errno 1");
    config["linux"]["seccomp"]["architectures"] = json!(["SCMP_ARCH_ABACUS"]);
    bench.fails("unknown", &bench.try_run(&config)?, 1);
    Ok(())
}

fn with_listener(bench: &Bench) -> Value {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]);
    let mut config = with(bench, &rules);
    config["linux"]["seccomp"]["listenerPath"] = json!(bench.path("agent.sock"));
    config["linux"]["seccomp"]["listenerMetadata"] = json!("for the agent");
    config["process"]["args"] = json!(["/bin/payload", "mkdir:/proc/x", "report"]);
    config
}

fn listener(bench: &Bench) -> Result<()> {
    let listener = UnixListener::bind(bench.path("agent.sock"))?;
    listener.set_nonblocking(true)?;
    bench.write(&with_listener(bench))?;
    let out = bench.output();
    let mut child = in_foreground(bench, &out)?;
    let connection = bench.until("the runtime calls", || {
        let called = listener.accept().ok();
        ensure!(called.is_some() || child.try_wait()?.is_none(), "it has ended, and called nobody");
        Ok(called)
    })?;
    connection.0.set_nonblocking(false)?;
    let (text, files) = primitives::receive_fds(connection.0.as_fd(), "get the filter's listener")?;
    let state: Value = serde_json::from_slice(&text).context("the state is JSON")?;
    bench.equal("descriptors", files.len(), 1);
    bench.equal("fds", &state["fds"], &json!(["seccompFd"]));
    bench.equal("metadata", &state["metadata"], &json!("for the agent"));
    bench.equal("state.id", state["state"]["id"].as_str(), Some(bench.id()));
    bench.equal("state.bundle", state["state"]["bundle"].as_str(), bench.bundle().to_str());
    // The filter comes last, so it may be while it is created or when it is started.
    let status = state["state"]["status"].as_str().unwrap_or_default();
    bench.holds("state.status", ["creating", "created"].contains(&status), status);
    bench.holds("pid", state["pid"].as_i64().is_some_and(|pid| pid > 0), &state);
    bench.holds("ociVersion", state["ociVersion"].is_string(), &state);
    // Nobody is left to ask.
    drop(files);
    bench.equal("exit code", ended(bench, &mut child)?, 0);
    let text = std::fs::read_to_string(out.with_extension("out"))?;
    let report = crate::conformance::report::Report::read(&text)?;
    bench.equal("without an agent", report.answer("mkdir:/proc/x"), "errno 38");
    Ok(())
}

fn no_listener(bench: &Bench) -> Result<()> {
    bench.fails("refused", &bench.try_run(&with_listener(bench))?, 1);
    let mut config = with_listener(bench);
    config["linux"]["seccomp"].as_object_mut().map(|seccomp| seccomp.remove("listenerPath"));
    bench.fails("no path at all", &bench.try_run(&config)?, 1);
    Ok(())
}

fn exec(bench: &Bench) -> Result<()> {
    let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]);
    let mut config = with(bench, &rules);
    config["process"]["args"] = json!(["/bin/payload", "report", "sleep"]);
    bench.run_detached(&config)?;
    let words = ["exec", bench.id(), "/bin/payload", "mkdir:/proc/x", "report"];
    let done = bench.command(&words)?.good()?;
    let report = crate::conformance::report::Report::read(&done.stdout)?;
    bench.equal("the same filter", report.answer("mkdir:/proc/x"), "errno 1");
    Ok(())
}
