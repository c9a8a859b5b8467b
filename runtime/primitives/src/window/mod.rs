//! Who watches, and what does the watcher decide?
//!
//! The first process of a program has the window: it shows the trace, asks the reader and keeps the
//! count. Every process that is made later inherits one end of a wire to it. When nobody watches,
//! none of this exists.

pub(crate) mod args;
mod first;
pub(crate) mod out;
mod rules;
mod state;
mod stepper;
mod wire;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::getpid;
use trace::{Event, Fate, Outcome, Record, StepNote, Words};

#[cfg(target_arch = "x86_64")]
pub(crate) use args::FLAGS;
pub use args::{Form, WindowArgs};

use crate::error::{Error, Result};
use crate::gate::{self, Call};
use crate::line::{self, Line};
use crate::seccomp;
use first::First;
use rules::{Action, Rules};
use stepper::Stepper;
use wire::{Answer, Message};
pub(crate) use wire::{packet_pair, receive};

/// The part that the first process plays, which a message need not name.
const FIRST_ROLE: &str = "parent";

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);
static ROLE: Mutex<&'static str> = Mutex::new(FIRST_ROLE);

/// What a process knows of the window.
struct Watch {
    rules: Rules,
    /// What the reader asked for, to be brought along to a process that is no child.
    args: WindowArgs,
    /// The end of the wire that children inherit.
    wire: OwnedFd,
    /// Only in the process that has the window.
    first: Option<First>,
}

impl Watch {
    /// Sends to the one that has the window. Where the reader can stop the program, this process
    /// holds still until it was looked at, or the look would be at something later.
    fn send(&self, message: &Message) -> std::result::Result<(), Errno> {
        match message {
            Message::Mine(_) if self.rules.can_pause() => {
                wire::ask(self.wire.as_fd(), message).map(drop)
            }
            _ => wire::tell(self.wire.as_fd(), message),
        }
    }
}

/// What the window says of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Go,
    Refuse(Errno),
}

/// Opens the window as the reader asked for it; `form` is what is shown when the reader did not say.
///
/// # Errors
/// Says which flag cannot be carried out, and why.
pub fn open(args: &WindowArgs, form: Form) -> Result<()> {
    let form = args.trace.unwrap_or(form);
    let rules = Rules::from_args(args)?;
    refuse_what_makes_no_sense(args, form, &rules)?;
    if form == Form::Off && rules.is_empty() {
        return Ok(());
    }
    let stepper = match rules.can_pause() {
        true => Some(Stepper::open(args, form)?),
        false => None,
    };
    out::show(args, form)?;
    let (read, write) = wire::wire()
        .map_err(|errno| Error::Unusable(format!("no wire for the window: {errno}")))?;
    let first = First::new(read, stepper);
    let args = args.clone();
    *watch() = Some(Watch { rules, args, wire: write, first: Some(first) });
    gate::start_watching();
    Ok(())
}

/// Flags that contradict each other, or the machine: the reader would wait for what cannot come.
fn refuse_what_makes_no_sense(args: &WindowArgs, form: Form, rules: &Rules) -> Result<()> {
    let unusable = |what: &str| Err(Error::Unusable(what.to_string()));
    if form == Form::Off && args.trace_file.is_some() {
        return unusable("--trace off and --trace-file: there is no trace to write");
    }
    if args.commands.is_some() && !rules.can_pause() {
        return unusable("--commands: nothing stops, so nothing is asked: add --step or --break");
    }
    if rules.can_pause() && form == Form::Json && args.trace_file.is_none() {
        return unusable(
            "--trace json at a stop: the questions need standard error, add --trace-file",
        );
    }
    if rules.can_pause() && !proc_is_ours() {
        return unusable(
            "at a stop the kernel's state is read from /proc, which is missing here or shows another \
             pid namespace: mount proc first",
        );
    }
    Ok(())
}

/// Whether `/proc` shows processes under the numbers that they have for this one.
pub(crate) fn proc_is_ours() -> bool {
    std::fs::read_link("/proc/self").is_ok_and(|me| me.as_os_str() == getpid().to_string().as_str())
}

/// Shows what is still on the wire, and tells the reader of flags that had no effect, unless the
/// program ended early and never came there.
pub(crate) fn close(went_well: bool) {
    serve_what_is_there();
    if let Some(why) = out::why_incomplete() {
        out::say(&format!("note: the trace is incomplete, it could not be written: {why}"));
    }
    if !went_well {
        return;
    }
    let unused = watch().as_ref().map(|watch| watch.rules.unused()).unwrap_or_default();
    unused.iter().for_each(|flag| out::say(&format!("note: {flag}")));
}

/// A request as it stands before it is made.
pub(crate) fn pending(
    call: &Call,
    why: &'static str,
    caller: &'static Location<'static>,
) -> Record {
    gate::count_request();
    let pid = getpid().as_raw();
    Record {
        seq: 0,
        role: Words::Borrowed(own_role()),
        pid,
        host_pid: pid,
        step: gate::steps(),
        call: call.name.into(),
        primitive: call.primitive.into(),
        args: call.args.clone(),
        outcome: Outcome::Pending(()),
        micros: 0,
        why: why.into(),
        source: format!("{}:{}", caller.file(), caller.line()).into(),
        cleans_up: false,
    }
}

/// May this request be made?
pub(crate) fn decide(record: &Record) -> Result<Verdict> {
    let action = watch().as_ref().and_then(|watch| watch.rules.action_for(record));
    let answer = match action {
        None => Answer::Go,
        Some(Action::Refuse(errno)) => return Ok(Verdict::Refuse(errno)),
        Some(Action::Kill) => crate::process::die_here(),
        Some(Action::Pause { named }) => ask(record, named),
    };
    match answer {
        Answer::Go => Ok(Verdict::Go),
        Answer::Refuse(errno) => Ok(Verdict::Refuse(Errno::from_raw(errno))),
        Answer::Abort => Err(Error::Aborted),
    }
}

fn ask(record: &Record, named: bool) -> Answer {
    let mut guard = watch();
    let Some(watch) = guard.as_mut() else {
        return Answer::Go;
    };
    match watch.first.as_mut() {
        Some(first) => first.stop(record, named),
        None => {
            let question = Message::Ask { record: record.clone(), named };
            wire::ask(watch.wire.as_fd(), &question).unwrap_or(Answer::Abort)
        }
    }
}

/// Writes down what came of a request.
pub(crate) fn report(record: Record) {
    tell(Message::Mine(Event::Request(record)));
}

/// Announces an execve, whose success nobody but the parent will see, and a filter that comes before.
pub(crate) fn announce(token: u64, records: Vec<Record>) {
    let filters = seccomp::filters_of(getpid().as_raw());
    tell(Message::Announce { token, records, filters });
}

/// The end of the wire that this process has, for filters that must let reports through.
pub(crate) fn wire_number() -> Option<i32> {
    watch().as_ref().map(|watch| watch.wire.as_raw_fd())
}

/// The line to a child that announced its execve is closed. The child is not waited for before the
/// window has looked at it.
pub(crate) fn conclude(token: u64) {
    let mut guard = watch();
    let Some(watch) = guard.as_mut() else { return };
    match watch.first.as_mut() {
        Some(first) => first.conclude(token),
        None => drop(wire::ask(watch.wire.as_fd(), &Message::Closed { token })),
    }
}

/// Writes down what became of the innermost of `steps`.
pub(crate) fn note(step: Vec<Words>, fate: Fate) {
    let role = Words::Borrowed(own_role());
    tell(Message::Mine(Event::Step(StepNote { role, host_pid: getpid().as_raw(), step, fate })));
}

/// As [`report`], of a request that cleans up: whether anybody is left to read does not matter.
pub(crate) fn mention(record: Record) {
    let _ = sent(Message::Mine(Event::Request(record)));
}

fn tell(message: Message) {
    if matches!(sent(message), Err(Errno::EPIPE | Errno::ECONNREFUSED)) {
        // Nobody is left to read: the one who watches was killed, and with it ends what it watched.
        crate::process::die_here();
    }
}

fn sent(message: Message) -> std::result::Result<(), Errno> {
    let mut guard = watch();
    let Some(watch) = guard.as_mut() else { return Ok(()) };
    match (watch.first.as_mut(), message) {
        (Some(first), Message::Mine(event)) => first.take(event),
        (Some(_), _) => {}
        (None, message) => watch.send(&message)?,
    }
    Ok(())
}

/// Whether the reader wants this step left out.
pub(crate) fn leaves_out(step: &str) -> bool {
    watch().as_ref().is_some_and(|watch| watch.rules.leaves_out(step))
}

/// A step is entered; the reader may have wanted it out though later ones need what it gives.
pub(crate) fn reached(step: &str) {
    if leaves_out(step) {
        eprintln!(
            "note: step {step:?} cannot be left out, later steps need what it gives; \
             refuse a request in it with --fail instead"
        );
    }
}

/// Waits until `fd` can be read, and meanwhile shows and answers what other processes send.
///
/// What lies on the wire comes first: a process that says "ready" on its own line has sent its
/// reports before.
pub(crate) fn serve_until(fd: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    serve_until_one_of(&[fd])
}

/// As [`serve_until`], for whichever of these comes first.
pub(crate) fn serve_until_one_of(others: &[BorrowedFd<'_>]) -> std::result::Result<(), Errno> {
    loop {
        if serve_once(others, PollTimeout::NONE)? == Served::Other {
            return Ok(());
        }
    }
}

/// Shows and answers what other processes have sent so far, or send within `millis`.
pub(crate) fn serve_for(millis: u16) {
    let _ = serve_once(&[], PollTimeout::from(millis));
    serve_what_is_there();
}

fn serve_what_is_there() {
    while serve_once(&[], PollTimeout::ZERO) == Ok(Served::Wire) {}
}

#[derive(PartialEq)]
enum Served {
    Wire,
    Other,
    Nothing,
}

fn serve_once(
    others: &[BorrowedFd<'_>],
    timeout: PollTimeout,
) -> std::result::Result<Served, Errno> {
    let mut guard = watch();
    let Some(first) = guard.as_mut().and_then(|watch| watch.first.as_mut()) else {
        return Ok(if others.is_empty() { Served::Nothing } else { Served::Other });
    };
    let all = [first.wire()].into_iter().chain(others.iter().copied());
    let mut fds: Vec<PollFd<'_>> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let polled = match timeout {
        PollTimeout::NONE => crate::signals::sleep_on(&mut fds).map(|()| 1),
        timeout => poll(&mut fds, timeout),
    };
    match polled {
        Ok(0) => return Ok(Served::Nothing),
        Ok(_) => {}
        Err(Errno::EINTR) => {
            drop(guard);
            crate::signals::look();
            return Ok(Served::Wire);
        }
        Err(errno) => return Err(errno),
    }
    if fds[0].any() == Some(true) {
        first.read_wire()?;
        return Ok(Served::Wire);
    }
    Ok(Served::Other)
}

/// From now on this process plays another part, and the window is elsewhere.
pub(crate) fn become_child(role: &'static str) {
    *ROLE.lock().unwrap_or_else(PoisonError::into_inner) = role;
    if let Some(watch) = watch().as_mut() {
        watch.first = None;
    }
    gate::forget_steps();
}

/// From now on nobody watches this process: who did is about to be gone.
pub(crate) fn leave() {
    gate::stop_watching();
    *watch() = None;
}

/// From now on somebody watches this process who is no ancestor of its, over this wire.
pub(crate) fn adopt(wire: OwnedFd, args: &WindowArgs) {
    // They were good for who sent them, so they are here.
    let Ok(rules) = Rules::from_args(args) else { return };
    let Ok(wire) = crate::descriptors::out_of_the_way(wire) else { return };
    *watch() = Some(Watch { rules, args: args.clone(), wire, first: None });
    gate::start_watching();
}

/// Gives the window to a process that is no child.
pub(crate) fn bring_along(line: &Line) -> std::result::Result<(), Errno> {
    let mut guard = watch();
    let Some(watch) = guard.as_mut() else { return Ok(()) };
    // What is counted there is not known here.
    watch.rules.count_elsewhere();
    line.say_with(&line::Message::Watched(watch.args.clone()), watch.wire.as_fd()).map(drop)
}

/// From now on this process plays this part, and has the window as before.
pub(crate) fn play(role: &'static str) {
    *ROLE.lock().unwrap_or_else(PoisonError::into_inner) = role;
}

/// Whether this process is the one that has the window.
pub(crate) fn is_first() -> bool {
    watch().as_ref().is_some_and(|watch| watch.first.is_some())
}

/// The part that this process plays; none for the first one.
pub(crate) fn role() -> Option<String> {
    let role = own_role();
    (role != FIRST_ROLE).then(|| role.to_string())
}

fn own_role() -> &'static str {
    *ROLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() -> MutexGuard<'static, Option<Watch>> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}
