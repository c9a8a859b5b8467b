//! config.md, "Process": terminal and consoleSize; runc's console socket.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::conformance::report::Report;
use crate::conformance::{Bench, Case, Fits, case};
use crate::pty::Terminal;

pub(super) const CASES: &[Case] = &[
    case("terminal/none", "config.md, Process: terminal, false by default", Fits::All, none),
    case("terminal/console-socket", "runc: --console-socket", Fits::All, console_socket),
    case("terminal/size", "config.md, Process: consoleSize", Fits::All, size),
    case("terminal/console", "config-linux.md, Default Devices: /dev/console", Fits::All, console),
    case("terminal/foreground", "config.md, Process: terminal", Fits::All, foreground),
    case("terminal/no-carriage-returns", "runc: output as it was written", Fits::All, plain),
    case("terminal/create-needs-a-socket", "runc: create with terminal", Fits::All, needs_socket),
    case("terminal/socket-needs-a-terminal", "runc: socket without terminal", Fits::All, no_use),
    case("terminal/exec", "runc: exec --tty --console-socket", Fits::All, exec),
];

fn with_terminal(bench: &Bench, words: &[&str]) -> Value {
    let mut config = bench.config_for(words);
    config["process"]["terminal"] = json!(true);
    config
}

fn none(bench: &Bench) -> Result<()> {
    let report = bench.run(&bench.config())?;
    bench.equal("no terminal", &report.0["terminals"], &json!([false, false, false]));
    bench.equal("none controls it", report.stat("tty"), "0");
    bench.equal("no console", report.device("console"), "absent".to_string());
    Ok(())
}

/// What a shim does: listen, run, and get the other end of the terminal.
fn over_socket(bench: &Bench, words: &[&str]) -> Result<(String, fs::File)> {
    let path = bench.path("console.sock");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    bench.own(&path)?;
    listener.set_nonblocking(true)?;
    let path = path.to_string_lossy().into_owned();
    let at = words.len() - 1;
    let words = [&words[..at], &["--console-socket", &path], &words[at..]].concat();
    bench.command(&words)?.good()?;
    let (connection, _) = listener.accept().context("nobody has called")?;
    connection.set_nonblocking(false)?;
    let (name, mut files) = primitives::receive_fds(connection.as_fd(), "get the terminal")?;
    ensure!(files.len() == 1, "{} descriptors came", files.len());
    let file = files.pop().context("a descriptor")?;
    Ok((String::from_utf8_lossy(&name).into_owned(), file.into()))
}

/// Reads the terminal until the payload's line is there.
fn report(bench: &Bench, terminal: &fs::File) -> Result<Report> {
    use std::io::Read;
    let mut text = String::new();
    let mut buffer = [0; 65536];
    bench.until("the payload reports", || {
        if let Ok(length) = (&mut &*terminal).read(&mut buffer) {
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        Ok(text.contains("}\r\n").then_some(()))
    })?;
    Report::read(&text.replace("\r\n", "\n"))
}

fn console_socket(bench: &Bench) -> Result<()> {
    bench.write(&with_terminal(bench, &["report", "sleep"]))?;
    let (name, terminal) = over_socket(bench, &["run", "--detach", bench.id()])?;
    bench.holds("its name", name.starts_with("/dev/ptmx") || name.contains("pts"), &name);
    let report = report(bench, &terminal)?;
    bench.equal("three ends", &report.0["terminals"], &json!([true, true, true]));
    bench.holds("it controls", report.stat("tty") != "0", report.stat("tty"));
    bench.equal("a session of its own", report.stat("session"), "1");
    let target = report.0["fds"]["0"].as_str().unwrap_or_default().to_string();
    bench.equal("by a name inside", target, "/dev/pts/0".to_string());
    bench.equal("nothing else", report.more_descriptors(), Vec::<(&str, &str)>::new());
    Ok(())
}

fn size(bench: &Bench) -> Result<()> {
    let mut config = with_terminal(bench, &["report", "sleep"]);
    config["process"]["consoleSize"] = json!({"height": 25, "width": 70});
    bench.write(&config)?;
    let (_, terminal) = over_socket(bench, &["run", "--detach", bench.id()])?;
    let output = Command::new("stty").arg("size").stdin(Stdio::from(terminal)).output()?;
    bench.equal("rows and columns", String::from_utf8_lossy(&output.stdout).trim(), "25 70");
    Ok(())
}

fn console(bench: &Bench) -> Result<()> {
    bench.write(&with_terminal(bench, &["report", "sleep"]))?;
    let (_, terminal) = over_socket(bench, &["run", "--detach", bench.id()])?;
    let report = report(bench, &terminal)?;
    let console = report.device("console");
    bench.holds(
        "a terminal of devpts",
        console.starts_with("c ") && console.ends_with(" 136:0"),
        &console,
    );
    bench.holds("bound", report.mount("/dev/console").is_some(), report.mount_points());
    Ok(())
}

fn foreground(bench: &Bench) -> Result<()> {
    bench.write(&with_terminal(bench, &["report"]))?;
    let screen = Terminal::default();
    let mut command = bench.ready(&["run", bench.id()]);
    command.stdin(screen.end()).stdout(screen.end()).stderr(screen.end());
    let mut child = command.spawn()?;
    let code = crate::conformance::command::wait(&mut child, bench.deadline(), bench.mark())?;
    bench.equal("exit code", code, 0);
    bench.until("the screen shows the report", || {
        Ok(screen.screen().contains("\"terminals\"").then_some(()))
    })?;
    let seen = screen.screen();
    bench.holds("three ends", seen.contains("\"terminals\":[true,true,true]"), &seen);
    Ok(())
}

/// A terminal makes `\r\n` of a newline; what `run` passes on has been through one already.
fn plain(bench: &Bench) -> Result<()> {
    bench.write(&with_terminal(bench, &["say:one", "say:two"]))?;
    let keyboard = Terminal::default();
    let mut command = bench.ready(&["run", bench.id()]);
    command.stdin(keyboard.end());
    bench.equal("its output", bench.finish(command)?.good()?.stdout, "one\ntwo\n");
    Ok(())
}

fn needs_socket(bench: &Bench) -> Result<()> {
    bench.write(&with_terminal(bench, &["report"]))?;
    bench.fails("create", &bench.command(&["create", bench.id()])?, 1);
    bench.fails("detached", &bench.command(&["run", "--detach", bench.id()])?, 1);
    Ok(())
}

fn no_use(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    let path = bench.path("console.sock");
    let _listener = UnixListener::bind(&path)?;
    bench.own(&path)?;
    let words = ["run", "--detach", "--console-socket", &path.to_string_lossy(), bench.id()];
    bench.fails("refused", &bench.command(&words)?, 1);
    Ok(())
}

fn exec(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let path = bench.path("exec.sock");
    let listener = UnixListener::bind(&path)?;
    bench.own(&path)?;
    listener.set_nonblocking(true)?;
    let path = path.to_string_lossy().into_owned();
    let words = [
        "exec",
        "--detach",
        "--tty",
        "--console-socket",
        &path,
        bench.id(),
        "/bin/payload",
        "report",
        "sleep",
    ];
    bench.command(&words)?.good()?;
    let (connection, _) = listener.accept().context("nobody has called")?;
    connection.set_nonblocking(false)?;
    let (_, mut files) = primitives::receive_fds(connection.as_fd(), "get the terminal")?;
    let terminal = fs::File::from(files.pop().context("no descriptor came")?);
    let report = report(bench, &terminal)?;
    bench.equal("three ends", &report.0["terminals"], &json!([true, true, true]));
    Ok(())
}
