//! How does a process wait until another one, which is no relative of its, lets it go on?
//!
//! Behind a door: a socket in a directory. `runtime create` lays it and is gone when somebody knocks;
//! `runtime start` is the one who does, and becomes to the waiting process what its parent was. It
//! brings its window along, so what follows is shown by the one who asked for it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::unistd::Pid;
use trace::Arg;

use crate::call;
use crate::descriptors::out_of_the_way;
use crate::error::{Error, Result};
use crate::exec;
use crate::gate::{is_watched, perform};
use crate::line::{Line, Message, ToParent};
use crate::spawn::Child;
use crate::wait::Status;
use crate::window;

/// A door that is not opened yet; close-on-exec.
#[derive(Debug)]
pub struct Door(OwnedFd);

impl Door {
    /// Lays a door: makes a socket, listens on it, and gives it a name in `directory`.
    ///
    /// - man: bind(2), listen(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    /// - EADDRINUSE: there is something of this name already
    #[track_caller]
    pub fn lay(directory: BorrowedFd<'_>, name: &str, why: &'static str) -> Result<Door> {
        let shown = Arg::Path(name.to_string());
        let mut laid = None;
        perform(call!("bind" as "lay", directory, shown), why, || {
            let fd = out_of_the_way(packet_socket()?)?;
            bind(fd.as_raw_fd(), &address(directory, name)?)?;
            listen(&fd, Backlog::new(4)?)?;
            laid = Some(fd);
            Ok(())
        })?;
        laid.map(Door).ok_or_else(|| Error::Unusable("the door was not laid".to_string()))
    }

    /// Waits behind the door, without a parent and without a window, until somebody knocks and says
    /// "go on". Whoever goes away without a word has changed nothing.
    ///
    /// - man: accept(2), recvmsg(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    pub fn wait(self) -> Result<ToParent> {
        window::leave();
        // Until then whoever watches stays, for the last reports.
        exec::hang_up();
        let gone = |errno| Error::Unusable(format!("waiting behind the door: accept: {errno}"));
        loop {
            let line = accept(self.0.as_fd()).map_err(gone)?;
            if let Some(parent) = let_in(line) {
                return Ok(parent);
            }
        }
    }
}

/// Listens to somebody who knocked, until "go on".
fn let_in(line: Line) -> Option<ToParent> {
    loop {
        match line.hear_with_fd() {
            Ok(Some((Message::Watched(args), Some(wire)))) => window::adopt(wire, &args),
            Ok(Some((Message::Go, _))) => break,
            _ => {
                window::leave();
                return None;
            }
        }
    }
    exec::set_line(&line);
    Some(ToParent(line))
}

fn accept(door: BorrowedFd<'_>) -> std::result::Result<Line, Errno> {
    loop {
        match nix::sys::socket::accept4(door.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            Err(Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(errno) => return Err(errno),
            Ok(fd) => {
                // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
                let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                return out_of_the_way(fd).map(Line::from_fd);
            }
        }
    }
}

impl Child {
    /// Knocks at the door that process `pid` waits behind. It becomes a child of this one in all but
    /// its exit status, which is for its real parent; dropping this value does not end it.
    ///
    /// - man: connect(2), unix(7)
    /// - since: Linux 2.6.4 for packets that keep their bounds
    /// - ECONNREFUSED: nobody waits behind it any more
    /// - ENOENT: there is no door of this name
    #[track_caller]
    pub fn knock(
        directory: BorrowedFd<'_>,
        name: &str,
        role: &'static str,
        pid: Pid,
        why: &'static str,
    ) -> Result<Child> {
        let shown = Arg::Path(name.to_string());
        let mut line = None;
        perform(call!("connect" as "knock", directory, shown), why, || {
            let fd = out_of_the_way(packet_socket()?)?;
            connect(fd.as_raw_fd(), &address(directory, name)?)?;
            line = Some(Line::from_fd(fd));
            Ok(())
        })?;
        if let (true, Some(line)) = (is_watched(), &line) {
            window::bring_along(line)
                .map_err(|errno| Error::Unusable(format!("no window behind the door: {errno}")))?;
        }
        let ended = Some(Status::Exited(0));
        Ok(Child { pid, pidfd: None, line, role, execve: None, ended })
    }

    /// As [`Child::watch_it_go`], and then asks the kernel whether the process has become another
    /// program: the end of the line alone may also be that of the process.
    ///
    /// # Errors
    /// [`Error::Child`] with the process's own words when it could not do its part; [`Error::Lost`]
    /// when it ended without any.
    pub fn watch_it_become_another(&mut self) -> Result<()> {
        self.watch_it_go()?;
        match exec::has_execed(self.pid.as_raw()) {
            Some(false) => Err(self.lost("killed".to_string())),
            // Where the number cannot be asked for, it has ended since, after its execve.
            _ => Ok(()),
        }
    }
}

fn packet_socket() -> std::result::Result<OwnedFd, Errno> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
}

/// A socket's path has room for 107 bytes; by way of its directory any place is near enough.
fn address(directory: BorrowedFd<'_>, name: &str) -> std::result::Result<UnixAddr, Errno> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    UnixAddr::new(&path.join(Path::new(name)))
}

/// Whether a process has become another program since it was made; none when there is no such process.
pub fn has_become_another(pid: Pid) -> Option<bool> {
    exec::has_execed(pid.as_raw())
}
