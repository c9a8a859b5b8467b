//! Who cleans up when `lab` is interrupted, killed, or its terminal closed?
//!
//! A small process between `lab` and the kernel: `lab keep`. It stands in a process group of its
//! own, so Ctrl-C does not reach it, and it outlives `lab` for the fraction of a second that it
//! needs to end the kernel with all its helpers and to remove the lab's directory. It is started
//! before that directory is made, so there is no moment in which a killed `lab` leaves anything.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::exit;
use crate::place::{Place, Word};
use crate::proc;
use crate::session::{CONSOLE, Console};

/// How often the keeper looks around.
const GLANCE: Duration = Duration::from_millis(10);

/// How long a killed process may take to disappear.
const DEATH: Duration = Duration::from_secs(5);

/// Runs the kernel until it ends, `master` (the process number of `lab`) ends or asks for it, or the
/// time is over (in `seconds`, 0 for never).
pub(crate) fn keep(
    place: &Path,
    master: u32,
    seconds: u64,
    console: Console,
    kernel: &[OsString],
) -> Result<u8> {
    let place = Place::existing(place);
    let watch = Watch {
        master,
        until: (seconds > 0).then(|| Instant::now() + Duration::from_secs(seconds)),
    };
    let ended = match watch.until_laid_out(&place) {
        Some(code) => Ok(code),
        None => boot(&place, &watch, console, kernel),
    };
    // Also when the kernel could not even be started.
    place.remove()?;
    ended
}

fn boot(place: &Place, watch: &Watch, console: Console, kernel: &[OsString]) -> Result<u8> {
    let mut kernel = start(place, console, kernel)?;
    let code = watch.until_over(place, &mut kernel)?;
    end_group(&mut kernel)?;
    Ok(code)
}

fn start(place: &Place, console: Console, kernel: &[OsString]) -> Result<Child> {
    let (program, arguments) = kernel.split_first().context("the keeper was given no kernel")?;
    let stderr = match console {
        // Appended to, because QEMU opens it once more for the serial port.
        Console::File => {
            let file = File::options().create(true).append(true).open(place.file(CONSOLE))?;
            Stdio::from(file)
        }
        Console::Shown => Stdio::inherit(),
    };
    let mut command = Command::new(program);
    command.args(arguments).stderr(stderr).process_group(0);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}

/// What ends a lab from outside.
struct Watch {
    /// the process that started us; told and not looked up, because it may be gone already
    master: u32,
    until: Option<Instant>,
}

impl Watch {
    /// The exit code, if it is time to end.
    fn over(&self, place: &Place) -> Option<u8> {
        // Whoever adopts us when `lab` is gone has another number.
        if place.was_said(Word::Stop) || parent_id() != self.master {
            return Some(0);
        }
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        late.then_some(exit::TIMED_OUT)
    }

    fn until_laid_out(&self, place: &Place) -> Option<u8> {
        while !place.was_said(Word::Boot) {
            if let Some(code) = self.over(place) {
                return Some(code);
            }
            thread::sleep(GLANCE / 10);
        }
        None
    }

    fn until_over(&self, place: &Place, kernel: &mut Child) -> Result<u8> {
        loop {
            if kernel.try_wait()?.is_some() {
                return Ok(exit::LAB_FAILED);
            }
            if let Some(code) = self.over(place) {
                return Ok(code);
            }
            thread::sleep(GLANCE);
        }
    }
}

/// Ends the kernel and everything in its process group. User-Mode Linux runs each program inside as
/// a traced process outside; these do not die with their tracer.
fn end_group(kernel: &mut Child) -> Result<()> {
    let group = kernel.id();
    // std can signal a child but not a group; the shell's own `kill` can. It complains if the
    // group is empty already, which is what we want.
    Command::new("sh")
        .args(["-c", "kill -s KILL -- \"-$1\"", "sh", &group.to_string()])
        .stderr(Stdio::null())
        .status()
        .context("cannot run sh to end the kernel")?;
    kernel.wait()?;
    let deadline = Instant::now() + DEATH;
    while group_lives(group)? && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Is any process of the group more than a zombie? (A zombie waits for its parent, not for us.)
fn group_lives(group: u32) -> io::Result<bool> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // Anything may vanish between the listing and the reading.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else {
            continue;
        };
        if proc::state_and_group(&stat).is_some_and(|(state, of)| of == group && state != 'Z') {
            return Ok(true);
        }
    }
    Ok(false)
}
