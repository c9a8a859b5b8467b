//! What happens at a stop? The reader sees the request that is about to be made, and decides.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use trace::{Arg, Event, Pretty, Record, StateChange, Style, Words};

use crate::cards;
use crate::descriptors::out_of_the_way;
use crate::error::{Error, Result, errno_from_name};
use crate::process;
use crate::window::args::{Form, WindowArgs};
use crate::window::state::State;
use crate::window::wire::Answer;

/// Asks the reader, and keeps what the kernel said of each process when it was last looked at.
pub(crate) struct Stepper {
    input: File,
    /// Whether commands come from a file, so that they must be echoed to make sense in the output.
    scripted: bool,
    /// Whether to stop at every request, or at break points alone.
    stepping: bool,
    /// Whether the reader has had enough: then nothing more is asked, and everything ends.
    aborted: bool,
    /// Whether what changed must be shown here, because the trace goes elsewhere or nowhere.
    shows_changes: bool,
    states: HashMap<i32, State>,
    /// The processes that the request of now is about, besides the one that makes it.
    others: HashMap<i32, State>,
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
    pub(crate) fn open(args: &WindowArgs, form: Form) -> Result<Stepper> {
        let (input, scripted) = match args.commands.as_deref() {
            Some(path) if path == Path::new("-") => (standard_input()?, !io::stdin().is_terminal()),
            Some(path) => (script(path)?, true),
            None => (terminal()?, false),
        };
        Ok(Stepper {
            input,
            scripted,
            stepping: args.step,
            aborted: false,
            shows_changes: form == Form::Off || args.trace_file.is_some(),
            states: HashMap::new(),
            others: HashMap::new(),
        })
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
        self.tell(change(record, "since before this request", &before, &now));
        if self.stepping {
            self.states.insert(record.host_pid, now);
        }
        self.after_for_another(record);
    }

    /// A request may change another process than the one that makes it, as the writing of a map does.
    fn after_for_another(&mut self, record: &Record) {
        let Some(pid) = other_process(record) else { return };
        let Some(before) = self.others.remove(&pid) else { return };
        let now = State::of(pid);
        self.tell(change(record, "in the process that it is about", &before, &now));
        if let Some(known) = self.states.get_mut(&pid) {
            *known = now;
        }
    }

    /// Writes down a change, and shows it here when the trace is not before the reader's eyes.
    fn tell(&self, event: Event) {
        if self.shows_changes {
            eprint!("{}", Pretty::new(Style { width: 80, ..Style::plain() }).render(&event));
        }
        trace::emit(event);
    }

    /// Makes sure that there is a state to compare with later, and shows what sets a new process
    /// apart from its parent.
    fn look(&mut self, record: &Record) {
        if let Some(pid) = other_process(record) {
            self.others.insert(pid, State::of(pid));
        }
        if self.states.contains_key(&record.host_pid) {
            return;
        }
        let now = State::of(record.host_pid);
        let parent = process::stat_field(record.host_pid, PARENT);
        let parent = parent.and_then(|pid: i32| self.states.get(&pid));
        if let Some(parent) = parent {
            let (parent, child) = (parent.without_children(), now.without_children());
            self.tell(change(record, "compared with its parent", &parent, &child));
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
        let line = self.read_line()?;
        let line = line.trim().to_string();
        if self.scripted {
            eprintln!("{line}");
        }
        Some(line)
    }

    /// Byte by byte: what comes after the line may be meant for the program.
    fn read_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while matches!(self.input.read(&mut byte), Ok(1)) {
            if byte == *b"\n" {
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            line.push(byte[0]);
        }
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned())
    }
}

/// The parent's place among the fields of `/proc/PID/stat`.
const PARENT: usize = 1;

/// The other process that a request changes, if there is one.
fn other_process(record: &Record) -> Option<i32> {
    let about = |arg: &Arg| match arg {
        Arg::ProcPath { pid, .. } => Some(*pid),
        _ => None,
    };
    record.args.iter().find_map(about).filter(|pid| *pid != record.host_pid)
}

fn standard_input() -> Result<File> {
    let unusable = |e: &dyn Display| Error::Unusable(format!("--commands -: {e}"));
    let copy = io::stdin().as_fd().try_clone_to_owned().map_err(|e| unusable(&e))?;
    out_of_the_way(copy).map(File::from).map_err(|e| unusable(&e))
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
