//! How is a command run inside the lab, so that it cannot tell that its streams cross a machine?
//!
//! This is `lab` itself, started by `guest/floor.sh` in the new kernel. It reads the order, starts
//! the command, carries its three streams over the line, and reports how it ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::exit;
use crate::wire::{Frame, Order, READY, Streams};

/// How long output may still come after the command has ended, if something it left behind in the
/// background holds its output open. `docker run` does not wait for such a thing either.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The way out, shared by the threads: a frame is written whole or not at all.
type Out = Arc<Mutex<File>>;

/// Serves one command over `line`; `note` is the file with the order.
pub(crate) fn serve(line: &Path, note: &Path) -> Result<()> {
    name_standard_streams()?;
    let order = Order::decode(&fs::read(note).context("cannot read the order")?)?;
    // Opened once: a virtio port refuses a second time.
    let input = File::options().read(true).write(true).open(line);
    let input = input.context("cannot open the line to the host")?;
    let mut output = input.try_clone()?;
    output.write_all(READY)?;
    let out = Arc::new(Mutex::new(output));

    let last = match start(&order) {
        Ok(child) => Frame::Exit(carry(child, input, &out)?),
        Err(refusal) => refusal,
    };
    // The host pulls the plug when it has read the last frame: what a shared directory shall keep
    // must be written before.
    Command::new("/bin/busybox").arg("sync").status()?;
    send(&out, &last)?;
    Ok(())
}

/// devtmpfs knows devices only; these four names are a habit of user space. (It is done here
/// because in User-Mode Linux four calls of ln(1) would take as long as the kernel's whole boot.)
fn name_standard_streams() -> io::Result<()> {
    symlink("/proc/self/fd", "/dev/fd")?;
    symlink("/proc/self/fd/0", "/dev/stdin")?;
    symlink("/proc/self/fd/1", "/dev/stdout")?;
    symlink("/proc/self/fd/2", "/dev/stderr")
}

fn start(order: &Order) -> Result<Child, Frame> {
    if !order.directory.is_dir() {
        let why = format!("the lab has no directory {}", order.directory.display());
        return Err(Frame::Refusal(exit::LAB_FAILED, why));
    }
    if order.user != 0 {
        hand_over_a_cgroup(order.user).map_err(|error| {
            Frame::Refusal(exit::LAB_FAILED, format!("no cgroup for uid {}: {error}", order.user))
        })?;
    }
    let (mut command, name) = prepare(order);
    command.spawn().map_err(|error| {
        let code = exit::of_refusal(&error);
        Frame::Refusal(code, format!("cannot run {name:?} in the lab: {error}"))
    })
}

/// A cgroup that belongs to the user, as systemd gives one to each login. The command runs in a
/// child of it, because a cgroup that hands controllers down must not hold processes itself.
fn hand_over_a_cgroup(user: u32) -> io::Result<()> {
    let mine = format!("/sys/fs/cgroup/user-{user}");
    let session = format!("{mine}/session");
    fs::create_dir(&mine)?;
    for file in ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"] {
        chown(format!("{mine}{file}"), Some(user), Some(user))?;
    }
    fs::create_dir(&session)?;
    for file in ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"] {
        chown(format!("{session}{file}"), Some(user), Some(user))?;
    }
    // "0" means "whoever writes this". The command inherits the place from us.
    fs::write(format!("{session}/cgroup.procs"), "0")
}

/// The command as std knows it, and its name for a message.
fn prepare(order: &Order) -> (Command, OsString) {
    let name = order.command.first().cloned().unwrap_or_default();
    let mut command = match order.streams {
        Streams::Pipes => {
            let program = order.program_path().unwrap_or_else(|| (&name).into());
            let mut command = Command::new(program);
            command.arg0(&name).args(order.command.iter().skip(1));
            command
        }
        Streams::Terminal { rows, columns } => on_a_terminal(order, rows, columns),
    };
    command
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&order.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if order.user != 0 {
        // Without a group list of its own, std drops all supplementary groups together with root.
        command.gid(order.user).uid(order.user);
    }
    (command, name)
}

/// script(1) makes a terminal, puts the command on it and passes its exit code on. Its own record
/// of the session goes nowhere.
fn on_a_terminal(order: &Order, rows: u16, columns: u16) -> Command {
    let words: Vec<String> =
        order.command.iter().map(|word| quote(&word.to_string_lossy())).collect();
    let line = format!("stty rows {rows} cols {columns}; exec {}", words.join(" "));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command
}

/// One word for the shell, whatever is in it.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Carries the streams until the command has ended; its exit code.
fn carry(mut child: Child, input: File, out: &Out) -> Result<u8> {
    if let Some(stdin) = child.stdin.take() {
        let out = Arc::clone(out);
        thread::spawn(move || feed(input, stdin, &out));
    }
    let (done, both_done) = channel();
    if let Some(stdout) = child.stdout.take() {
        drain(stdout, Frame::Output, Arc::clone(out), done.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        drain(stderr, Frame::ErrorOutput, Arc::clone(out), done);
    }
    let status = child.wait()?;
    // Two answers, or silence for a while: see LAST_WORDS.
    while both_done.recv_timeout(LAST_WORDS).is_ok() {}
    Ok(exit::of_status(status))
}

/// line → the command's standard input.
fn feed(mut line: File, stdin: impl Write, out: &Out) {
    let mut stdin = Some(stdin);
    loop {
        match Frame::read(&mut line) {
            Ok(Frame::Input(bytes)) => {
                // A command that reads no more is not a reason to stop: the host is told the same.
                if stdin.as_mut().is_some_and(|stdin| stdin.write_all(&bytes).is_err()) {
                    stdin = None;
                }
                if send(out, &Frame::Taken).is_err() {
                    return;
                }
            }
            Ok(Frame::InputEnd) => stdin = None,
            Ok(_) => {}
            // The host's `lab` is gone. With nobody to work for, floor.sh turns the machine off.
            Err(_) => exit(i32::from(exit::LAB_FAILED)),
        }
    }
}

/// One of the command's outputs → line, in a thread of its own.
fn drain(
    mut stream: impl Read + Send + 'static,
    frame: fn(Vec<u8>) -> Frame,
    out: Out,
    done: Sender<()>,
) {
    thread::spawn(move || {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if send(&out, &frame(buffer[..length].to_vec())).is_err() {
                break;
            }
        }
        // Nobody listens any more only if the last words took too long.
        let _ = done.send(());
    });
}

fn send(out: &Out, frame: &Frame) -> io::Result<()> {
    // A thread that panicked while it held the line has left a broken frame, which the host notices.
    frame.write(&mut *out.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_one_word() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
