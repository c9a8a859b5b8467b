//! Who has the terminal?
//!
//! A terminal has one foreground group: it gets what is typed, and the signals of Ctrl-C and Ctrl-Z.
//! A shell gives the terminal to the job that it starts and takes it back when the job stops or ends.
//! Our program is in a group of its own, so we do for it what the shell has done for us.

use std::fs::{self, File};
use std::io::{IsTerminal, Read, Seek, stdin};
use std::os::fd::AsFd;

use primitives::{Pid, Result, Signal, block_signals, getpid, step, tcsetpgrp};

/// The terminal on standard input, whether or not our group has it at the moment.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Opened out here: whoever reads it in there still sees the numbers from out here, where a
    /// process cannot be named that is not in its own pid namespace. None where there is no /proc.
    stat: Option<File>,
    /// Whether a shell waits that can wake our group when it was stopped. Where none does, the group
    /// is "orphaned", and what is stopped stays so (setpgid(2)).
    pub(crate) can_be_woken: bool,
}

/// What `/proc/PID/stat` says of a process and its terminal (proc_pid_stat(5)).
struct Stat {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    terminal: i32,
    foreground: i32,
}

impl Terminal {
    /// None when standard input is no terminal, or this process's session has none.
    pub(crate) fn ours() -> Option<Terminal> {
        let mut terminal =
            Terminal { stat: File::open("/proc/self/stat").ok(), can_be_woken: false };
        let stat = terminal.stat();
        terminal.can_be_woken = stat.as_ref().is_some_and(Stat::has_a_shell);
        let has_one = stat.is_none_or(|stat| stat.terminal != 0);
        (stdin().is_terminal() && has_one).then_some(terminal)
    }

    // ANCHOR: hands
    /// Whether the group of the process that opened this is the foreground group.
    pub(crate) fn is_in_our_hands(&self) -> bool {
        self.stat().is_none_or(|stat| stat.foreground == stat.group)
    }
    // ANCHOR_END: hands

    /// Makes our group the foreground again, unless somebody who lives has the terminal.
    pub(crate) fn take_back(&self) -> Result<()> {
        let Some(stat) = self.stat() else { return Ok(()) };
        // A group outside of our pid namespace has no number in here, or /proc shows another's.
        let has_a_name = stat.group != 0 && stat.pid == getpid().as_raw();
        if stat.foreground == stat.group || !has_a_name || has_members(stat.foreground) {
            return Ok(());
        }
        step("take the terminal back", || {
            block_signals(&[Signal::SIGTTOU], "not be stopped for taking what is not ours yet")?;
            let group = Pid::from_raw(stat.group);
            tcsetpgrp(stdin().as_fd(), group, "leave the terminal to whoever called us")
        })
    }

    fn stat(&self) -> Option<Stat> {
        let mut file = self.stat.as_ref()?;
        let mut text = String::new();
        file.rewind().ok()?;
        file.read_to_string(&mut text).ok()?;
        parse(&text)
    }
}

impl Stat {
    /// Whether the parent is in the same session and in another group: then it is a shell, and we are
    /// its job.
    fn has_a_shell(&self) -> bool {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.parent)).unwrap_or_default();
        parse(&text)
            .is_some_and(|parent| parent.session == self.session && parent.group != self.group)
    }
}

fn parse(text: &str) -> Option<Stat> {
    // The name before it may hold blanks and brackets.
    let (start, rest) = text.rsplit_once(") ")?;
    let (pid, _) = start.split_once(' ')?;
    let mut numbers = rest.split(' ').skip(1).map(|number| number.parse().ok());
    let mut next = || numbers.next()?;
    Some(Stat {
        pid: pid.parse().ok()?,
        parent: next()?,
        group: next()?,
        session: next()?,
        terminal: next()?,
        foreground: next()?,
    })
}

fn has_members(group: i32) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter_map(|text| parse(&text)).any(|stat| stat.group == group)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_line_of_proc_is_read_also_when_the_name_is_a_trap() {
        let stat = parse("77 (a) S 1 2) S 70 77 60 34816 90 4194304 0").unwrap();
        assert_eq!((stat.pid, stat.parent, stat.group, stat.session), (77, 70, 77, 60));
        assert_eq!((stat.terminal, stat.foreground), (34816, 90));
    }
}
