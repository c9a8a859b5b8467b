//! Chapter 7: was somebody there for everybody?

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use primitives::{Pid, Signal, kill};
use trace::Arg;

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::{NEVER_SEEN, judged};
use crate::judge::{ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run};
use crate::seen::{Seen, processes};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[sweep, die, terminal, hand_on];

/// How long something may take that the kernel does by itself.
const GRACE: Duration = Duration::from_secs(2);

/// 7.1: takes the status of every orphan while the program runs.
pub(crate) fn sweep(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let count = bench.chance.number(200..=500) as usize;
    let here = bench.here(&folder, code);
    // The brackets are a shell that ends at once, so that what it started loses its parent.
    let script = format!("i=0; while [ $i -lt {count} ]; do (: &); i=$((i+1)); done; exec \"$@\"");
    let mut command = words(["sh", "-c", &script, "sh"]);
    command.extend(here.iter().cloned());
    let mut launch = Launch::new(&bench.program, Vec::new(), command);
    launch.awaited = here;
    let (mut first, mut zombies) = (None, None);
    let run = launch.run_and(&folder, |seen| {
        let init = parent(seen.pid);
        first = init.and_then(inside);
        zombies = init.map(|init| until_none(|| zombies_of(init)));
    })?;
    let criteria = vec![
        in_a_child(&run),
        criterion(
            "a process of yours is number 1, and the parent of CMD",
            first == Some(1),
            || match first {
                Some(number) => format!("the parent of CMD is number {number} in its namespace"),
                None => NEVER_SEEN.to_string(),
            },
        ),
        all_taken(&run, count),
        criterion("no zombie is left while CMD runs", zombies == Some(0), || match zombies {
            Some(zombies) => format!("while CMD waited there were {zombies}"),
            None => NEVER_SEEN.to_string(),
        }),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn all_taken(run: &Run, count: usize) -> Criterion {
    let taken = run.trace.taken().len();
    let what = format!("the statuses of all {count} orphans are taken");
    // Besides those of the orphans there are that of CMD and that of process 1.
    criterion(what, taken >= count + 2, || {
        format!(
            "the trace shows {taken} statuses that were taken, with CMD's and that of process 1"
        )
    })
}

/// 7.2: nobody outlives the program.
pub(crate) fn die(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let code = bench.chance.exit_code();
    let folder = Folder::new()?;
    let launch = Launch::new(&bench.program, Vec::new(), bench.here(&folder, code));
    let normal = launch.run(&folder)?;
    let folder = Folder::new()?;
    let launch = Launch::new(&bench.program, Vec::new(), bench.here(&folder, code));
    let mut survivors = None;
    let run = launch.run_and(&folder, |seen| {
        let family = [Some(seen.pid), parent(seen.pid), parent(seen.pid).and_then(parent)];
        let [program, init, Some(first)] = family else { return };
        let _ = kill(Pid::from_raw(first), Signal::SIGKILL, "see who outlives it");
        let left = || [program, init].into_iter().flatten().filter(|pid| lives(*pid)).count();
        survivors = Some(until_none(left));
    })?;
    let criteria = vec![
        in_a_child(&run),
        tied_first(&run),
        criterion("nobody outlives your program when it is killed", survivors == Some(0), || {
            match survivors {
                Some(count) => format!("two seconds later {count} were still there"),
                None => NEVER_SEEN.to_string(),
            }
        }),
        ended_with(&normal, "when it is not killed it ends with the exit code of CMD", code),
        nothing_left(&normal),
    ];
    Ok(judged(criteria, &run))
}

/// Something asks for SIGKILL at the parent's end, before the program starts.
fn tied_first(run: &Run) -> Criterion {
    let trace = &run.trace;
    let kills = Arg::Word("SIGKILL".to_string());
    let tie = |at: &usize| {
        let record = trace.at(*at);
        record.primitive == "prctl_set_pdeathsig" && record.args.contains(&kills)
    };
    let ties: Vec<usize> = trace.done("prctl").filter(tie).collect();
    let program = trace.became(&run.command);
    let met = program.is_some_and(|program| ties.iter().any(|tie| trace.before(*tie, program)));
    criterion("a process is tied to its parent before CMD starts", met, || {
        match (ties.is_empty(), program) {
            (true, _) => "no request in the trace asks for a signal when the parent ends",
            (_, None) => "CMD never ran",
            _ => "nothing makes sure that it comes before CMD starts",
        }
        .to_string()
    })
}

/// 7.3: gives the program a controlling terminal.
pub(crate) fn terminal(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let launch = Launch::new(&bench.program, Vec::new(), bench.here(&folder, code));
    let mut stat = None;
    let run = launch.run_and(&folder, |seen| stat = Stat::of(seen.pid))?;
    let seen = run.seen.as_ref();
    let place = seen.and_then(|seen| seen.descriptors.get(&0)).cloned().unwrap_or_default();
    let criteria = vec![
        in_a_child(&run),
        on_the_terminal(seen, &place),
        of_stat("CMD leads a session", stat.as_ref(), |stat| {
            let pid = seen.map(|seen| seen.pid);
            (Some(stat.session) != pid).then(|| format!("it is in session {}", stat.session))
        }),
        of_stat("the terminal is its controlling terminal", stat.as_ref(), |stat| {
            match (stat.terminal, device(&place)) {
                (0, _) => Some("it has no controlling terminal".to_string()),
                (one, Some(other)) if one == other => None,
                _ => Some(format!("its controlling terminal is another one than {place}")),
            }
        }),
        of_stat("its group is the foreground group", stat.as_ref(), |stat| {
            (stat.foreground != stat.group).then(|| "it is another one".to_string())
        }),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn on_the_terminal(seen: Option<&Seen>, place: &str) -> Criterion {
    let same = |number: u32| {
        seen.and_then(|seen| seen.descriptors.get(&number)).is_some_and(|other| other == place)
    };
    let met = place.starts_with("/dev/pts/") && (0..3).all(same);
    criterion("descriptors 0, 1 and 2 of CMD are one pseudo-terminal", met, || match seen {
        Some(_) => format!("descriptor 0 leads to {place:?}"),
        None => NEVER_SEEN.to_string(),
    })
}

fn of_stat(
    what: &str,
    stat: Option<&Stat>,
    wrong: impl FnOnce(&Stat) -> Option<String>,
) -> Criterion {
    let wrong = stat.map_or(Some(NEVER_SEEN.to_string()), wrong);
    criterion(what, wrong.is_none(), || wrong.clone().unwrap_or_default())
}

/// The number of `/dev/pts/N` as `/proc/PID/stat` has it: major 136 and up, 256 minors each.
fn device(place: &str) -> Option<i32> {
    let number: i32 = place.strip_prefix("/dev/pts/")?.parse().ok()?;
    Some(((136 + number / 256) << 8) | (number % 256))
}

/// 7.4: hands a signal on to the program.
pub(crate) fn hand_on(bench: &mut Bench) -> Result<Verdict> {
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Verdict::Skipped(why));
    }
    let folder = Folder::new()?;
    let codes = bench.chance.numbers(2, 2..=119);
    let (told, untold) = (codes[0] as u8, codes[1]);
    let signals = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGWINCH];
    let signal = *bench.chance.one_of(&signals);
    let name = &signal.as_str()[3..];
    let path = text(folder.path());
    // It ends by itself after about three seconds, told or not; and it makes an orphan.
    let script = format!(
        "trap 'exit {told}' {name}; (: &); \
         echo '{{\"uid\":0,\"gid\":0,\"hostname\":\"\"}}' > {path}/saying; mv {path}/saying {path}/ready; \
         i=0; while [ $i -lt 100 ]; do sleep 0.02; i=$((i+1)); done; exit {untold}"
    );
    let launch = Launch::new(&bench.program, Vec::new(), words(["sh", "-c", &script]));
    let none = "0".repeat(16);
    let (mut blocked, mut first) = (None, None);
    let run = launch.run_and(&folder, |seen| {
        // A shell blocks signals for a moment when it makes a process; what it inherits stays.
        until_none(|| usize::from(status(seen.pid, "SigBlk:").as_ref() != Some(&none)));
        blocked = status(seen.pid, "SigBlk:");
        let init = parent(seen.pid);
        first = init.and_then(inside);
        if let Some(init) = init.filter(|init| inside(*init) == Some(1)) {
            let _ = kill(Pid::from_raw(init), signal, "see whether it is handed on");
        }
    })?;
    let none = "0".repeat(16);
    let criteria =
        vec![
            in_a_child(&run),
            criterion(
                "a process of yours is number 1, and the parent of CMD",
                first == Some(1),
                || NEVER_SEEN.to_string(),
            ),
            criterion("no signal is blocked in CMD", blocked.as_ref() == Some(&none), || {
                match &blocked {
                    Some(mask) => format!("its mask of blocked signals is {mask}"),
                    None => NEVER_SEEN.to_string(),
                }
            }),
            status_taken(&run, told),
            ended_with(
                &run,
                format!("{signal} to process 1 reaches CMD, which ends with {told}"),
                told,
            ),
            nothing_left(&run),
        ];
    Ok(judged(criteria, &run))
}

/// What the kernel says of a process in one word, in `/proc/PID/status`.
fn status(pid: i32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().last()?.to_string())
}

fn parent(pid: i32) -> Option<i32> {
    status(pid, "PPid:")?.parse().ok()
}

/// The number of a process in its own pid namespace.
fn inside(pid: i32) -> Option<i32> {
    status(pid, "NSpid:")?.parse().ok()
}

fn lives(pid: i32) -> bool {
    Stat::of(pid).is_some_and(|stat| stat.state != "Z")
}

fn zombies_of(init: i32) -> usize {
    let stats = processes().into_iter().filter_map(Stat::of);
    stats.filter(|stat| stat.parent == init && stat.state == "Z").count()
}

/// Counts until there is nothing to count any more, or the time is over.
fn until_none(count: impl Fn() -> usize) -> usize {
    let start = Instant::now();
    loop {
        let left = count();
        if left == 0 || start.elapsed() > GRACE {
            return left;
        }
        sleep(Duration::from_millis(2));
    }
}

/// A part of `/proc/PID/stat` (proc_pid_stat(5)).
struct Stat {
    state: String,
    parent: i32,
    group: i32,
    session: i32,
    terminal: i32,
    foreground: i32,
}

impl Stat {
    fn of(pid: i32) -> Option<Stat> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold blanks and brackets.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.to_string();
        let mut next = || fields.next()?.parse().ok();
        Some(Stat {
            state,
            parent: next()?,
            group: next()?,
            session: next()?,
            terminal: next()?,
            foreground: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use trace::{Arg, Outcome};

    use super::{Stat, device, tied_first};
    use crate::judge::tests::{birth, execve, request, run_of, zero};

    #[test]
    fn terminals_are_numbered_as_the_kernel_numbers_them() {
        assert_eq!(device("/dev/pts/3"), Some((136 << 8) | 3));
        assert_eq!(device("/dev/pts/259"), Some((137 << 8) | 3));
        assert_eq!(device("/dev/null"), None);
    }

    #[test]
    fn this_process_is_the_child_of_its_parent() {
        let stat = Stat::of(std::process::id() as i32).unwrap();
        assert_eq!(stat.parent, primitives::getppid().as_raw());
    }

    #[test]
    fn a_tie_counts_when_it_is_deadly_and_comes_first() {
        let tie = |seq, pid, signal: &str, outcome| {
            let args = vec![Arg::Word("PR_SET_PDEATHSIG".into()), Arg::Word(signal.into())];
            request((seq, pid), ("prctl", "prctl_set_pdeathsig"), args, outcome)
        };
        let judge = |tie| {
            let events = [birth(1, 10, 11), tie, birth(3, 11, 12), execve(4, 12, &["sh"], zero())];
            tied_first(&run_of(&events, &["sh"])).is_met()
        };
        assert!(judge(tie(2, 11, "SIGKILL", zero())));
        assert!(!judge(tie(2, 11, "SIGTERM", zero())));
        assert!(!judge(tie(2, 11, "SIGKILL", Outcome::Refused("EPERM".into()))));
        assert!(!judge(tie(2, 10, "SIGKILL", zero())), "by the parent, after the birth");
    }
}
