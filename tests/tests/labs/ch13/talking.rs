//! Terminals: whose they are, who sits at them, and how large they are.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use primitives::{WindowSize, receive_fds, set_window_size};
use tests::places::Place;
use tests::pty::Terminal;
use tests::running::wait;

use super::{LONG, Named, Room, chapter13, named, quiet, until};

pub(super) const TESTS: &[Named] = &[
    ("a-terminal-of-the-container", a_terminal_of_the_container),
    ("ctrl-c-reaches-the-visitor", ctrl_c),
    ("size", size),
    ("console-socket", console_socket),
    ("a-false-devpts", a_false_devpts),
    ("attach", attach),
    ("attach-by-two", attach_by_two),
    ("attach-fits-the-size", attach_fits_the_size),
];

/// A visitor's terminal is one of those that the container's own programs see.
fn a_terminal_of_the_container(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let script = "tty; [ -e $(tty) ] && echo seen; read a b c d e s t rest < /proc/$$/stat; \
                  [ $s = $$ ] && [ $t != 0 ] && echo leads";
    let ran = chapter13(place, &["exec", "--tty", &room.name(), "--", "sh", "-c", script]);
    assert_eq!(ran.stdout, "/dev/pts/1\nseen\nleads\n", "{}", ran.stderr);
}

/// What is typed out here is a signal in there.
fn ctrl_c(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let script = "trap 'echo caught; exit 9' INT; echo here; while :; do sleep 0.02; done";
    let run = quiet(place, ["exec", "--tty", &room.name(), "--", "sh", "-c", script]);
    let mut terminal = Terminal::default();
    let mut first = run.start_on(&terminal);
    terminal.shows("here");
    until("it is caught", || {
        terminal.types("\x03");
        std::thread::sleep(std::time::Duration::from_millis(200));
        terminal.screen().contains("caught")
    });
    let status = wait(&mut first, LONG).expect("it ends");
    assert_eq!(status.code(), Some(9), "{}", terminal.screen());
}

/// The visitor's terminal is as large as the one in front of it, from the start and later.
fn size(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.02; done";
    let run = quiet(place, ["exec", "--tty", &room.name(), "--", "sh", "-c", script]);
    let mut terminal = Terminal::default();
    resize(&terminal, 33, 111);
    let mut first = run.start_on(&terminal);
    terminal.shows("33 111");
    until("it knows its new size", || {
        resize(&terminal, 34, 112);
        resize(&terminal, 35, 113);
        std::thread::sleep(std::time::Duration::from_millis(100));
        terminal.screen().contains("35 113")
    });
    assert!(wait(&mut first, LONG).expect("it ends").success());
}

fn resize(terminal: &Terminal, rows: u16, columns: u16) {
    let size = WindowSize { rows, columns };
    set_window_size(terminal.as_fd(), size, "do what a window does").expect("it is a terminal");
}

/// Somebody else sits at it: an engine that listens at a socket.
fn console_socket(place: Place) {
    let room = Room::start(place, "echo ready; exec sleep 70");
    let folder = tempfile::TempDir::with_prefix("porthole-lab-").expect("a folder can be made");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let socket = folder.path().join("console");
    let listener = UnixListener::bind(&socket).expect("a socket can be made there");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("it is ours");
    let socket = socket.to_string_lossy();
    let script = "read word; echo heard $word at $(tty); exit 5";
    let words =
        ["exec", "--tty", "--console-socket", &socket, &room.name(), "--", "sh", "-c", script];
    let run = quiet(place, words);
    let mut first = run.start();
    let (line, _) = listener.accept().expect("somebody connects");
    let (bytes, mut fds) = receive_fds(line.as_fd(), "sit at it").expect("something comes");
    assert_eq!((bytes.as_slice(), fds.len()), (&b"/dev/ptmx"[..], 1));
    let mut terminal = File::from(fds.remove(0));
    terminal.write_all(b"swordfish\n").expect("somebody is there");
    let mut heard = String::new();
    let mut room = [0; 256];
    while !heard.contains("heard swordfish at /dev/pts/1") {
        let length = terminal.read(&mut room).expect("it answers");
        heard.push_str(&String::from_utf8_lossy(&room[..length]));
    }
    assert_eq!(wait(&mut first, LONG).expect("it ends").code(), Some(5));
}

/// A container that has put something else where terminals should be gets none.
fn a_false_devpts(place: Place) {
    let hide = "mount -t tmpfs none /dev/pts && : > /dev/pts/ptmx && echo ready; exec sleep 70";
    let room = Room::start(place, hide);
    let ran = chapter13(place, &["exec", "--tty", &room.name(), "--", "true"]);
    assert_eq!(ran.code, 125);
    assert!(ran.error().contains("/dev/pts of the container is no devpts"), "{}", ran.stderr);
}

const ECHO: &str = "stty -echo; echo ready; while read line; do echo \"heard $line\"; done";

/// Comes, is told what was said, talks, goes, and comes again.
fn attach(place: Place) {
    let room = Room::start(place, ECHO);
    for word in ["one", "two"] {
        let run = quiet(place, ["attach", &room.name()]);
        let mut terminal = Terminal::default();
        let mut first = run.start_on(&terminal);
        terminal.shows("ready");
        terminal.types(&format!("{word}\n"));
        terminal.shows(&format!("heard {word}"));
        terminal.types("\x10\x11");
        terminal.shows("left: the box goes on");
        assert!(wait(&mut first, LONG).expect("it ends").success());
    }
    assert_eq!(room.log(), "ready\nheard one\nheard two\n");
    let print = chapter13(place, &["logs", &room.name()]);
    assert_eq!(print.stdout, room.log());
}

/// Two sit at the same terminal: both hear everything.
fn attach_by_two(place: Place) {
    let room = Room::start(place, ECHO);
    let runs = [(); 2].map(|()| quiet(place, ["attach", &room.name()]));
    let mut terminals = [(); 2].map(|()| Terminal::default());
    let mut both: Vec<_> =
        runs.iter().zip(&terminals).map(|(run, terminal)| run.start_on(terminal)).collect();
    terminals.iter_mut().for_each(|terminal| terminal.shows("ready"));
    terminals[0].types("from the first\n");
    terminals.iter_mut().for_each(|terminal| terminal.shows("heard from the first"));
    terminals[1].types("from the second\n");
    terminals.iter_mut().for_each(|terminal| terminal.shows("heard from the second"));
    room.end();
    terminals.iter_mut().for_each(|terminal| terminal.shows("the box has ended"));
    both.iter_mut().for_each(|one| assert!(wait(one, LONG).expect("it ends").success()));
}

fn attach_fits_the_size(place: Place) {
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done";
    let room = Room::start(place, script);
    let mut terminal = Terminal::default();
    resize(&terminal, 44, 122);
    let run = quiet(place, ["attach", &room.name()]);
    let mut first = run.start_on(&terminal);
    until("the box knows the size", || room.log().contains("44 122"));
    named(&run, "chapter13");
    until("and the new one", || {
        resize(&terminal, 45, 123);
        resize(&terminal, 46, 124);
        std::thread::sleep(std::time::Duration::from_millis(100));
        room.log().contains("46 124")
    });
    terminal.types("\x10\x11");
    terminal.shows("left");
    assert!(wait(&mut first, LONG).expect("it ends").success());
}
