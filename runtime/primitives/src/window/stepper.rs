//! What happens at a stop? The reader sees the request that is about to be made, and decides.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;

use nix::errno::Errno;
use trace::{Event, Record, StateChange, Words};

use crate::cards;
use crate::descriptors::out_of_the_way;
use crate::error::{Error, Result, errno_from_name};
use crate::window::state::State;
use crate::window::wire::Answer;

/// Asks the reader, and keeps what the kernel said of each process when it was last looked at.
pub(crate) struct Stepper {
    input: Box<dyn BufRead + Send>,
    /// Whether commands come from a file, so that they must be echoed to make sense in the output.
    scripted: bool,
    /// Whether to stop at every request, or at break points alone.
    stepping: bool,
    /// Whether the reader has had enough: then nothing more is asked, and everything ends.
    aborted: bool,
    states: HashMap<i32, State>,
}

const HELP: &str = "\
    next (n, or an empty line)  make this request and stop at the next one
    continue (c)                go on until a break point, or to the end
    fail ERRNO (f)              refuse this request with ERRNO, as if the kernel had
    explain (e)                 say what this request does in general
    state (s)                   show all that the kernel says of this process now
    abort (q)                   stop here; everything that was made is cleaned up
";

impl Stepper {
    /// Takes commands from a file, from standard input (`-`), or else from the terminal.
    pub(crate) fn open(commands: Option<&Path>, stepping: bool) -> Result<Stepper> {
        let (input, scripted): (Box<dyn BufRead + Send>, bool) = match commands {
            Some(path) if path == Path::new("-") => {
                (Box::new(BufReader::new(io::stdin())), !io::stdin().is_terminal())
            }
            Some(path) => (Box::new(BufReader::new(script(path)?)), true),
            None => (Box::new(BufReader::new(terminal()?)), false),
        };
        Ok(Stepper { input, scripted, stepping, aborted: false, states: HashMap::new() })
    }

    /// Stops before a request. `named` when a break point asked for it.
    pub(crate) fn stop(&mut self, record: &Record, named: bool) -> Answer {
        if self.aborted {
            return Answer::Abort;
        }
        if !self.stepping && !named {
            return Answer::Go;
        }
        self.look(record);
        self.show(record);
        let answer = self.converse(record);
        self.aborted = answer == Answer::Abort;
        answer
    }

    /// Looks again after a request: what did it change?
    pub(crate) fn after(&mut self, record: &Record) {
        let Some(before) = self.states.remove(&record.host_pid) else {
            return;
        };
        // Past its execve a process is another program, which does not wait until we have looked.
        if record.call == "execve" {
            return;
        }
        let now = State::of(record.host_pid);
        trace::emit(change(record, "since before this request", &before, &now));
        if self.stepping {
            self.states.insert(record.host_pid, now);
        }
    }

    /// Makes sure that there is a state to compare with later, and shows what sets a new process
    /// apart from its parent.
    fn look(&mut self, record: &Record) {
        if self.states.contains_key(&record.host_pid) {
            return;
        }
        let now = State::of(record.host_pid);
        let parent = parent_of(record.host_pid).and_then(|pid| self.states.get(&pid));
        if let Some(parent) = parent {
            let (parent, child) = (parent.without_children(), now.without_children());
            trace::emit(change(record, "compared with its parent", &parent, &child));
        }
        self.states.insert(record.host_pid, now);
    }

    fn show(&self, record: &Record) {
        let who = match record.pid == record.host_pid {
            true => format!("{} {}", record.role, record.host_pid),
            false => format!("{} {} ({} inside)", record.role, record.host_pid, record.pid),
        };
        let step = record.step.iter().map(|step| format!(" › {step}")).collect::<String>();
        eprintln!("[stop] {who}{step}");
        eprintln!("  about to: {}", record.request());
        eprintln!("    to {}", record.why);
    }

    fn converse(&mut self, record: &Record) -> Answer {
        loop {
            let Some(line) = self.line() else {
                eprintln!("(end of input)");
                return Answer::Abort;
            };
            let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match command {
                "" | "n" | "next" => return Answer::Go,
                "c" | "continue" => {
                    self.stepping = false;
                    self.states.retain(|pid, _| *pid == record.host_pid);
                    return Answer::Go;
                }
                "f" | "fail" => match errno_from_name(rest.trim()) {
                    Ok(errno) => return Answer::Refuse(errno as i32),
                    Err(says) => eprintln!("  {says}"),
                },
                "e" | "explain" => explain(record),
                "s" | "state" => show_state(record.host_pid),
                "q" | "quit" | "abort" => return Answer::Abort,
                _ => eprint!("{HELP}"),
            }
        }
    }

    /// The next command; `None` at the end of the input.
    fn line(&mut self) -> Option<String> {
        eprint!("(next, continue, fail, explain, state, abort, help) ");
        let _ = io::stderr().flush();
        let mut line = String::new();
        match self.input.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => {
                let line = line.trim().to_string();
                if self.scripted {
                    eprintln!("{line}");
                }
                Some(line)
            }
        }
    }
}

fn script(path: &Path) -> Result<File> {
    let unusable = |e: &dyn Display| Error::Unusable(format!("--commands {}: {e}", path.display()));
    let file = File::open(path).map_err(|e| unusable(&e))?;
    out_of_the_way(file.into()).map(File::from).map_err(|e| unusable(&e))
}

fn terminal() -> Result<File> {
    let none = "there is no terminal to ask on: give the answers with --commands FILE";
    let file = File::open("/dev/tty").map_err(|_| Error::Unusable(none.to_string()))?;
    out_of_the_way(file.into()).map(File::from).map_err(|_| Error::Unusable(none.to_string()))
}

fn change(record: &Record, since: &'static str, before: &State, now: &State) -> Event {
    Event::State(StateChange {
        role: record.role.clone(),
        host_pid: record.host_pid,
        since: Words::Borrowed(since),
        changes: before.changes(now),
    })
}

/// The parent, from the fourth field of `/proc/PID/stat`; the second may hold blanks and brackets.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn explain(record: &Record) {
    match cards::explain(&record.primitive, None) {
        Some(text) => text.lines().for_each(|line| eprintln!("  {line}")),
        None => eprintln!("  there is no card for {}", record.primitive),
    }
}

fn show_state(pid: i32) {
    let state = State::of(pid);
    if state.is_empty() {
        return eprintln!("  process {pid} cannot be looked at: {}", Errno::ESRCH.desc());
    }
    for change in state.all() {
        if let Some(value) = change.after {
            eprintln!("  {}: {value}", change.what);
        }
    }
}
