//! How is criu asked to write a container down, or to bring it back?
//!
//! criu does the work: it stops the processes of a tree, has a parasite in each tell all that the kernel
//! knows of it, and writes files, the *images*; or it makes processes out of such files. This runtime
//! says what belongs to the container and what to the host, and holds what came back to the
//! configuration.
//!
//! criu is asked over a socket (`criu swrk`), as runc does, and not by its command line, which would
//! show more in a list of processes. Four things can only be said that way: the first process's number
//! is known before anything else is there, so it can be written down; hooks run between the namespaces
//! and the processes; the master of a terminal is handed over; and at the last moment before anything
//! runs, what came back can still be refused. In the trace each request stands in words all the same.

mod external;
mod images;
mod manner;
mod restored;
mod streams;
mod troubles;
mod wire;

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use primitives::{
    Birth, Child, Ends, Error, Pid, Result, ToParent, close_range_on_exec, dup2, execve,
    find_program, packet_pair, receive_fds, send_packet, spawn, step_giving,
};

pub(crate) use external::{Joined, joined_namespaces, mounts_from_host, mounts_of};
pub(crate) use images::Images;
pub use manner::{CgroupMode, Manner};
pub(crate) use manner::{common, pair};
pub(crate) use restored::check;
pub(crate) use streams::{Descriptor, streams_of};
pub(crate) use wire::Message;
use wire::{Value, read};

/// What criu is asked for: `criu_req_type` in `rpc.proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Write the processes down, and end them unless they are to be left running.
    Dump,
    /// Make them again.
    Restore,
    /// Write their memory down, and let them go on.
    PreDump,
}

const NOTIFY: i64 = 6;
const FEATURE_CHECK: i64 = 9;
const VERSION: i64 = 10;

impl Work {
    fn number(self) -> i64 {
        match self {
            Work::Dump => 1,
            Work::Restore => 2,
            Work::PreDump => 4,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Work::Dump => "dump",
            Work::Restore => "restore",
            Work::PreDump => "pre-dump",
        }
    }

    /// The file that criu tells in how it went.
    pub(crate) fn log(self) -> &'static str {
        match self {
            Work::Restore => "restore.log",
            Work::Dump | Work::PreDump => "dump.log",
        }
    }
}

/// What criu says while it works.
#[derive(Debug)]
pub(crate) struct Notice {
    /// How far it is: `setup-namespaces`, `pre-resume`.
    pub(crate) script: String,
    /// The first process of the tree, where that has one.
    pub(crate) pid: Option<Pid>,
    /// What came with it.
    pub(crate) files: Vec<OwnedFd>,
}

/// A version as criu compares it: 31701 is 3.17.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(i32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 10_000, self.0 / 100 % 100)?;
        if self.0 % 100 == 0 { Ok(()) } else { write!(f, ".{}", self.0 % 100) }
    }
}

/// External network namespaces came with 3.11, and with them all that is used here.
const OLDEST: Version = Version(31_100);

/// All is restored, and nothing has run.
pub(crate) const LAST_MOMENT: &str = "pre-resume";

/// A criu that was started, and waits for what it is asked.
#[derive(Debug)]
pub(crate) struct Criu {
    child: Child,
    socket: OwnedFd,
    /// Which one it is.
    pub(crate) version: Version,
}

/// Where its descriptors are, which nothing else has: its end of the socket, the two directories, and
/// what else it inherits. criu looks for the directories in the process that has made the socket, and
/// mounts things in them; so that is itself, in its own mount namespace.
const SOCKET: i32 = 100;
pub(crate) const IMAGES: i32 = 101;
pub(crate) const WORK: i32 = 102;
pub(crate) const FIRST_INHERITED: i32 = 103;

impl Criu {
    /// Starts criu, in `birth`, after `prepare` has run in its process; it inherits `files` under the
    /// numbers from [`FIRST_INHERITED`] on.
    ///
    /// # Errors
    /// There is none, or it is too old; and those of `prepare`.
    pub(crate) fn start(
        birth: Birth<'_>,
        images: &Images,
        files: &[BorrowedFd<'_>],
        prepare: impl FnOnce() -> Result<()>,
    ) -> Result<Criu> {
        let program = find()?;
        let (child, socket) = step_giving("start criu", || {
            let why = "have the work done by who knows how to";
            let mut child = spawn("criu", birth, why, |parent| {
                prepare()?;
                become_criu(parent, &program, images, files)
            })?;
            let socket = child.receive_fd("ask criu, and hear how far it is")?;
            child.watch_it_go()?;
            Ok((child, socket))
        })?;
        let mut criu = Criu { child, socket, version: OLDEST };
        criu.version = step_giving("ask for criu's version", || criu.ask_version())?;
        match criu.version < OLDEST {
            true => Err(Error::Unusable(format!(
                "criu {} is too old: {OLDEST} or newer is needed",
                criu.version
            ))),
            false => Ok(criu),
        }
    }

    /// Its process, which an engine of cgroups may want to know.
    pub(crate) fn pid(&self) -> Pid {
        self.child.pid()
    }

    fn ask_version(&self) -> Result<Version> {
        let mut request = Message::default();
        request.number("type", 1, VERSION);
        request.flag("keep_open", 4, true);
        let answer = self.exchange(&request, "know what it can do")?;
        let version = answer.version.filter(|_| answer.success);
        version.ok_or_else(|| Error::Unusable("criu does not tell its version".to_string()))
    }

    /// Whether criu and the kernel can tell which memory has changed, and fetch memory when it is needed.
    pub(crate) fn features(&self) -> Result<(bool, bool)> {
        let mut features = Message::default();
        features.flag("mem_track", 1, true);
        features.flag("lazy_pages", 2, true);
        let mut request = Message::default();
        request.number("type", 1, FEATURE_CHECK);
        request.flag("keep_open", 4, true);
        request.message("features", 5, &features);
        Ok(self.exchange(&request, "know what the kernel can do")?.features)
    }

    /// Asks for the work, and goes through it together with criu: `heard` is told how far it is, and
    /// criu waits for its answer. The number of the tree's first process, where one was made.
    ///
    /// # Errors
    /// Those of `heard`, by which the work is broken off; else what criu's log says.
    pub(crate) fn work(
        self,
        work: Work,
        options: &Message,
        log: &Path,
        mut heard: impl FnMut(Notice) -> Result<()>,
    ) -> Result<Option<Pid>> {
        let mut request = Message::default();
        request.number("type", 1, work.number());
        request.message("opts", 2, options);
        self.say(&request, "have criu do it")?;
        let mut refused = None;
        let answer = loop {
            let Some(mut answer) = self.hear()? else { break Answer::default() };
            let Some(notice) = answer.notice.take() else { break answer };
            let is_last = notice.script == LAST_MOMENT;
            let result = if refused.is_none() { heard(notice) } else { Ok(()) };
            if is_last && result.is_err() {
                // It would go on whatever it is told, and it traces those that were killed, so that it
                // and they would wait for each other. It ends with this value.
                return result.map(|()| None);
            }
            let mut reply = Message::default();
            reply.number("type", 1, NOTIFY);
            reply.number("notify_success", 3, i64::from(result.is_ok()));
            refused = refused.or(result.err());
            self.say(&reply, "let it go on, or break it off")?;
        };
        drop(self.socket);
        // After a pre-dump it waits for more, and takes the end of the socket for a failure.
        self.child.finish("see criu off")?;
        match (answer.success, refused) {
            (_, Some(error)) => Err(error),
            (true, None) => Ok(answer.pid),
            (false, None) => Err(troubles::told(work, self.version, log, &answer.words)),
        }
    }

    fn exchange(&self, request: &Message, why: &'static str) -> Result<Answer> {
        self.say(request, why)?;
        self.hear()?.ok_or_else(|| Error::Unusable("criu has ended without a word".to_string()))
    }

    fn say(&self, message: &Message, why: &'static str) -> Result<()> {
        send_packet(self.socket.as_fd(), message.as_bytes(), &message.words(), why)
    }

    /// None when criu has ended.
    fn hear(&self) -> Result<Option<Answer>> {
        let (bytes, files) = receive_fds(self.socket.as_fd(), "hear what criu says")?;
        if bytes.is_empty() {
            return Ok(None);
        }
        match Answer::read(&bytes, files) {
            Some(answer) => Ok(Some(answer)),
            None => Err(Error::Unusable("what criu says cannot be understood".to_string())),
        }
    }
}

/// `criu_resp` in `rpc.proto`, as far as it is used.
#[derive(Debug, Default)]
struct Answer {
    success: bool,
    pid: Option<Pid>,
    notice: Option<Notice>,
    features: (bool, bool),
    words: String,
    version: Option<Version>,
}

impl Answer {
    fn read(bytes: &[u8], files: Vec<OwnedFd>) -> Option<Answer> {
        let mut answer = Answer::default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for (field, value) in read(bytes)? {
            match field {
                2 => answer.success = value == Value::Number(1),
                4 => answer.pid = inner(value, 1).map(Pid::from_raw),
                5 => {
                    let script = read(value.bytes()?)?.into_iter().find(|(field, _)| *field == 1);
                    answer.notice = Some(Notice {
                        script: script.and_then(|(_, value)| value.bytes()).map(text)?,
                        pid: inner(value, 2).filter(|pid| *pid > 0).map(Pid::from_raw),
                        files: Vec::new(),
                    });
                }
                8 => {
                    answer.features = (inner(value, 1) == Some(1), inner(value, 2) == Some(1));
                }
                9 => answer.words = text(value.bytes()?),
                10 => {
                    let part = |field| inner(value, field).unwrap_or(0);
                    let number = part(1) * 10_000 + part(2) * 100 + part(4);
                    // What is not released yet counts as the release that follows.
                    let is_on_its_way = read(value.bytes()?)?.iter().any(|(field, _)| *field == 3);
                    let next = if is_on_its_way && part(4) == 0 { 100 } else { 0 };
                    answer.version = Some(Version(number + next));
                }
                _ => {}
            }
        }
        if let Some(notice) = &mut answer.notice {
            notice.files = files;
        }
        Some(answer)
    }
}

/// A number in an inner message.
fn inner(value: Value<'_>, field: u64) -> Option<i32> {
    read(value.bytes()?)?.into_iter().find(|(own, _)| *own == field)?.1.int()
}

fn find() -> Result<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin".into());
    find_program("criu".as_ref(), &search).map_err(|error| {
        Error::Unusable(format!(
            "checkpoint and restore are the work of criu, and {error} (Debian: apt-get install criu)"
        ))
    })
}

fn become_criu(
    parent: &ToParent,
    program: &Path,
    images: &Images,
    files: &[BorrowedFd<'_>],
) -> Result<u8> {
    let Ends { ours, theirs } = packet_pair("be asked, and say how far it is")?;
    parent.send_fd(ours.as_fd(), "let the runtime ask")?;
    drop(ours);
    let (directory, work) = images.open()?;
    close_range_on_exec(3, "let no other file of the runtime go along")?;
    dup2(theirs.as_fd(), SOCKET, "have it where criu is told that it is")?;
    dup2(directory.as_fd(), IMAGES, "likewise")?;
    if let Some(work) = &work {
        dup2(work.as_fd(), WORK, "likewise")?;
    }
    for (number, file) in (FIRST_INHERITED..).zip(files) {
        dup2(*file, number, "have criu inherit what is the host's")?;
    }
    let words = ["criu", "swrk", &SOCKET.to_string()].map(OsString::from);
    match execve(program, &words, &primitives::own_environment(), "be criu")? {}
}

#[cfg(test)]
mod tests {
    use super::{Answer, Message, Version};

    #[test]
    fn a_notice_is_read() {
        let mut notice = Message::default();
        notice.text("script", 1, "setup-namespaces");
        notice.number("pid", 2, 4711);
        let mut answer = Message::default();
        answer.number("type", 1, 6);
        answer.number("success", 2, 1);
        answer.message("notify", 5, &notice);
        let read = Answer::read(answer.as_bytes(), Vec::new()).unwrap();
        let notice = read.notice.unwrap();
        assert_eq!(
            (notice.script.as_str(), notice.pid.unwrap().as_raw()),
            ("setup-namespaces", 4711)
        );
    }

    #[test]
    fn versions_are_told_as_criu_tells_them() {
        assert_eq!(Version(31_701).to_string(), "3.17.1");
        assert_eq!(Version(40_000).to_string(), "4.0");
        assert!(Version(31_701) < Version(40_100));
    }
}
