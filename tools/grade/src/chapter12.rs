//! Chapter 12: does it keep to the contract?

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use primitives::{
    Pid, Signal, has_become_another, kill, prctl_set_child_subreaper, started_and_ended, wait,
};
use trace::Arg;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{Trace, ended_with, in_a_child, nothing_left, status_taken};
use crate::place::{go, ready};
use crate::run::{Folder, Launch, Run};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[whose_turn, gate, hooks, twice];

/// How long something may take that needs a few milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

/// The first process of a container, as somebody has made it. Dropping it ends it.
struct Init {
    /// Who is its parent, where that is not the grader.
    parent: Child,
    pid: i32,
    started: u64,
}

impl Init {
    /// One that has become another program.
    fn running() -> Result<Init> {
        let parent = Command::new("sleep").arg("60").spawn().context("sleep")?;
        let pid = i32::try_from(parent.id())?;
        until(|| has_become_another(Pid::from_raw(pid)) == Some(true));
        Init::of(parent, pid)
    }

    /// One that has not: what a shell makes for a command in brackets.
    fn waiting() -> Result<Init> {
        let folder = Folder::new()?;
        let said = folder.file("pid");
        let script = "(while :; do sleep 1; done) & echo $! > \"$1\"; wait";
        let mut command = Command::new("sh");
        let parent = command.args(["-c", script, "sh", &text(&said)]).spawn().context("sh")?;
        let number = || fs::read_to_string(&said).ok()?.strip_suffix('\n')?.parse().ok();
        until(|| number().is_some());
        let pid = number().context("the shell does not say whom it has made")?;
        Init::of(parent, pid)
    }

    fn of(parent: Child, pid: i32) -> Result<Init> {
        let (started, _) = started_and_ended(Pid::from_raw(pid)).context("it ended early")?;
        Ok(Init { parent, pid, started })
    }

    fn lives(&self) -> bool {
        matches!(started_and_ended(Pid::from_raw(self.pid)), Some((at, false)) if at == self.started)
    }

    fn end(&mut self) {
        for pid in [self.pid, i32::try_from(self.parent.id()).unwrap_or(self.pid)] {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL, "leave nothing behind");
        }
        let _ = self.parent.wait();
        until(|| !self.lives());
    }

    fn words(&self, folder: &Path) -> Vec<String> {
        let (pid, started) = (self.pid.to_string(), self.started.to_string());
        words(["--pid", &pid, "--started", &started, "--folder", &text(folder)])
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        self.end();
    }
}

fn until(holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    true
}

/// What is true of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Created,
    Running,
    Stopped,
    /// Its number is another process's now.
    AnotherHasItsNumber,
}

/// 12.1: each command in each state.
pub(crate) fn whose_turn(bench: &mut Bench) -> Result<Verdict> {
    let mut turns = Vec::new();
    for truth in [Truth::Created, Truth::Running, Truth::Stopped, Truth::AnotherHasItsNumber] {
        for verb in ["start", "kill", "delete"] {
            turns.push((truth, verb));
        }
    }
    let mut criteria = Vec::new();
    let mut last = None;
    while !turns.is_empty() {
        let place = bench.chance.number(0..=u32::try_from(turns.len() - 1)?) as usize;
        let (truth, verb) = turns.remove(place);
        let (one, run) = turn(bench, truth, verb)?;
        criteria.push(one);
        last = Some(run);
    }
    criteria.sort_by(|one: &Criterion, other| one.what.cmp(&other.what));
    Ok(judged(criteria, &last.context("there were turns")?))
}

fn turn(bench: &Bench, truth: Truth, verb: &str) -> Result<(Criterion, Run)> {
    let mut init = match truth {
        Truth::Created => Init::waiting()?,
        _ => Init::running()?,
    };
    match truth {
        Truth::Stopped => init.end(),
        Truth::AnotherHasItsNumber => init.started -= 1,
        _ => {}
    }
    let folder = Folder::new()?;
    let container = folder.file("container");
    fs::create_dir(&container)?;
    let options = [vec![verb.to_string()], init.words(&container)].concat();
    let run = Launch::new(&bench.program, options, Vec::new()).run(&folder)?;
    let is_right = match verb {
        "start" => truth == Truth::Created,
        "kill" => matches!(truth, Truth::Created | Truth::Running),
        _ => matches!(truth, Truth::Stopped | Truth::AnotherHasItsNumber),
    };
    let sent = run.trace.done("pidfd_send_signal").count();
    let is_gone = !container.exists();
    let (did, said_so) = match verb {
        "delete" => (is_gone && sent == 0, run.code == Some(0)),
        _ => (sent == 1 && !is_gone, run.code == Some(0)),
    };
    let nothing = sent == 0 && !is_gone;
    let what = format!("{verb}, {}: {}", named(truth), if is_right { "done" } else { "refused" });
    let met = if is_right { did && said_so } else { nothing && !said_so };
    let one = criterion(what, met, || match (did, said_so) {
        (true, true) => "your program has done it".to_string(),
        (true, false) => "your program has done it and says that it has not".to_string(),
        (false, true) => "your program has not done it and says that it has".to_string(),
        (false, false) => "your program has not done it".to_string(),
    });
    // Those of the next turn are others.
    Ok((one, run))
}

fn named(truth: Truth) -> &'static str {
    match truth {
        Truth::Created => "created",
        Truth::Running => "running",
        Truth::Stopped => "stopped",
        Truth::AnotherHasItsNumber => "stopped, its number is another's",
    }
}

/// A command that leaves a process behind on purpose.
fn command(bench: &Bench, folder: &Folder, name: &str, words: &[String]) -> Result<(u8, Trace)> {
    let file = folder.file(name);
    let mut command = Command::new(&bench.program);
    command.args(["--trace", "json", "--trace-file"]).arg(&file).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(File::create(folder.file("err"))?).spawn()?;
    let deadline = Instant::now() + LIMIT;
    let code = loop {
        match child.try_wait()? {
            Some(status) => break crate::place::code_of(status),
            None if Instant::now() > deadline => {
                child.kill()?;
                child.wait()?;
                break 137;
            }
            None => sleep(Duration::from_millis(1)),
        }
    };
    Ok((code, Trace::parse(&fs::read_to_string(file).unwrap_or_default()).unwrap_or_default()))
}

/// 12.2: the process waits without its maker, and goes on for another.
pub(crate) fn gate(bench: &mut Bench) -> Result<Verdict> {
    prctl_set_child_subreaper("get the process that create leaves")?;
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let directory = folder.file("container");
    fs::create_dir(&directory)?;
    let at = words(["--folder", &text(&directory)]);
    let here = bench.here(&folder, code);
    let create = [words(["create"]), at.clone(), words(["--"]), here].concat();
    let (created, trace) = command(bench, &folder, "create", &create)?;
    let init = trace.births().next().map(|(_, pid)| Pid::from_raw(pid));
    // What does not wait runs CMD now, or ends.
    sleep(Duration::from_millis(50));
    let is_there = init.is_some_and(|pid| matches!(started_and_ended(pid), Some((_, false))));
    let waits = is_there && init.and_then(has_become_another) == Some(false);
    let too_early = ready(folder.path()).exists();
    let (started, _) = command(bench, &folder, "start", &[words(["start"]), at].concat())?;
    let runs = started == 0 && until(|| ready(folder.path()).exists());
    let is_cmd = init.and_then(has_become_another) == Some(true);
    fs::write(go(folder.path()), "")?;
    let status = init.map(|pid| end_of(pid, runs));
    let criteria = vec![
        criterion("create succeeds", created == 0, || format!("it ended with {created}")),
        criterion("when create has ended, its process is there and waits", waits, || {
            match (is_there, init) {
                (true, _) => "it is another program already".to_string(),
                (false, Some(_)) => "it has ended".to_string(),
                (false, None) => "create has made none".to_string(),
            }
        }),
        criterion("CMD does not run before start", !too_early, || {
            "it said that it is there".to_string()
        }),
        criterion("start makes the process run CMD", runs && is_cmd, || {
            format!("start ended with {started}, and {NEVER_SEEN}")
        }),
        criterion("CMD ends as it likes", status == Some(Some(code)), || {
            format!("expected {code}, it came to {:?}", status.flatten())
        }),
    ];
    let said = fs::read_to_string(folder.file("err")).unwrap_or_default();
    Ok(Verdict::Judged { criteria, said })
}

/// The exit code of a process that has fallen to us; one that does not run CMD is ended.
fn end_of(pid: Pid, runs: bool) -> Option<u8> {
    if !runs {
        let _ = kill(pid, Signal::SIGKILL, "leave nothing behind");
    }
    wait(pid, "take what create has left").ok().map(|waited| waited.status.code())
}

/// 12.3: four hooks by two processes.
pub(crate) fn hooks(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let names = ["create-runtime", "create-container", "start-container", "poststart"];
    let said = names.map(|_| bench.chance.word("hook-"));
    let each = names.iter().zip(&said);
    let options: Vec<String> =
        each.flat_map(|(name, word)| [format!("--{name}"), word.clone()]).collect();
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let here = bench.here(&folder, code);
    let run = Launch::new(&bench.program, options.clone(), here).run(&folder)?;
    let missing = Folder::new()?;
    let nowhere = words(["/nowhere/at/all"]);
    let failing = Launch::new(&bench.program, options, nowhere).run(&missing)?;
    let trace = &run.trace;
    let [runtime, container, start, post] = said.each_ref().map(|word| called(trace, word));
    let mounted = trace.done("mount").last();
    let root = trace.done("pivot_root").next();
    let program = trace.became(&run.command);
    let before = |one: Option<usize>, other: Option<usize>| {
        one.zip(other).is_some_and(|(one, other)| trace.before(one, other))
    };
    let order = |what: &str, one, other| {
        criterion(what, before(one, other), || {
            "nothing in the trace made the one wait for the other".to_string()
        })
    };
    let by = |what: &str, hook: Option<usize>, command: bool| {
        let right = hook.is_some_and(|at| is_by_the_command(trace, at) == Some(command));
        criterion(what, right, || match hook {
            None => "it was not called".to_string(),
            Some(_) => "the other process has called it".to_string(),
        })
    };
    let too_late = called(&failing.trace, &said[3]).is_some();
    let criteria = vec![
        in_a_child(&run),
        by("createRuntime is called by the command", runtime, true),
        by("createContainer is called by the new process", container, false),
        by("startContainer is called by the new process", start, false),
        by("poststart is called by the command", post, true),
        order("the mounts are there before createRuntime", mounted, runtime),
        order("createRuntime has ended before createContainer", runtime, container),
        order("createContainer has ended before the root is changed", container, root),
        order("the root is changed before startContainer", root, start),
        order("startContainer has ended before CMD runs", start, program),
        criterion("poststart is not called when CMD cannot be run", !too_late, || {
            "it was called".to_string()
        }),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

/// Where the hook with this word has said that it was called.
fn called(trace: &Trace, word: &str) -> Option<usize> {
    let wanted = Arg::Text(word.to_string());
    trace.done("memfd_create").find(|at| trace.at(*at).args.first() == Some(&wanted))
}

/// Whether the process that has made the hook is the first one.
fn is_by_the_command(trace: &Trace, hook: usize) -> Option<bool> {
    let process = trace.at(hook).host_pid;
    let (birth, _) = trace.births().find(|(_, child)| *child == process)?;
    Some(trace.is_first(trace.at(birth).host_pid))
}

const FILES: [&str; 3] = ["door", "config.json", "state.json"];

fn container(folder: &Folder, files: &[&str]) -> Result<PathBuf> {
    let container = folder.file("container");
    fs::create_dir(&container)?;
    files.iter().try_for_each(|name| fs::write(container.join(name), "{}"))?;
    Ok(container)
}

/// 12.4: as often as one likes, and from wherever it was killed.
pub(crate) fn twice(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    let path = container(&folder, &FILES)?;
    let init = Init::running()?;
    let launch = |options| Launch::new(&bench.program, options, Vec::new());
    let run = launch(init.words(&path)).run(&folder)?;
    let (dead, gone) = (!init.lives(), !path.exists());
    let last = last_unlinked(&run.trace);
    let again = launch(init.words(&path)).run(&folder)?;
    let some = bench.chance.some_of(&FILES[..2]);
    let few = Folder::new()?;
    let path = container(&few, &some)?;
    let mut other = Init::running()?;
    other.started -= 1;
    let partly = launch(other.words(&path)).run(&few)?;
    let mut spared = other;
    spared.started += 1;
    let spares = spared.lives();
    let (killed, stuck) = killed_everywhere(bench)?;
    let criteria = vec![
        criterion("the process is ended", dead, || "it lives on".to_string()),
        criterion("nothing is left of the folder", gone, || "it is still there".to_string()),
        criterion("state.json goes last", last.as_deref() == Some("state.json"), || {
            format!("the last file that was removed is {}", last.clone().unwrap_or_default())
        }),
        ended_with(&run, "the first time it ends with 0", 0),
        ended_with(&again, "the second time it ends with 0, too", 0),
        ended_with(&partly, "what is gone already is no error", 0),
        criterion("whoever has the number now is spared", spares, || "it was killed".to_string()),
        criterion("it was killed in place of each request", killed >= 5, || {
            format!("it makes only {killed} requests")
        }),
        criterion("wherever it was killed, the next call finishes", stuck.is_empty(), || {
            format!("not when it was killed in place of request {}", stuck.join(", "))
        }),
    ];
    Ok(judged(criteria, &run))
}

fn last_unlinked(trace: &Trace) -> Option<String> {
    let at = trace.done("unlink").last()?;
    match trace.at(at).args.first() {
        Some(Arg::Path(path)) => path.rsplit('/').next().map(str::to_string),
        _ => None,
    }
}

/// How many requests it makes, and after which of them a second call does not finish the work.
fn killed_everywhere(bench: &Bench) -> Result<(usize, Vec<String>)> {
    let mut stuck = Vec::new();
    for number in 1..20 {
        let folder = Folder::new()?;
        let path = container(&folder, &FILES)?;
        let init = Init::running()?;
        let kill_at = words(["--kill-at", &format!("parent:{number}")]);
        let launch = |options| Launch::new(&bench.program, options, Vec::new());
        let run = launch([kill_at, init.words(&path)].concat()).run(&folder)?;
        if run.code != Some(137) {
            return Ok((number - 1, stuck));
        }
        let again = launch(init.words(&path)).run(&folder)?;
        if again.code != Some(0) || init.lives() || path.exists() {
            stuck.push(number.to_string());
        }
    }
    bail!("it makes more requests than there is to do")
}
