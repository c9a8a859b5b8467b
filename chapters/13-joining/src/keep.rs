//! Who is there when somebody comes later?
//!
//! A terminal lives as long as somebody has its end open, and forgets what nobody reads. So whoever
//! started the program stays: it reads all that is said, writes it down, tells those who listen, and
//! lets in who knocks. In engines this process has names like `conmon` and `containerd-shim`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use primitives::{
    Child, Error, Result, Signal, Status, ToParent, accept_unix, become_program, block_signals,
    has_something, pass_on, pidfd_send_signal, send_fds_to, setsid, signalfd, step, step_giving,
};

use crate::boxes::{Place, first_of};
use crate::{Run, inside, terminal};

/// Those that would end the keeper, and the box without a word with it.
const ENDING: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];

/// So many may listen at the same time.
const MOST: usize = 16;

// ANCHOR: run
/// Runs a program in a box, keeps the box, and ends as the program ended.
pub(crate) fn run(wanted: &Run) -> Result<Status> {
    let mut place = step_giving("make a place", || Place::make(&wanted.place))?;
    let log = step_giving("open the log", || place.make_log())?;
    let door = step_giving("lay a door", || place.lay_door())?;
    let mut child = inside::make(|parent| live(parent, wanted))?;
    let master = terminal::take(&mut child)?;
    child.beside(|_| terminal::get_ready(&master))?;
    step_giving("let it speak", || child.release("tell it that somebody listens"))?;
    child.watch_it_go()?;
    place.keeps_log = !wanted.rm;
    step_giving("keep the box", || Keeper::new(&child, master, log, door)?.stay())?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}
// ANCHOR_END: run

fn live(parent: &ToParent, wanted: &Run) -> Result<u8> {
    step("lead a session", || setsid("have no part in the terminal of who keeps it").map(drop))?;
    let peer = terminal::open(parent)?;
    step_giving("wait for its other end", || parent.wait("not speak before somebody listens"))?;
    terminal::sit_down(&peer)?;
    step_giving("become the program", || {
        become_program(&wanted.command, "run what was asked for, as process 1")
    })
}

/// What a keeper was woken by.
struct Happened {
    ended: bool,
    told_to_end: bool,
    knocked: bool,
    spoke: bool,
}

struct Keeper<'a> {
    process: BorrowedFd<'a>,
    master: OwnedFd,
    /// The same open file, to be read; none when nobody in there has the terminal any more.
    heard: Option<File>,
    log: Option<File>,
    /// How much is in the log.
    said: u64,
    door: OwnedFd,
    signals: OwnedFd,
    listeners: Vec<OwnedFd>,
}

impl<'a> Keeper<'a> {
    fn new(child: &'a Child, master: OwnedFd, log: File, door: OwnedFd) -> Result<Keeper<'a>> {
        block_signals(&ENDING, "end in good order, and not at any moment")?;
        let signals = signalfd(&ENDING, "hear of them together with everything else")?;
        let none = || Error::Unusable("there is no pidfd".into());
        let copied = |e| Error::Unusable(format!("the terminal cannot be read: {e}"));
        Ok(Keeper {
            process: child.pidfd().ok_or_else(none)?,
            heard: Some(File::from(master.try_clone().map_err(copied)?)),
            master,
            log: Some(log),
            said: 0,
            door,
            signals,
            listeners: Vec::new(),
        })
    }

    /// Sleeps until something happens, and does what is to be done about it, until the box ends.
    fn stay(&mut self) -> Result<()> {
        loop {
            let happened = self.wait()?;
            if happened.spoke {
                self.pass_on_what_is_said();
            }
            if happened.knocked {
                self.let_in()?;
            }
            if happened.told_to_end {
                self.end_the_box()?;
            }
            if happened.ended {
                while self.heard.as_ref().is_some_and(|master| has_something(master.as_fd())) {
                    self.pass_on_what_is_said();
                }
                return Ok(());
            }
        }
    }

    /// Listeners say nothing: what can be read from them is their end.
    fn wait(&mut self) -> Result<Happened> {
        let fixed = [self.process, self.signals.as_fd(), self.door.as_fd()];
        let heard = self.heard.iter().map(AsFd::as_fd);
        let listeners = self.listeners.iter().map(AsFd::as_fd);
        let all: Vec<BorrowedFd<'_>> = fixed.into_iter().chain(heard).chain(listeners).collect();
        let mut ready = first_of(&all)?.into_iter();
        let mut next = || ready.next().unwrap_or(false);
        let (ended, told_to_end, knocked) = (next(), next(), next());
        let spoke = self.heard.is_some() && next();
        self.listeners.retain(|_| !next());
        Ok(Happened { ended, told_to_end, knocked, spoke })
    }

    // ANCHOR: pass_on
    /// First into the log, then to those who listen. One that is too slow is sent away: it misses
    /// nothing that it could not read in the log, and nobody waits for it.
    fn pass_on_what_is_said(&mut self) {
        let mut room = [0; 4096];
        let read = self.heard.as_mut().map_or(Ok(0), |master| master.read(&mut room));
        let text = &room[..read.unwrap_or(0)];
        if text.is_empty() {
            // EIO: the last program has closed its end.
            self.heard = None;
            return;
        }
        if self.log.as_mut().is_some_and(|log| log.write_all(text).is_err()) {
            eprintln!("note: the log is full, and ends here");
            self.log = None;
        }
        self.said += text.len() as u64;
        self.listeners.retain(|listener| pass_on(listener.as_fd(), text));
    }
    // ANCHOR_END: pass_on

    // ANCHOR: let_in
    /// Gives whoever knocks the terminal and the process. What is said from then on comes by the line;
    /// what is typed goes straight into the terminal, and we never see it.
    fn let_in(&mut self) -> Result<()> {
        let line = match accept_unix(self.door.as_fd(), "let in whoever has knocked") {
            Err(Error::Request(refusal)) if !refusal.here => return Ok(()),
            other => other?,
        };
        if self.listeners.len() == MOST {
            return Ok(());
        }
        let fds = [self.master.as_fd(), self.process];
        let said = format!("{}\n", self.said);
        let why = "let it sit at the terminal, and know which process it is";
        match send_fds_to(line.as_fd(), &fds, said.as_bytes(), why) {
            Err(Error::Request(refusal)) if !refusal.here => {}
            other => {
                other?;
                self.listeners.push(line);
            }
        }
        Ok(())
    }
    // ANCHOR_END: let_in

    /// Process 1 of the box does not feel SIGTERM unless it listens; this it feels.
    fn end_the_box(&mut self) -> Result<()> {
        // As much as is there; that it was there is all that counts.
        let mut room = [0; 1024];
        if let Ok(file) = self.signals.try_clone() {
            let _ = File::from(file).read(&mut room);
        }
        pidfd_send_signal(self.process, Signal::SIGKILL, "end all that is in there")
    }
}
