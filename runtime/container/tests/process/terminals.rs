//! Is a program in a container in front of our terminal as if it had been started directly?

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use bundle::Plan;
use container::{process, terminal};
use primitives::{
    Birth, Child, Namespaces, Pty, Result, Status, WindowSize, dup2, open_path, openpty,
    set_controlling_terminal, set_window_size, setsid, spawn,
};
use serde_json::json;

use crate::{plan, shell};

/// The program of a plan, in a terminal of its own.
fn start(plan: &Plan) -> Result<(Child, OwnedFd)> {
    let mut child = spawn("init", Birth::default(), "test it", |parent| {
        setsid("have no terminal yet")?;
        let root = open_path("/", "be its root")?;
        let bundle::Terminal::New { rows, columns } = plan.process.terminal else {
            panic!("this is about terminals");
        };
        let terminal = terminal::open(root.as_fd(), rows, columns)?;
        parent.send_fd(terminal.master.as_fd(), "have somebody sit in front of it")?;
        parent.wait("write nothing before somebody sits there")?;
        terminal.sit_down()?;
        let ready = process::prepare(&plan.process, None)?;
        match process::execute(&plan.process, ready, &process::Inherited::default())? {}
    })?;
    let master = child.receive_fd("sit in front of it")?;
    terminal::stand_behind_ours(master.as_fd())?;
    child.release("have it run its program")?;
    Ok((child, master))
}

/// A process as a command line tool is: in front of a terminal, with a container behind it.
fn command(pty: &Pty, plan: &Plan) -> Child {
    spawn("command", Birth::default(), "test it", |_| {
        setsid("have a terminal of its own")?;
        for number in 0..3 {
            dup2(pty.slave.as_fd(), number, "be in front of it")?;
        }
        set_controlling_terminal(pty.slave.as_fd(), "be in front of it")?;
        let (mut child, master) = start(plan)?;
        Ok(terminal::attend(&mut child, Some(master))?.code())
    })
    .unwrap()
}

/// Reads until it is there.
fn until(screen: &mut File, seen: &mut String, wanted: &str) {
    let mut room = [0; 1024];
    while !seen.contains(wanted) {
        let length = screen.read(&mut room).unwrap_or(0);
        assert!(length > 0, "no {wanted:?} in {seen:?}");
        seen.push_str(&String::from_utf8_lossy(&room[..length]));
    }
}

pub(crate) fn in_front_of_ours() {
    let pty = openpty("be a person").unwrap();
    let size = |rows, columns| {
        set_window_size(pty.master.as_fd(), WindowSize { rows, columns }, "look").unwrap();
    };
    size(31, 77);
    // Whatever goes wrong, it ends.
    let line = "(sleep 20; kill -9 $$) & trap 'stty size' WINCH; \
                trap 'echo intr' INT; tty; stty size; read a; echo got $a; \
                read b; read b; exit 7";
    let plan = plan(json!({"terminal": true, "args": shell(line)}), json!({}));
    let before = modes(&pty);
    let command = command(&pty, &plan);
    let mut screen = File::from(pty.master.try_clone().unwrap());
    let mut seen = String::new();
    until(&mut screen, &mut seen, "31 77\r\n");
    assert!(seen.contains("/dev/pts/"), "{seen:?}");
    assert_ne!(modes(&pty), before);
    screen.write_all(b"hello\n").unwrap();
    until(&mut screen, &mut seen, "got hello\r\n");
    size(40, 50);
    until(&mut screen, &mut seen, "40 50\r\n");
    // Ctrl-C is a key like all others to this terminal, and a signal to the one behind it.
    screen.write_all(b"\x03").unwrap();
    until(&mut screen, &mut seen, "intr\r\n");
    screen.write_all(b"\n\n").unwrap();
    assert_eq!(command.finish("see how it ends").unwrap(), Status::Exited(7));
    assert!(!seen.contains("\r\r"), "{seen:?}");
    assert_eq!(modes(&pty), before);
}

/// What the kernel does to the text of our terminal.
fn modes(pty: &Pty) -> String {
    let said = primitives::memfd_create_inheritable("said", b"", "see what it says").unwrap();
    let child = spawn("stty", Birth::default(), "test it", |_| {
        dup2(pty.slave.as_fd(), 0, "look at it")?;
        dup2(said.as_fd(), 1, "be seen")?;
        primitives::become_program(&["stty".into(), "-g".into()], "look at it")
    });
    child.unwrap().finish("see how it ends").unwrap();
    crate::content(&said)
}

pub(crate) fn every_signal() {
    let said = primitives::memfd_create_inheritable("said", b"", "see what it says").unwrap();
    let line = "for s in HUP INT TERM USR1 TSTP 40; do trap \"echo $s\" $s; done; echo ready; \
                while :; do sleep 0.05; done";
    let plan = plan(json!({"args": shell(line)}), json!({}));
    let command = spawn("command", Birth::default(), "test it", |_| {
        let mut child = spawn("init", Birth::default(), "test it", |_| {
            setsid("not get the signals of our terminal")?;
            dup2(said.as_fd(), 1, "be seen")?;
            let ready = process::prepare(&plan.process, None)?;
            match process::execute(&plan.process, ready, &process::Inherited::default())? {}
        })?;
        Ok(terminal::attend(&mut child, None)?.code())
    })
    .unwrap();
    let wait_for = |word: &str| {
        for _ in 0..400 {
            if crate::content(&said).contains(word) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no {word} in {:?}", crate::content(&said));
    };
    wait_for("ready");
    for (number, word) in
        [(1, "HUP"), (2, "INT"), (15, "TERM"), (10, "USR1"), (20, "TSTP"), (40, "40")]
    {
        let pidfd = command.pidfd().unwrap();
        primitives::pidfd_send_signal_number(pidfd, number, "hand it on").unwrap();
        wait_for(word);
    }
    let inner = primitives::Pid::from_raw(only_child(command.pid().as_raw()));
    primitives::kill(inner, primitives::Signal::SIGKILL, "end it").unwrap();
    assert_eq!(command.finish("see how it ends").unwrap(), Status::Exited(128 + 9));
}

fn only_child(pid: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().parse().unwrap()
}

pub(crate) fn no_devpts() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["dev", "dev/pts"] {
        primitives::mkdir(&directory.path().join(name), 0o755, "have a root").unwrap();
    }
    let namespaces = Namespaces::CLONE_NEWNS;
    let birth = Birth { namespaces, ..Birth::default() };
    let child = spawn("child", birth, "test it", |_| {
        let root = open_path(directory.path(), "be its root")?;
        terminal::open(root.as_fd(), 0, 0).map(|_| 0)
    });
    let error = child.unwrap().finish("see how it ends").unwrap_err();
    assert!(error.to_string().contains("devpts"), "{error}");
}
