//! Chapter 13: who is at the terminal, how large is it, and in which cgroup is the visitor?

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::Result;
use primitives::receive_fds;
use trace::Arg;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::judged;
use crate::chapter2::same_namespaces;
use crate::chapter8::{no_cgroup, places};
use crate::judge::{ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run, Target};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[console, resize, same_cgroup];

/// How long somebody at a socket or a terminal waits for a word.
const PATIENCE: Duration = Duration::from_secs(4);

/// What became of a conversation at a terminal that was handed over.
#[derive(Default)]
struct Talk {
    /// Whether exactly one descriptor came, with bytes.
    came: bool,
    is_terminal: bool,
    heard: String,
}

/// 13.1: the terminal goes to whoever listens.
pub(crate) fn console(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let word = bench.chance.word("word");
    let socket = folder.file("console");
    let listener = UnixListener::bind(&socket)?;
    listener.set_nonblocking(true)?;
    let typed = word.clone();
    let engine = thread::spawn(move || sit_down(&listener, &typed));
    let options = vec!["--socket".to_string(), text(&socket)];
    // It ends when it is hung up on, as a shell does, or by itself after some seconds.
    let script = format!(
        "trap 'exit {code}' HUP; read word && echo \"heard $word\"; \
         i=0; while [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done"
    );
    let launch = Launch::new(&bench.program, options, words(["sh", "-c", &script]));
    let run = launch.run(&folder)?;
    let talk = engine.join().unwrap_or_default();
    let criteria = vec![
        in_a_child(&run),
        criterion("one descriptor comes, with bytes beside it", talk.came, || {
            "nothing of the kind has come to the socket".to_string()
        }),
        criterion("it is the end of a terminal", talk.is_terminal, || {
            "what came, if anything, is none".to_string()
        }),
        criterion(
            "what is typed there reaches CMD, and its answer comes back",
            talk.heard.contains(&format!("heard {word}")),
            || format!("what came back is {:?}", talk.heard),
        ),
        ended_with(&run, "CMD is hung up on, and its exit code passed on", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

/// An engine: takes a terminal, types a word, reads the answer, and hangs up.
fn sit_down(listener: &UnixListener, word: &str) -> Talk {
    let start = Instant::now();
    let mut talk = Talk::default();
    let socket = loop {
        match listener.accept() {
            Ok((socket, _)) => break socket,
            Err(_) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(2)),
            Err(_) => return talk,
        }
    };
    // Who connects and sends nothing must not be waited for for ever.
    let _ = socket.set_nonblocking(false);
    let _ = socket.set_read_timeout(Some(PATIENCE));
    let Ok((bytes, fds)) = receive_fds(socket.as_fd(), "have the terminal") else { return talk };
    talk.came = !bytes.is_empty() && fds.len() == 1;
    let Some(master) = fds.into_iter().next() else { return talk };
    talk.is_terminal = primitives::window_size(master.as_fd()).is_some();
    talk.heard = converse(master, word);
    talk
}

fn converse(master: OwnedFd, word: &str) -> String {
    let mut terminal = File::from(master);
    let _ = terminal.write_all(format!("{word}\n").as_bytes());
    let mut heard = String::new();
    let mut room = [0; 1024];
    let start = Instant::now();
    while !heard.contains(&format!("heard {word}")) && start.elapsed() < PATIENCE {
        if !primitives::has_something(terminal.as_fd()) {
            sleep(Duration::from_millis(2));
            continue;
        }
        match terminal.read(&mut room) {
            Ok(length @ 1..) => heard.push_str(&String::from_utf8_lossy(&room[..length])),
            _ => break,
        }
    }
    heard
}

/// 13.2: a size from the start, and another one later.
pub(crate) fn resize(bench: &mut Bench) -> Result<Verdict> {
    let code = bench.chance.exit_code();
    let sides: Vec<u32> = bench.chance.numbers(4, 20..=200);
    let (first, then) = ((sides[0], sides[1]), (sides[2], sides[3]));
    let as_option = |(rows, columns): (u32, u32)| format!("{rows}x{columns}");
    let options = words(["--first", &as_option(first), "--then", &as_option(then)]);
    let script = format!(
        "trap 'stty size; exit {code}' WINCH; stty size; \
         i=0; while [ $i -lt 60 ]; do sleep 0.05; i=$((i+1)); done"
    );
    let launch = Launch::new(&bench.program, options, words(["sh", "-c", &script]));
    let run = launch.run(&Folder::new()?)?;
    let said: Vec<&str> = run.out.lines().map(str::trim).collect();
    let says = |at: usize, (rows, columns): (u32, u32)| {
        said.get(at) == Some(&format!("{rows} {columns}").as_str())
    };
    let what = |when: &str, (rows, columns): (u32, u32)| {
        format!("{when} the terminal has {rows} lines of {columns} characters")
    };
    let criteria = vec![
        in_a_child(&run),
        criterion(what("at first", first), says(0, first), || {
            format!("`stty size` says {:?}", said.first().unwrap_or(&""))
        }),
        sized_in_time(&run),
        criterion(what("then", then), says(1, then), || match said.get(1) {
            Some(size) => format!("`stty size` says {size:?}"),
            None => "CMD was not told that the size has changed".to_string(),
        }),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

/// Nothing but luck may decide whether the size is there when somebody asks.
fn sized_in_time(run: &Run) -> Criterion {
    let sizes = Arg::Word("TIOCSWINSZ".to_string());
    let set = run.trace.done("ioctl").find(|at| run.trace.at(*at).args.contains(&sizes));
    let met = match (set, run.trace.became(&run.command)) {
        (Some(set), Some(program)) => run.trace.before(set, program),
        _ => false,
    };
    criterion("the first size is there before CMD is", met, || {
        "nothing makes sure that the size is set before CMD starts".to_string()
    })
}

/// 13.3: the visitor counts for the container.
pub(crate) fn same_cgroup(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let Some(group) = Group::new(bench) else { return Ok(no_cgroup()) };
    let target = group.start(bench)?;
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let options = vec![target.seen.pid.to_string()];
    let launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let (mut seen, mut own) = (None, None);
    let run = launch.run_and(&folder, |program| {
        seen = cgroups(program.pid);
        own = parent(program.pid).and_then(cgroups);
    })?;
    let wanted = cgroups(target.seen.pid);
    let here = cgroups(i32::try_from(std::process::id())?);
    let criteria = vec![
        in_a_child(&run),
        criterion("CMD is in the cgroups of process PID", seen.is_some() && seen == wanted, || {
            match &seen {
                Some(_) => "the kernel says that it is elsewhere".to_string(),
                None => "CMD was never seen".to_string(),
            }
        }),
        criterion("your program is where it was", own.is_some() && own == here, || {
            "the parent of CMD was not seen, or is in another cgroup".to_string()
        }),
        same_namespaces(run.seen.as_ref(), &target.seen),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    drop(target);
    Ok(judged(criteria, &run))
}

fn cgroups(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()
}

fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// A cgroup of the grader's own, for a process that is to be joined; removed in any case.
struct Group(PathBuf);

impl Group {
    /// Below the grader's own cgroup, in a hierarchy that limits processes; none where none can be made.
    fn new(bench: &mut Bench) -> Option<Group> {
        let name = format!("grade-{}-{}", std::process::id(), bench.chance.number(1000..=9999));
        places().into_iter().map(|place| place.join(&name)).find_map(|path| {
            fs::create_dir(&path).ok()?;
            let group = Group(path);
            group.0.join("pids.max").exists().then_some(group)
        })
    }

    /// A process in there, with a view of files in which no cgroup can be seen.
    fn start(&self, bench: &mut Bench) -> Result<Target> {
        let folder = Folder::new()?;
        let here = bench.here(&folder, 0);
        let procs = text(&self.0.join("cgroup.procs"));
        let mut before = words(["sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", &procs]);
        before.extend(bench.unshare(&["--user", "--map-root", "--uts", "--mount"])?);
        let hide = "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"";
        before.extend(words(["sh", "-c", hide, "sh"]));
        Target::start(before, here, folder)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let start = Instant::now();
        while gone(&self.0).is_err() && start.elapsed() < Duration::from_secs(3) {
            sleep(Duration::from_millis(5));
        }
    }
}

fn gone(path: &Path) -> std::io::Result<()> {
    if path.exists() { fs::remove_dir(path) } else { Ok(()) }
}
