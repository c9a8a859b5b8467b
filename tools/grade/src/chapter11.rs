//! Chapter 11: what is there in the network namespace of the program, and who can reach whom?

use std::fs;
use std::net::{TcpListener, TcpStream};

use anyhow::Result;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run, succeeds};
use crate::seen::Seen;
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[off_no_more, two_of_them, door_from_elsewhere];

/// 11.1: the loopback device is on.
fn off_no_more(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let launch = Launch::new(&bench.program, Vec::new(), bench.here(&folder, code));
    let mut alive = false;
    let run = launch.run_and(&folder, |seen| alive = addresses(seen).contains("127.0.0.1"))?;
    let message = run.trace.done("RTM_SETLINK").next().is_some();
    let criteria = vec![
        own_network(&run),
        criterion("127.0.0.1 is alive there", alive, || {
            seen_or(&run, "lo has no address: it is off")
        }),
        criterion("it was asked for by a message", message, || {
            "there is no RTM_SETLINK in the trace that the kernel took".to_string()
        }),
    ];
    Ok(well_ended(run, code, criteria))
}

/// 11.2: CMD reaches somebody in another namespace.
fn two_of_them(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    if !succeeds(&words(["busybox", "ping", "-c", "1", "127.0.0.1"])) {
        let why = "sending a packet takes busybox, as root (Debian: apt-get install busybox)";
        return Ok(Verdict::Skipped(why.to_string()));
    }
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let net = format!("10.{}.{}", bench.chance.number(1..=254), bench.chance.number(0..=254));
    let one = format!("{net}.{}", bench.chance.number(2..=99));
    let two = format!("{net}.{}", bench.chance.number(100..=250));
    let here = bench.here(&folder, code);
    let said = folder.file("ping");
    let script = "busybox ping -c 1 -W 3 \"$0\" > \"$1\" 2>&1; shift; exec \"$@\"";
    let mut command = words(["sh", "-c", script, &one, &text(&said)]);
    command.extend(here.clone());
    let options = words(["--one", &one, "--two", &two]);
    let mut launch = Launch::new(&bench.program, options, command);
    launch.awaited = here;
    let mut known = String::new();
    let run = launch.run_and(&folder, |seen| known = addresses(seen))?;
    let said = fs::read_to_string(said).unwrap_or_default();
    let is = |ip: &str| known.lines().any(|line| line.trim() == ip);
    let criteria = vec![
        own_network(&run),
        criterion(format!("CMD has the address {two}"), is(&two), || {
            seen_or(&run, "no device there has it")
        }),
        criterion(format!("{one} is somebody else"), run.seen.is_some() && !is(&one), || {
            seen_or(&run, "CMD has that address itself")
        }),
        criterion(format!("{one} answers"), said.contains(" 1 packets received"), || {
            format!("ping said: {}", said.trim())
        }),
    ];
    Ok(well_ended(run, code, criteria))
}

/// 11.3: a socket of this network namespace, in another one.
fn door_from_elsewhere(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    // One that nobody has at the moment.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let options = words(["--port", &port.to_string()]);
    let launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let (mut reached, mut input) = (false, false);
    let run = launch.run_and(&folder, |seen| {
        reached = TcpStream::connect(("127.0.0.1", port)).is_ok();
        input = seen.descriptors.get(&0).is_some_and(|what| what.starts_with("socket:"));
    })?;
    let criteria = vec![
        own_network(&run),
        criterion("the standard input of CMD is a socket", input, || seen_or(&run, "it is not")),
        criterion(format!("somebody listens at 127.0.0.1:{port} out here"), reached, || {
            seen_or(&run, "nobody does")
        }),
    ];
    Ok(well_ended(run, code, criteria))
}

fn own_network(run: &Run) -> Criterion {
    let ours = crate::seen::namespace(std::process::id().cast_signed(), "net");
    let its = run.seen.as_ref().and_then(|seen| seen.namespaces.get("net").copied());
    criterion("CMD is in a network namespace of its own", its.is_some() && its != ours, || {
        seen_or(run, "it is in the grader's")
    })
}

fn seen_or(run: &Run, words: &str) -> String {
    match run.seen {
        Some(_) => words.to_string(),
        None => NEVER_SEEN.to_string(),
    }
}

/// The addresses that are alive where the process is, one a line: the kernel's table of routes has a line
/// `|-- ADDRESS` for each, and below it that it is local.
fn addresses(seen: &Seen) -> String {
    let table = fs::read_to_string(format!("/proc/{}/net/fib_trie", seen.pid)).unwrap_or_default();
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let local = lines.windows(2).filter(|pair| pair[1].contains("host LOCAL"));
    let addresses = local.filter_map(|pair| pair[0].strip_prefix("|-- "));
    addresses.map(|address| format!("{address}\n")).collect()
}

fn well_ended(run: Run, code: u8, criteria: Vec<Criterion>) -> Verdict {
    let mut all = vec![in_a_child(&run)];
    all.extend(criteria);
    all.extend([
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ]);
    judged(all, &run)
}
