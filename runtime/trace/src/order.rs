//! In which order do several processes stand in a trace that is the same in every run?
//!
//! What one process does has an order. What two do at the same time has none, and the trace shows
//! whatever happened in that run. [`canonical`] takes the lists of all processes apart and runs them
//! again as a scheduler would that always prefers the oldest process that can go on: a process
//! starts when its parent's request has made it, waits in `waitid` for the other's last request, in
//! `recvfrom` for the parent's or the child's `sendto` (and so for `recvmsg` and `sendmsg`), and in
//! `sigwaitinfo` until nobody else can go on.

use std::collections::{HashMap, VecDeque};

use crate::{Arg, Event, Kin, Outcome, Record};

/// `events` in the order of the scheduler that always prefers the oldest process.
pub fn canonical(events: &[Event]) -> Vec<Event> {
    let mut replay = Replay::new(events);
    let mut ordered = Vec::with_capacity(events.len());
    while let Some(event) = replay.next() {
        ordered.push(event);
    }
    ordered
}

struct Replay<'a> {
    /// The processes in the order of their birth, as far as they are born.
    born: Vec<i32>,
    lists: HashMap<i32, VecDeque<&'a Event>>,
    parents: HashMap<i32, i32>,
    kin: Kin,
    /// How many messages each process has sent and received.
    sent: HashMap<i32, usize>,
    received: HashMap<i32, usize>,
}

impl<'a> Replay<'a> {
    fn new(events: &'a [Event]) -> Replay<'a> {
        let mut lists: HashMap<i32, VecDeque<&Event>> = HashMap::new();
        for event in events {
            lists.entry(event.host_pid()).or_default().push_back(event);
        }
        let born = events.first().map(Event::host_pid).into_iter().collect();
        let (parents, sent, received) = (HashMap::new(), HashMap::new(), HashMap::new());
        Replay { born, lists, parents, kin: Kin::of(events), sent, received }
    }

    fn next(&mut self) -> Option<Event> {
        let mut ready = self.born.iter().copied().filter(|pid| self.can_go_on(*pid));
        let pid = ready.clone().find(|pid| !self.listens(*pid)).or_else(|| ready.next());
        let pid = pid.or_else(|| self.stuck())?;
        let event = self.lists.get_mut(&pid)?.pop_front()?.clone();
        if let Event::Request(record) = &event {
            self.follow(record);
        }
        Some(event)
    }

    /// Nobody can go on by these rules: take the event that really came first.
    fn stuck(&self) -> Option<i32> {
        let heads = self.lists.iter().filter_map(|(pid, list)| Some((*pid, *list.front()?)));
        let seq = |event: &Event| match event {
            Event::Request(record) => record.seq,
            Event::Step(_) | Event::State(_) => 0,
        };
        heads.min_by_key(|(pid, event)| (seq(event), *pid)).map(|(pid, _)| pid)
    }

    fn can_go_on(&self, pid: i32) -> bool {
        match self.lists.get(&pid).and_then(|list| list.front()) {
            None => false,
            Some(Event::Request(record)) => !self.waits(record),
            Some(Event::Step(_) | Event::State(_)) => true,
        }
    }

    fn waits(&self, record: &Record) -> bool {
        match record.call.as_ref() {
            "waitid" => self.ended_process(record).is_some_and(|pid| self.has_more(pid)),
            "recvfrom" | "recvmsg" => {
                self.received(record.host_pid) >= self.sent_to(record.host_pid)
            }
            _ => false,
        }
    }

    /// Who waits for a signal waits for somebody: what others can do meanwhile comes first.
    fn listens(&self, pid: i32) -> bool {
        let next = self.lists.get(&pid).and_then(|list| list.front());
        matches!(next, Some(Event::Request(record)) if record.call == "sigwaitinfo")
    }

    fn has_more(&self, pid: i32) -> bool {
        self.lists.get(&pid).is_some_and(|list| !list.is_empty())
    }

    fn received(&self, pid: i32) -> usize {
        self.received.get(&pid).copied().unwrap_or(0)
    }

    /// How much this process's relatives have sent: its parent, and its children.
    fn sent_to(&self, pid: i32) -> usize {
        let children = self.parents.iter().filter(|(_, parent)| **parent == pid);
        let relatives = self.parents.get(&pid).into_iter().chain(children.map(|(child, _)| child));
        relatives.filter_map(|relative| self.sent.get(relative)).sum()
    }

    fn follow(&mut self, record: &Record) {
        let pid = record.host_pid;
        match (record.call.as_ref(), &record.outcome) {
            ("clone3" | "fork", Outcome::Result(Arg::Pid(child))) => {
                let child = self.kin.outside(pid, *child).unwrap_or(*child);
                self.parents.insert(child, pid);
                self.born.push(child);
            }
            ("sendto" | "sendmsg", _) => *self.sent.entry(pid).or_default() += 1,
            ("recvfrom" | "recvmsg", _) => *self.received.entry(pid).or_default() += 1,
            _ => {}
        }
    }

    /// Whose status a `waitid` has taken.
    fn ended_process(&self, record: &Record) -> Option<i32> {
        let Outcome::Result(Arg::Fields(fields)) = &record.outcome else {
            return None;
        };
        if fields.iter().any(|(name, _)| name == "stopped") {
            return None;
        }
        let number = fields.iter().find_map(|(name, value)| match value {
            Arg::Pid(pid) if name == "si_pid" => Some(*pid),
            _ => None,
        })?;
        self.kin.outside(record.host_pid, number)
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use crate::{Arg, Event, Outcome, Record};

    fn request(seq: u64, pid: i32, call: &'static str, result: Arg) -> Event {
        Event::Request(Record {
            seq,
            role: "r".into(),
            pid,
            host_pid: pid,
            step: Vec::new(),
            call: call.into(),
            primitive: call.into(),
            args: Vec::new(),
            outcome: Outcome::Result(result),
            micros: 0,
            why: "see".into(),
            source: "x".into(),
            cleans_up: false,
        })
    }

    fn calls(events: &[Event]) -> Vec<String> {
        let name = |event: &Event| match event {
            Event::Request(record) => format!("{} {}", record.host_pid, record.call),
            _ => String::new(),
        };
        events.iter().map(name).collect()
    }

    #[test]
    fn two_runs_that_differ_in_timing_have_one_order() {
        let zero = || Arg::Number(0);
        let ended = || Arg::Fields(vec![("si_pid".into(), Arg::Pid(2))]);
        let one = [
            request(1, 1, "clone3", Arg::Pid(2)),
            request(2, 2, "prctl", zero()),
            request(3, 1, "write", zero()),
            request(4, 1, "sendto", zero()),
            request(5, 2, "recvfrom", zero()),
            request(6, 2, "execve", zero()),
            request(7, 1, "waitid", ended()),
        ];
        let other: Vec<Event> = [0, 2, 3, 1, 4, 5, 6].map(|i: usize| one[i].clone()).to_vec();
        assert_eq!(calls(&canonical(&one)), calls(&canonical(&other)));
        let order = calls(&canonical(&one));
        assert_eq!(order[..4], ["1 clone3", "1 write", "1 sendto", "2 prctl"]);
        assert_eq!(order[6], "1 waitid");
    }

    #[test]
    fn a_child_in_another_pid_namespace_comes_where_it_belongs() {
        use crate::kin::tests::{birth, request};
        let zero = || Arg::Number(0);
        let ended = |pid| Arg::Fields(vec![("si_pid".into(), Arg::Pid(pid))]);
        let events = [
            birth((1, 100, 100), "CLONE_NEWPID", 101),
            birth((2, 101, 1), "CLONE_PIDFD", 2),
            request((3, 102, 2), "execve", Vec::new(), zero()),
            request((4, 101, 1), "waitid", Vec::new(), ended(2)),
            request((5, 100, 100), "waitid", Vec::new(), ended(101)),
        ];
        let order = calls(&canonical(&events));
        assert_eq!(order, ["100 clone3", "101 clone3", "102 execve", "101 waitid", "100 waitid"]);
    }

    #[test]
    fn nothing_is_lost_when_nobody_can_go_on() {
        let events =
            [request(1, 1, "recvfrom", Arg::Number(0)), request(2, 9, "recvfrom", Arg::Number(0))];
        assert_eq!(canonical(&events).len(), 2);
    }
}
