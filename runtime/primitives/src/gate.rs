//! How does a request reach the kernel?
//!
//! Through [`perform`], always. If nobody watches, it makes the request and that is all. If somebody
//! does, the window is asked first, the request is timed, and a record goes out after it with what
//! really came of it. The caller gives the reason, because nobody else knows it.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::Location;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::unistd::Pid;
use trace::{Arg, Fate, Outcome, Record, Words};

use crate::ToArg;
use crate::error::{Error, Refusal, Result};
use crate::window::{self, Verdict};

/// Whether anybody watches. Set once, before the first request.
static WATCHED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static STEPS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    /// How many requests this process made so far: a step that made none is an empty promise.
    static MADE: RefCell<u64> = const { RefCell::new(0) };
}

/// A request that has not been made yet.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name in the man page.
    pub name: &'static str,
    /// The function of this crate, where the card stands.
    pub primitive: &'static str,
    /// The arguments in the order of the man page.
    pub args: Vec<Arg>,
}

impl Call {
    /// A request, with arguments cut down to what a record holds.
    pub fn new(name: &'static str, primitive: &'static str, args: Vec<Arg>) -> Call {
        Call { name, primitive, args: args.into_iter().map(Arg::clipped).collect() }
    }
}

/// Describes a request; nothing is put into words before somebody wants to read them.
///
/// `call!("sethostname", name)`, or `call!("mount" as "mount_bind", …)` where one call of the kernel
/// has several primitives.
#[macro_export]
macro_rules! call {
    ($name:literal as $primitive:literal $(, $arg:expr)* $(,)?) => {
        || $crate::Call::new($name, $primitive, vec![$($crate::ToArg::to_arg(&$arg)),*])
    };
    ($name:literal $(, $arg:expr)* $(,)?) => {
        $crate::call!($name as $name $(, $arg)*)
    };
}

/// Makes one request: `effect` is what really reaches the kernel, `call` how it is written down,
/// and `why` completes "we do this to …".
///
/// # Errors
/// The errno of `effect`, or the one that the window puts in its place, with step, call and a hint.
#[inline]
#[track_caller]
pub fn perform<T: Shown>(
    call: impl FnOnce() -> Call,
    why: &'static str,
    effect: impl FnOnce() -> std::result::Result<T, Errno>,
) -> Result<T> {
    perform_for(Location::caller(), call, why, effect)
}

/// As [`perform`], for a caller that is not the next one up: a closure does not hand it on.
#[inline]
pub(crate) fn perform_for<T: Shown>(
    caller: &'static Location<'static>,
    call: impl FnOnce() -> Call,
    why: &'static str,
    effect: impl FnOnce() -> std::result::Result<T, Errno>,
) -> Result<T> {
    if WATCHED.load(Ordering::Relaxed) {
        return watched(call(), why, caller, effect, Manner::Asked);
    }
    effect().map_err(|errno| refusal(call(), errno, false))
}

/// Makes a request that cleans up. It is written down as any other, but it cannot be refused: what
/// is left behind would be the reader's to find.
///
/// # Errors
/// The errno of `effect`.
#[track_caller]
pub fn rescue<T: Shown>(
    call: impl FnOnce() -> Call,
    why: &'static str,
    effect: impl FnOnce() -> std::result::Result<T, Errno>,
) -> Result<T> {
    if WATCHED.load(Ordering::Relaxed) {
        return watched(call(), why, Location::caller(), effect, Manner::Rescue);
    }
    effect().map_err(|errno| refusal(call(), errno, false))
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Asked,
    Rescue,
}

/// There is one of it for each primitive, so it holds little.
#[cold]
#[inline(never)]
fn watched<T: Shown>(
    call: Call,
    why: &'static str,
    caller: &'static Location<'static>,
    effect: impl FnOnce() -> std::result::Result<T, Errno>,
    manner: Manner,
) -> Result<T> {
    let (record, start) = allowed(&call, why, caller, manner)?;
    let result = effect();
    done(record, start, result.as_ref().map(Shown::shown).map_err(|errno| *errno), manner);
    result.map_err(|errno| refusal(call, errno, false))
}

/// The record of a request that may be made, and when it begins.
fn allowed(
    call: &Call,
    why: &'static str,
    caller: &'static Location<'static>,
    manner: Manner,
) -> Result<(Record, Instant)> {
    let mut record = window::pending(call, why, caller);
    record.cleans_up = manner == Manner::Rescue;
    let verdict = match manner {
        Manner::Asked => window::decide(&record)?,
        Manner::Rescue => Verdict::Go,
    };
    if let Verdict::Refuse(errno) = verdict {
        record.outcome = Outcome::Refused(errno_name(errno).into());
        window::report(record);
        return Err(refusal(call.clone(), errno, true));
    }
    Ok((record, Instant::now()))
}

fn done(
    mut record: Record,
    start: Instant,
    result: std::result::Result<Arg, Errno>,
    manner: Manner,
) {
    record.micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    record.outcome = match result {
        Ok(value) => Outcome::Result(value),
        Err(errno) => Outcome::Errno(errno_name(errno).into()),
    };
    match manner {
        Manner::Asked => window::report(record),
        Manner::Rescue => window::mention(record),
    }
}

/// A request that was asked about, and is made later: when it cannot be asked about any more.
pub(crate) struct Asked {
    call: Call,
    /// The step that it was asked about in, which may be over when it is made.
    step: Option<&'static str>,
    /// How it is written down; none when nobody watches.
    pub(crate) record: Option<Record>,
}

/// Asks the window about a request that is not made yet.
///
/// # Errors
/// The refusal, when the window refuses.
pub(crate) fn ask_first(
    call: impl FnOnce() -> Call,
    why: &'static str,
    caller: &'static Location<'static>,
) -> Result<Asked> {
    let call = call();
    if !is_watched() {
        return Ok(Asked { call, step: last_step(), record: None });
    }
    let mut record = window::pending(&call, why, caller);
    if let Verdict::Refuse(errno) = window::decide(&record)? {
        record.outcome = Outcome::Refused(errno_name(errno).into());
        window::report(record);
        return Err(refusal(call, errno, true));
    }
    Ok(Asked { call, step: last_step(), record: Some(record) })
}

impl Asked {
    /// Makes the request, and takes the time.
    pub(crate) fn make<T>(
        &mut self,
        effect: impl FnOnce() -> std::result::Result<T, Errno>,
    ) -> std::result::Result<T, Errno> {
        let start = Instant::now();
        let result = effect();
        if let Some(record) = self.record.as_mut() {
            record.micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        }
        result
    }

    pub(crate) fn succeeded(self, value: Arg) {
        self.came_to(Outcome::Result(value));
    }

    pub(crate) fn failed(self, errno: Errno) -> Error {
        let call = self.call.clone();
        let refusal = Refusal::new(window::role(), self.step, call, errno, false);
        let error = Error::Request(Box::new(refusal));
        self.came_to(Outcome::Errno(errno_name(errno).into()));
        error
    }

    fn came_to(self, outcome: Outcome) {
        if let Some(mut record) = self.record {
            record.outcome = outcome;
            window::report(record);
        }
    }
}

pub(crate) fn refusal(call: Call, errno: Errno, here: bool) -> Error {
    Error::Request(Box::new(Refusal::new(window::role(), last_step(), call, errno, here)))
}

/// Does `body` as one step with a name: the name is a line in the list that the program is.
///
/// The reader can leave it out (`--without NAME`), so a step gives nothing that later ones need;
/// for that there is [`step_giving`].
///
/// # Errors
/// Those of `body`.
pub fn step(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    if WATCHED.load(Ordering::Relaxed) && window::leaves_out(name) {
        window::note(with_step(name, steps), Fate::LeftOut);
        return Ok(());
    }
    step_giving(name, body)
}

/// Does `body` as one step that gives a value to later ones, and so cannot be left out.
///
/// # Errors
/// Those of `body`.
pub fn step_giving<T>(name: &'static str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    if !WATCHED.load(Ordering::Relaxed) {
        return with_step(name, body);
    }
    window::reached(name);
    let span = tracing::info_span!(target: "porthole", "step", name);
    let _entered = span.enter();
    let before = made();
    let result = with_step(name, body);
    if result.is_ok() && made() == before {
        window::note(with_step(name, steps), Fate::Empty);
    }
    result
}

fn with_step<T>(name: &'static str, body: impl FnOnce() -> T) -> T {
    STEPS.with_borrow_mut(|steps| steps.push(name));
    let result = body();
    STEPS.with_borrow_mut(|steps| steps.pop());
    result
}

/// The steps that this process is in, outermost first.
pub(crate) fn steps() -> Vec<Words> {
    STEPS.with_borrow(|steps| steps.iter().copied().map(Words::Borrowed).collect())
}

fn last_step() -> Option<&'static str> {
    STEPS.with_borrow(|steps| steps.last().copied())
}

/// A child starts its own list: it is in none of its parent's steps.
pub(crate) fn forget_steps() {
    STEPS.with_borrow_mut(Vec::clear);
}

pub(crate) fn count_request() {
    MADE.with_borrow_mut(|made| *made += 1);
}

fn made() -> u64 {
    MADE.with_borrow(|made| *made)
}

pub(crate) fn start_watching() {
    WATCHED.store(true, Ordering::Relaxed);
}

pub(crate) fn stop_watching() {
    WATCHED.store(false, Ordering::Relaxed);
}

pub(crate) fn is_watched() -> bool {
    WATCHED.load(Ordering::Relaxed)
}

/// The errno's name in C, such as `EPERM`.
pub(crate) fn errno_name(errno: Errno) -> String {
    format!("{errno:?}")
}

/// A value that can stand as the result of a request.
pub trait Shown {
    /// The value in the trace.
    fn shown(&self) -> Arg;
}

impl Shown for () {
    fn shown(&self) -> Arg {
        Arg::Number(0)
    }
}

impl Shown for Pid {
    fn shown(&self) -> Arg {
        Arg::Pid(self.as_raw())
    }
}

impl Shown for OwnedFd {
    fn shown(&self) -> Arg {
        Arg::Fd(self.as_raw_fd())
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> Arg {
        self.to_arg()
    }
}

impl Shown for i32 {
    fn shown(&self) -> Arg {
        Arg::Number(i64::from(*self))
    }
}

impl Shown for usize {
    fn shown(&self) -> Arg {
        Arg::Number(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}
