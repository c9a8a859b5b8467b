//! How does a trace look when everything that differs from run to run is taken out?
//!
//! Hiding goes by type ([`Arg`]), not by patterns over text: a pid gets a letter in the order in
//! which processes appear, so that the same letter is the same process; a namespace or a pipe gets
//! a number in the same way; a descriptor and a time lose theirs; an id map loses its outside.
//! Processes that run at the same time are put into the one order that [`order`] gives, and one that
//! was killed half-way is left out: it has come as far as it has come.

use std::collections::HashMap;

use crate::{Arg, Change, Event, Kin, Outcome, Pretty, Record, StateChange, Style, order};

/// `events` as text that is the same in every run of the same program.
pub fn text(events: &[Event]) -> String {
    let mut hide = Hide::default();
    let mut pretty = Pretty::new(Style::plain());
    let hidden: Vec<Event> = told(events).iter().map(|event| hide.event(event)).collect();
    let text: String = hidden.iter().map(|event| pretty.render(event)).collect();
    hide.name_processes(&text)
}

/// What can be told of `events` in the same way in every run: in the one order that [`order`] gives,
/// and without processes that were killed half-way.
pub fn told(events: &[Event]) -> Vec<Event> {
    let cut_short = cut_short(events);
    let whole = |event: &&Event| !cut_short.contains(&event.host_pid());
    order::canonical(&events.iter().filter(whole).cloned().collect::<Vec<Event>>())
}

/// The processes that somebody in this trace has killed, as their parent's wait confirms.
fn cut_short(events: &[Event]) -> Vec<i32> {
    let kin = Kin::of(events);
    let mut killed: Vec<i32> = Vec::new();
    for event in events {
        let Event::Request(Record { host_pid, call, args, outcome, .. }) = event else { continue };
        let outside = |pid: i32| kin.outside(*host_pid, pid).unwrap_or(pid);
        match (call.as_ref(), args.as_slice(), outcome) {
            ("kill", [Arg::Pid(pid), Arg::Word(signal)], Outcome::Result(_))
                if signal == "SIGKILL" =>
            {
                killed.push(outside(*pid));
            }
            ("waitid", _, Outcome::Result(Arg::Fields(fields))) => {
                let by_itself = fields.iter().any(|(name, _)| name == "exited");
                let ended = fields.iter().find_map(|(name, value)| match value {
                    Arg::Pid(pid) if name == "si_pid" => Some(outside(*pid)),
                    _ => None,
                });
                killed.retain(|pid| !(by_itself && ended == Some(*pid)));
            }
            _ => {}
        }
    }
    killed
}

/// Remembers which pid got which letter, and which object which number.
#[derive(Default)]
struct Hide {
    letters: HashMap<i32, usize>,
    objects: HashMap<(String, u64), usize>,
    /// Paths that were given a random name, with the name they were asked for by.
    temporary: Vec<(String, String)>,
}

impl Hide {
    fn event(&mut self, event: &Event) -> Event {
        match event {
            Event::Request(record) => Event::Request(self.record(record)),
            Event::Step(note) => Event::Step(note.clone()),
            Event::State(state) => Event::State(self.state(state)),
        }
    }

    fn record(&mut self, record: &Record) -> Record {
        self.letter(record.host_pid);
        if let ([Arg::Path(asked)], Outcome::Result(Arg::Path(got))) =
            (record.args.as_slice(), &record.outcome)
        {
            self.temporary.push((got.clone(), asked.clone()));
        }
        Record {
            args: record.args.iter().map(|arg| self.arg(arg)).collect(),
            outcome: match &record.outcome {
                Outcome::Result(value) => Outcome::Result(self.arg(value)),
                other => other.clone(),
            },
            micros: 0,
            ..record.clone()
        }
    }

    fn state(&mut self, state: &StateChange) -> StateChange {
        let changes = state.changes.iter().map(|change| Change {
            what: self.arg(&change.what),
            before: change.before.as_ref().map(|arg| self.arg(arg)),
            after: change.after.as_ref().map(|arg| self.arg(arg)),
        });
        StateChange { changes: changes.collect(), ..state.clone() }
    }

    fn arg(&mut self, arg: &Arg) -> Arg {
        match arg {
            Arg::Pid(pid) => Arg::Hidden(format!("pid {}", self.pid(*pid))),
            Arg::PidText(pid) => Arg::Hidden(format!("\"{}\"", self.pid(*pid))),
            Arg::ProcPath { pid, file } => {
                Arg::Hidden(format!("\"/proc/{}/{file}\"", self.pid(*pid)))
            }
            Arg::Path(path) => Arg::Path(self.path(path)),
            Arg::FdPath { fd, file } if *fd > 2 => {
                Arg::Hidden(format!("\"{}\"", crate::arg::fd_path("_", file)))
            }
            // Programs of the same name have another length on each machine.
            Arg::Data(_) => Arg::Hidden("<… bytes>".into()),
            // Whether the program runs in the first cgroup or further down must not show either.
            Arg::CgroupPath { mount, file, .. } => {
                Arg::Path(crate::arg::cgroup_path(mount, "…", &self.without_pids(file)))
            }
            Arg::Fd(fd) if *fd > 2 => Arg::Hidden("fd _".into()),
            Arg::Object { kind, inode } => {
                Arg::Hidden(format!("{kind}:[#{}]", self.object(kind, *inode)))
            }
            Arg::IdMap(lines) => Arg::Hidden(map_shape(lines)),
            Arg::List(items) => Arg::List(items.iter().map(|item| self.arg(item)).collect()),
            Arg::Fields(fields) => Arg::Fields(
                fields.iter().map(|(name, value)| (name.clone(), self.arg(value))).collect(),
            ),
            other => other.clone(),
        }
    }

    /// The name of a cgroup, which may be that of the process that made it.
    fn without_pids(&self, file: &str) -> String {
        let named =
            |text: String, pid: &i32| text.replace(&format!("porthole-{pid}"), "porthole-PID");
        self.letters.keys().fold(file.to_string(), named)
    }

    /// A path with what was random in it as it was before: `/tmp/x-XXXXXX`.
    fn path(&self, path: &str) -> String {
        let known = self.temporary.iter().find(|(got, _)| path.starts_with(got));
        known.map_or(path.to_string(), |(got, asked)| path.replacen(got, asked, 1))
    }

    /// A pid as it may stand in a golden file. Small ones come from a new pid namespace, where they
    /// are the same in each run; 0 and below stand for several processes.
    fn pid(&mut self, pid: i32) -> String {
        match pid {
            // All of a process group, which has the number of its first process.
            ..=-10 => format!("-{}", self.letter(-pid)),
            -9..=9 => pid.to_string(),
            _ => self.letter(pid),
        }
    }

    /// The number of an object among those of its kind, from 1.
    fn object(&mut self, kind: &str, inode: u64) -> usize {
        let next = 1 + self.objects.keys().filter(|(other, _)| other == kind).count();
        *self.objects.entry((kind.to_string(), inode)).or_insert(next)
    }

    fn letter(&mut self, pid: i32) -> String {
        let next = self.letters.len();
        let index = *self.letters.entry(pid).or_insert(next);
        letter(index)
    }

    /// Head lines carry the numbers themselves; they are replaced where they stand.
    fn name_processes(&self, text: &str) -> String {
        let line = |line: &str| match line.starts_with(' ') {
            true => format!("{line}\n"),
            false => format!("{}\n", self.head(line)),
        };
        text.lines().map(line).collect()
    }

    fn head(&self, line: &str) -> String {
        let (process, rest) = line.split_once(" › ").unwrap_or((line, ""));
        let words: Vec<String> = process.split(' ').map(|word| self.head_word(word)).collect();
        match rest {
            "" => words.join(" "),
            _ => format!("{} › {rest}", words.join(" ")),
        }
    }

    fn head_word(&self, word: &str) -> String {
        match word.parse::<i32>().ok().and_then(|pid| self.letters.get(&pid)) {
            Some(index) => letter(*index),
            None => word.to_string(),
        }
    }
}

fn letter(index: usize) -> String {
    let name = char::from(b'A' + (index % 26) as u8);
    match index / 26 {
        0 => name.to_string(),
        round => format!("{name}{round}"),
    }
}

/// The map with its outside ids hidden: they are those of whoever runs the program.
fn map_shape(lines: &[[u32; 3]]) -> String {
    let lines: Vec<String> =
        lines.iter().map(|[inside, _, count]| format!("{inside} _ {count}")).collect();
    format!("\"{}\"", lines.join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::{Arg, Event, Outcome, Record};

    fn request(host_pid: i32, pid: i32, arg: Arg) -> Event {
        Event::Request(Record {
            seq: 1,
            role: "child".into(),
            pid,
            host_pid,
            step: vec!["try it".into()],
            call: "kill".into(),
            primitive: "kill".into(),
            args: vec![arg],
            outcome: Outcome::Result(Arg::Number(0)),
            micros: 3,
            why: "see".into(),
            source: "x.rs:1".into(),
            cleans_up: false,
        })
    }

    #[test]
    fn the_same_process_gets_the_same_letter() {
        let events = [
            request(500, 500, Arg::Pid(501)),
            request(501, 1, Arg::Pid(1)),
            request(500, 500, Arg::ProcPath { pid: 501, file: "uid_map".into() }),
        ];
        let golden = text(&events);
        assert!(golden.contains("child A › try it\n  kill(pid B) = 0"), "{golden}");
        assert!(golden.contains("child B (1 inside) › try it\n  kill(pid 1) = 0"), "{golden}");
        assert!(golden.contains("kill(\"/proc/B/uid_map\")"), "{golden}");
    }

    #[test]
    fn another_run_gives_the_same_text() {
        let uts = |inode| Arg::Object { kind: "uts".into(), inode };
        let one = [request(500, 500, Arg::Fd(4)), request(900, 1, uts(77))];
        let two = [request(731, 731, Arg::Fd(9)), request(17, 1, uts(4))];
        assert_eq!(text(&one), text(&two));
        assert!(text(&one).contains("uts:[#1]"), "{}", text(&one));
    }
}
