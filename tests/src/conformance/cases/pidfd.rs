//! runc's `--pidfd-socket`: a descriptor of the process, which means this one and no other that gets its
//! number later.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;
use std::thread;

use anyhow::{Context, Result};

use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("pidfd/create", "runc: create --pidfd-socket", Fits::All, create),
    case("pidfd/run", "runc: run --pidfd-socket", Fits::All, run),
    case("pidfd/exec", "runc: exec --pidfd-socket", Fits::All, exec),
    case("pidfd/nobody-listens", "runc: --pidfd-socket", Fits::All, nobody),
];

/// Runs a command that sends a descriptor; the text with it, and whom it is of.
fn sent(bench: &Bench, words: &[&str]) -> Result<(String, i64)> {
    let path = bench.path("user/pidfd");
    let listener = UnixListener::bind(&path)?;
    bench.own(&path)?;
    let receiver = thread::spawn(move || {
        let (connection, _) = listener.accept()?;
        let (text, files) = primitives::receive_fds(connection.as_fd(), "get the descriptor")
            .map_err(std::io::Error::other)?;
        let file =
            files.into_iter().next().ok_or_else(|| std::io::Error::other("no descriptor"))?;
        let about = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
        Ok::<_, std::io::Error>((String::from_utf8_lossy(&text).into_owned(), about))
    });
    let at = words.len() - words.iter().rev().take_while(|word| **word != bench.id()).count() - 1;
    let socket = ["--pidfd-socket".to_string(), path.to_string_lossy().into_owned()];
    let (before, after) = words.split_at(at);
    let words: Vec<String> = before
        .iter()
        .map(|word| (*word).to_string())
        .chain(socket)
        .chain(after.iter().map(|word| (*word).to_string()))
        .collect();
    let done = bench.command(&words)?;
    if done.code != 0 {
        // Nobody will come any more, and a thread that waits would wait for ever.
        let _ = std::os::unix::net::UnixStream::connect(&path);
    }
    done.good()?;
    let (text, about) = receiver.join().ok().context("somebody has received")??;
    std::fs::remove_file(&path)?;
    let pid = about.lines().find_map(|line| line.strip_prefix("Pid:"));
    Ok((text, pid.context("it is a pidfd")?.trim().parse()?))
}

fn create(bench: &Bench) -> Result<()> {
    bench.write(&bench.config_for(&["sleep"]))?;
    let (text, pid) = sent(bench, &["create", bench.id()])?;
    bench.equal("its name", text.trim_end_matches('\0'), "pidfd");
    bench.equal("of its first process", pid, bench.pid()?);
    Ok(())
}

fn run(bench: &Bench) -> Result<()> {
    bench.write(&bench.config_for(&["sleep"]))?;
    let (_, pid) = sent(bench, &["run", "--detach", bench.id()])?;
    bench.equal("of its first process", pid, bench.pid()?);
    Ok(())
}

fn exec(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let file = bench.path("user/exec.pid");
    let words = [
        "exec",
        "--detach",
        "--pid-file",
        &file.to_string_lossy(),
        bench.id(),
        "/bin/payload",
        "sleep",
    ];
    let (_, pid) = sent(bench, &words)?;
    bench.equal("of the new one", pid, std::fs::read_to_string(&file)?.trim().parse::<i64>()?);
    Ok(())
}

fn nobody(bench: &Bench) -> Result<()> {
    bench.write(&bench.config_for(&["sleep"]))?;
    let path = bench.path("user/nobody").to_string_lossy().into_owned();
    let done = bench.command(&["create", "--pidfd-socket", &path, bench.id()])?;
    bench.fails("refused", &done, 1);
    bench.fails("nothing is there", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}
