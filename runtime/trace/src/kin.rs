//! Who is meant by a number, when processes number each other differently?
//!
//! In a new pid namespace the numbers begin again at 1, so the child that a process calls 2 is another
//! one than the child that a second process calls 2, and both have further numbers outside. Records
//! have numbers as their process saw them; here they become those of the process that has the window.

use std::collections::HashMap;

use crate::{Arg, Event, Outcome, Record};

/// A pid namespace: the one of the window, or the nth that the trace shows being made.
type Room = usize;

const OUTSIDE: Room = 0;

/// The processes of a trace, with the numbers that they have for each other.
#[derive(Debug, Default)]
pub struct Kin {
    /// Where each process is, and where its children are born, by its number outside.
    rooms: HashMap<i32, (Room, Room)>,
    /// The number outside, by what a process is called in a room.
    outside: HashMap<(Room, i32), i32>,
    /// Children that have not been heard of yet.
    expected: Vec<Birth>,
    made: Room,
}

/// A request that has made a process.
#[derive(Debug)]
struct Birth {
    parents_room: Room,
    room: Room,
    /// What the parent calls it.
    number: i32,
}

impl Kin {
    /// Reads who is who off a trace. A child's first record comes after the one of its birth.
    pub fn of(events: &[Event]) -> Kin {
        let mut kin = Kin::default();
        for event in events {
            let Event::Request(record) = event else { continue };
            kin.meet(record);
            kin.follow(record);
        }
        kin
    }

    /// The number outside of the process that the process `by` calls `number`; none when nothing was
    /// heard of it.
    pub fn outside(&self, by: i32, number: i32) -> Option<i32> {
        match self.rooms.get(&by) {
            None | Some((OUTSIDE, _)) => Some(number),
            Some((room, _)) => self.outside.get(&(*room, number)).copied(),
        }
    }

    /// Finds out whose child a process is that is heard of for the first time.
    fn meet(&mut self, record: &Record) {
        let host = record.host_pid;
        if self.rooms.contains_key(&host) {
            return;
        }
        let Some(at) = self.expected.iter().position(|birth| birth.is_of(record)) else {
            self.rooms.insert(host, (OUTSIDE, OUTSIDE));
            return;
        };
        let birth = self.expected.remove(at);
        self.rooms.insert(host, (birth.room, birth.room));
        self.outside.insert((birth.parents_room, birth.number), host);
        self.outside.insert((birth.room, record.pid), host);
    }

    fn follow(&mut self, record: &Record) {
        if !record.outcome.is_success() {
            return;
        }
        let (room, for_children) = self.rooms[&record.host_pid];
        match (record.call.as_ref(), &record.outcome) {
            ("clone3" | "fork", Outcome::Result(Arg::Pid(number))) => {
                let born_in = if names_pid(record) { self.another_room() } else { for_children };
                self.expected.push(Birth { parents_room: room, room: born_in, number: *number });
            }
            // It is the children who are in the other namespace from now on.
            ("unshare" | "setns", _) if names_pid(record) => {
                let other = self.another_room();
                self.rooms.insert(record.host_pid, (room, other));
            }
            _ => {}
        }
    }

    fn another_room(&mut self) -> Room {
        self.made += 1;
        self.made
    }
}

impl Birth {
    /// Whether the process that made this record can be the one that was born.
    fn is_of(&self, record: &Record) -> bool {
        match self.parents_room {
            OUTSIDE => self.number == record.host_pid,
            // Of a child in another room the parent's number says nothing; it is the next one.
            room if room != self.room => record.pid == 1,
            _ => self.number == record.pid && record.pid != record.host_pid,
        }
    }
}

/// Whether a request is about a new pid namespace.
fn names_pid(record: &Record) -> bool {
    fn named(arg: &Arg) -> bool {
        match arg {
            Arg::Word(words) => words.split('|').any(|word| word == "CLONE_NEWPID"),
            Arg::Fields(fields) => fields.iter().any(|(_, value)| named(value)),
            _ => false,
        }
    }
    record.args.iter().any(named)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Kin;
    use crate::{Arg, Event, Outcome, Record};

    /// A request of the process that is `host` outside and `pid` for itself.
    pub(crate) fn request(
        (seq, host, pid): (u64, i32, i32),
        call: &'static str,
        args: Vec<Arg>,
        result: Arg,
    ) -> Event {
        Event::Request(Record {
            seq,
            role: "r".into(),
            pid,
            host_pid: host,
            step: Vec::new(),
            call: call.into(),
            primitive: call.into(),
            args,
            outcome: Outcome::Result(result),
            micros: 0,
            why: "see".into(),
            source: "x".into(),
            cleans_up: false,
        })
    }

    pub(crate) fn birth(who: (u64, i32, i32), flags: &str, number: i32) -> Event {
        let flags = Arg::Fields(vec![("flags".into(), Arg::Word(flags.into()))]);
        request(who, "clone3", vec![flags], Arg::Pid(number))
    }

    fn alive(who: (u64, i32, i32)) -> Event {
        request(who, "prctl", Vec::new(), Arg::Number(0))
    }

    #[test]
    fn two_processes_that_are_both_called_2_are_told_apart() {
        let new = "CLONE_NEWUSER|CLONE_NEWPID|CLONE_PIDFD";
        let kin = Kin::of(&[
            birth((1, 100, 100), new, 101),
            birth((2, 100, 100), new, 102),
            alive((3, 102, 1)),
            birth((4, 102, 1), "CLONE_PIDFD", 2),
            alive((5, 104, 2)),
            alive((6, 101, 1)),
            birth((7, 101, 1), "CLONE_PIDFD", 2),
            alive((8, 103, 2)),
        ]);
        assert_eq!(kin.outside(100, 101), Some(101));
        assert_eq!(kin.outside(101, 2), Some(103));
        assert_eq!(kin.outside(102, 2), Some(104));
        assert_eq!(kin.outside(102, 3), None);
    }

    #[test]
    fn a_namespace_in_a_namespace_has_a_third_number() {
        let kin = Kin::of(&[
            birth((1, 100, 100), "CLONE_NEWPID", 101),
            birth((2, 101, 1), "CLONE_NEWPID", 7),
            alive((3, 108, 1)),
        ]);
        assert_eq!(kin.outside(101, 7), Some(108));
        assert_eq!(kin.outside(108, 1), Some(108));
    }

    #[test]
    fn who_leaves_its_pid_namespace_stays_and_its_children_go() {
        let flags = || vec![Arg::Word("CLONE_NEWUSER|CLONE_NEWPID".into())];
        let kin = Kin::of(&[
            birth((1, 100, 100), "CLONE_PIDFD", 101),
            request((2, 101, 101), "unshare", flags(), Arg::Number(0)),
            birth((3, 101, 101), "CLONE_PIDFD", 102),
            birth((4, 102, 1), "CLONE_PIDFD", 2),
            alive((5, 103, 2)),
        ]);
        assert_eq!(kin.outside(101, 102), Some(102));
        assert_eq!(kin.outside(102, 2), Some(103));
    }
}
