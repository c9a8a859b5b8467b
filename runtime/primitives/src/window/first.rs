//! What does the process that has the window do with what it is sent?

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use trace::{Arg, Event, Outcome, Record};

use crate::exec;
use crate::seccomp;
use crate::window::stepper::Stepper;
use crate::window::wire::{self, Answer, Message};

/// The process that has the window.
pub(crate) struct First {
    wire: OwnedFd,
    seq: u64,
    stepper: Option<Stepper>,
    /// What was announced, by the number of the line.
    announced: HashMap<u64, Announced>,
    /// Where packets are received.
    room: Vec<u8>,
}

/// Requests that their process may not be able to report.
struct Announced {
    /// The last one is an execve; before it a filter may go in.
    records: Vec<Record>,
    /// How many filters the process had before.
    filters: Option<u32>,
    time: Instant,
}

impl First {
    /// Reads from this end of the wire; asks through `stepper`, where the reader can be asked.
    pub(crate) fn new(wire: OwnedFd, stepper: Option<Stepper>) -> First {
        First { wire, seq: 0, stepper, announced: HashMap::new(), room: wire::room() }
    }

    /// The end of the wire, to wait on.
    pub(crate) fn wire(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }

    pub(crate) fn take(&mut self, mut event: Event) {
        if let Event::Request(record) = &mut event {
            self.seq += 1;
            record.seq = self.seq;
        }
        let seen = match &event {
            Event::Request(record) if self.stepper.is_some() => Some(record.clone()),
            _ => None,
        };
        trace::emit(event);
        if let (Some(record), Some(stepper)) = (seen, self.stepper.as_mut()) {
            stepper.after(&record);
        }
    }

    /// A line is closed: the process behind it has become another program, or is dead.
    pub(crate) fn conclude(&mut self, token: u64) {
        let Some(Announced { records, filters, time }) = self.announced.remove(&token) else {
            return;
        };
        let Some(pid) = records.first().map(|record| record.host_pid) else { return };
        let execed = exec::has_execed(pid);
        // The process may have ended in front of the last door, with the filter in.
        let filtered = execed == Some(true) || seccomp::filters_of(pid) > filters;
        if execed == Some(false) && !filtered {
            return;
        }
        let micros = u64::try_from(time.elapsed().as_micros()).unwrap_or(u64::MAX);
        let last = records.len() - 1;
        for (index, mut record) in records.into_iter().enumerate() {
            record.micros = micros;
            let known = if index == last { execed == Some(true) } else { filtered };
            // Without a /proc that can be asked it stays open: `= ?`.
            if known {
                record.outcome = Outcome::Result(Arg::Number(0));
            }
            self.take(Event::Request(record));
        }
    }

    pub(crate) fn stop(&mut self, record: &Record, named: bool) -> Answer {
        self.stepper.as_mut().map_or(Answer::Go, |stepper| stepper.stop(record, named))
    }

    pub(crate) fn read_wire(&mut self) -> std::result::Result<(), Errno> {
        let Some(arrived) = wire::next(self.wire.as_fd(), &mut self.room)? else {
            return Ok(());
        };
        match arrived.message {
            Message::Mine(mut event) => {
                event.came_from(arrived.sender);
                self.take(event);
                arrived.reply_to.iter().for_each(|reply_to| wire::answer(reply_to, Answer::Go));
            }
            Message::Announce { token, mut records, filters } => {
                records.iter_mut().for_each(|record| record.host_pid = arrived.sender);
                let announced = Announced { records, filters, time: Instant::now() };
                self.announced.insert(token, announced);
            }
            Message::Closed { token } => {
                self.conclude(token);
                arrived.reply_to.iter().for_each(|reply_to| wire::answer(reply_to, Answer::Go));
            }
            Message::Ask { mut record, named } => {
                record.host_pid = arrived.sender;
                let answer = self.stop(&record, named);
                if let Some(reply_to) = &arrived.reply_to {
                    wire::answer(reply_to, answer);
                }
            }
        }
        Ok(())
    }
}
