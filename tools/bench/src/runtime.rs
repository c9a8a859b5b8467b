//! What does our runtime cost, beside those of others and the least that a container can cost?
//!
//! All of them get the same bundle, with what `runtime spec` writes, and keep their state in one tmpfs;
//! they take turns, command by command. On a machine that others use too, the best of all rounds and
//! the time of the processors say more than the median.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::container::{compile, root_file_system};
use crate::programs::beside_me;
use crate::timer::{Cost, Timer};

/// crun refuses a machine where cgroup v2 is mounted beside the controllers of v1, so its timer has
/// mounts of its own, without the former.
const WITHOUT_UNIFIED: [&str; 6] = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"",
    "sh",
];

/// What is timed, in the order of the table.
const COMMANDS: [&str; 7] =
    ["run", "create", "start", "delete", "create+start+delete", "exec", "state"];

/// How often, and what beside it.
#[derive(clap::Args)]
pub(crate) struct Wanted {
    /// Rounds; the best and the median are shown
    #[arg(long, default_value_t = 40)]
    rounds: usize,
    /// Containers one after another, to see whether something grows
    #[arg(long, default_value_t = 500)]
    many: usize,
    /// Runs of a program that ends at once, to see whether one hangs or an exit code is lost
    #[arg(long, default_value_t = 0)]
    storm: usize,
}

/// Prints the tables.
pub(crate) fn compare(wanted: &Wanted) -> Result<()> {
    let places = Places::make()?;
    let limit = vec![compile(places.bundle.path())?];
    let mut bare = Timer::start(&[], places.bundle.path())?;
    let mut runtimes = Vec::new();
    for (name, program) in
        [("porthole", beside_me("runtime")?), ("crun", "crun".into()), ("runc", "runc".into())]
    {
        match Runtime::begin(name, &program, &places) {
            Ok(runtime) => runtimes.push(runtime),
            Err(error) => println!("not measured: {name}: {error:#}"),
        }
    }
    let mut least = Vec::new();
    for _ in 0..wanted.rounds {
        least.push(bare.run(&limit)?);
        runtimes.iter_mut().try_for_each(Runtime::round)?;
    }
    tell_times(&least, &runtimes);
    tell_memory(&least, &mut runtimes)?;
    let ours = &mut runtimes[0];
    println!("{} has {} bytes", ours.words[0], fs::metadata(&ours.words[0])?.len());
    ours.many(wanted.many)?;
    ours.storm(wanted.storm, &places)?;
    runtimes.into_iter().try_for_each(Runtime::end)
}

/// Directories that all of them use.
struct Places {
    /// With a program that ends at once.
    bundle: TempDir,
    /// With one that does not end.
    sleeper: TempDir,
    /// With one that ends with 7.
    seven: TempDir,
    /// Where state is kept: every machine has a tmpfs there, for POSIX shared memory.
    state: TempDir,
}

impl Places {
    fn make() -> Result<Places> {
        Ok(Places {
            bundle: bundle(r#""/bin/true""#)?,
            sleeper: bundle(r#""/bin/sleep", "3600""#)?,
            seven: bundle(r#""/bin/sh", "-c", "exit 7""#)?,
            state: TempDir::with_prefix_in("porthole-bench-", "/dev/shm")?,
        })
    }
}

fn bundle(words: &str) -> Result<TempDir> {
    let folder = root_file_system()?;
    let spec =
        Command::new(beside_me("runtime")?).arg("spec").current_dir(folder.path()).status()?;
    ensure!(spec.success(), "runtime spec ended with {spec}");
    let path = folder.path().join("config.json");
    let text = fs::read_to_string(&path)?
        // The newest version that all of them take.
        .replace(r#""ociVersion": "1.3.0""#, r#""ociVersion": "1.0.2""#)
        .replace(r#""terminal": true"#, r#""terminal": false"#)
        .replace(r#""sh""#, words);
    fs::write(path, text)?;
    Ok(folder)
}

/// A runtime and what it has cost so far.
struct Runtime {
    name: &'static str,
    /// The program and its global flags.
    words: Vec<String>,
    /// One for each of `run`, the commands of a whole life, and those for a container that runs.
    timers: [Timer; 3],
    costs: [Vec<Cost>; COMMANDS.len()],
    id: String,
    sleeper: String,
    /// The memory of the first process of a container that waits to be started.
    waiting: String,
}

impl Runtime {
    /// Makes a container that the round looks into, and one that waits to be looked at.
    fn begin(name: &'static str, program: &str, places: &Places) -> Result<Runtime> {
        let behind = if name == "crun" { &WITHOUT_UNIFIED[..] } else { &[] };
        let timer = || Timer::start(behind, places.bundle.path());
        let state = places.state.path().join(name).to_string_lossy().into_owned();
        let id = format!("porthole-bench-{}-{name}", std::process::id());
        let words = [program, "--root", &state].map(String::from).to_vec();
        let mut runtime = Runtime {
            name,
            words,
            timers: [timer()?, timer()?, timer()?],
            costs: Default::default(),
            sleeper: format!("{id}-sleeper"),
            id,
            waiting: String::new(),
        };
        let (id, sleeper) = (runtime.id.clone(), runtime.sleeper.clone());
        runtime.call(0, &["run", &id])?;
        runtime
            .call(2, &["create", "--bundle", &places.sleeper.path().to_string_lossy(), &sleeper])?;
        runtime.waiting = memory(runtime.pid_of(&sleeper)?)?;
        runtime.call(2, &["start", &sleeper])?;
        // From here on its third timer has seen nothing but what it is for.
        runtime.timers[2] = timer()?;
        Ok(runtime)
    }

    fn call(&mut self, timer: usize, words: &[&str]) -> Result<Cost> {
        let words: Vec<String> =
            self.words.iter().cloned().chain(words.iter().map(|word| word.to_string())).collect();
        self.timers[timer].run(&words)
    }

    fn pid_of(&self, id: &str) -> Result<u32> {
        let output =
            Command::new(&self.words[0]).args(&self.words[1..]).args(["state", id]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let pid = text.split("\"pid\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
        Ok(pid.context("state names no pid")?.trim().parse()?)
    }

    /// Every command once.
    fn round(&mut self) -> Result<()> {
        let (id, sleeper) = (self.id.clone(), self.sleeper.clone());
        let run = self.call(0, &["run", &id])?;
        let create = self.call(1, &["create", &id])?;
        let pid = self.pid_of(&id)?;
        let start = self.call(1, &["start", &id])?;
        await_end_of(pid);
        let delete = self.call(1, &["delete", &id])?;
        let whole = Cost {
            wall: create.wall + start.wall + delete.wall,
            processor: create.processor + start.processor + delete.processor,
            ..delete
        };
        let exec = self.call(2, &["exec", &sleeper, "/bin/true"])?;
        let state = self.call(2, &["state", &sleeper])?;
        let all = [run, create, start, delete, whole, exec, state];
        self.costs.iter_mut().zip(all).for_each(|(costs, cost)| costs.push(cost));
        Ok(())
    }

    /// Containers one after another; what is left of them, and whether the last ones are slower.
    fn many(&mut self, count: usize) -> Result<()> {
        let id = self.id.clone();
        let before = left_on_the_machine();
        let costs =
            (0..count).map(|_| self.call(0, &["run", &id])).collect::<Result<Vec<Cost>>>()?;
        let part = (count / 10).max(1).min(count);
        let median = |costs: &[Cost]| median(costs.iter().map(|cost| cost.wall).collect());
        if let (Some(first), Some(last)) = (costs.get(..part), costs.get(count - part..)) {
            println!(
                "{count} containers one after another: the first {part} take {:.2} ms, the last {part} {:.2} ms",
                median(first),
                median(last),
            );
            println!("mounts and cgroups before: {before:?}, after: {:?}", left_on_the_machine());
        }
        Ok(())
    }

    /// Runs of a program that ends at once, with an exit code that must come through.
    fn storm(&mut self, count: usize, places: &Places) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(30);
        let (mut lost, mut hung) = (0, 0);
        let begin = Instant::now();
        for _ in 0..count {
            let mut command = Command::new(&self.words[0]);
            command.args(&self.words[1..]).args(["run", &self.id]).current_dir(places.seven.path());
            let mut child = command.stderr(std::process::Stdio::null()).spawn()?;
            let start = Instant::now();
            let status = loop {
                match child.try_wait()? {
                    Some(status) => break Some(status),
                    None if start.elapsed() > PATIENCE => break None,
                    None => sleep(Duration::from_micros(500)),
                }
            };
            match status {
                Some(status) if status.code() == Some(7) => {}
                Some(_) => lost += 1,
                None => {
                    hung += 1;
                    child.kill()?;
                    child.wait()?;
                }
            }
        }
        if count > 0 {
            let took = begin.elapsed().as_secs_f64();
            println!(
                "{count} runs of a program that ends at once, in {took:.0} s: {hung} hung, {lost} with another exit code than the program's"
            );
            ensure!(hung + lost == 0, "a run hung, or an exit code was lost");
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        let sleeper = self.sleeper.clone();
        self.call(2, &["delete", "--force", &sleeper])?;
        Ok(())
    }
}

/// A container whose process is still ending cannot be deleted.
fn await_end_of(pid: u32) {
    const PATIENCE: u32 = 5000;
    for _ in 0..PATIENCE {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default();
        if state.is_empty() || state.starts_with('Z') {
            return;
        }
        sleep(Duration::from_millis(1));
    }
}

/// How much a process holds: resident, and its part of what it shares.
fn memory(pid: u32) -> Result<String> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?");
        line.trim().trim_end_matches(" kB").to_string()
    };
    let (status, smaps) = (read("status")?, read("smaps_rollup")?);
    let (most, now) = (field(&status, "VmHWM:"), field(&status, "VmRSS:"));
    Ok(format!("{most:>9} {now:>9} {:>9}", field(&smaps, "Pss:")))
}

/// The number of mounts and of cgroups on the machine.
fn left_on_the_machine() -> (usize, u64) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let number = |line: &str| line.split_whitespace().nth(2).and_then(|n| n.parse::<u64>().ok());
    (
        read("/proc/self/mountinfo").lines().count(),
        read("/proc/cgroups").lines().filter_map(number).sum(),
    )
}

fn tell_times(least: &[Cost], runtimes: &[Runtime]) {
    let walls = |costs: &[Cost]| costs.iter().map(|cost| cost.wall).collect::<Vec<f64>>();
    let times = |costs: &[Cost]| {
        let processor = costs.iter().map(|cost| cost.processor).collect::<Vec<f64>>();
        (best(&walls(costs)), median(walls(costs)), median(processor))
    };
    println!(
        "{:<32} {:>8} {:>8} {:>8}  {:>14} {:>14}",
        "milliseconds", "best", "median", "CPU", "best/limit.c", "best/crun"
    );
    let (limit, middle, processor) = times(least);
    println!("{:<32} {limit:>8.2} {middle:>8.2} {processor:>8.2}", "limit.c");
    for (index, command) in COMMANDS.iter().enumerate() {
        let crun = runtimes.iter().find(|runtime| runtime.name == "crun");
        let crun = crun.map_or(f64::NAN, |crun| times(&crun.costs[index]).0);
        for runtime in runtimes {
            let (best, median, processor) = times(&runtime.costs[index]);
            println!(
                "{:<32} {best:>8.2} {median:>8.2} {processor:>8.2}  {:>13.2}× {:>13.2}×",
                format!("{} {command}", runtime.name),
                best / limit,
                best / crun,
            );
        }
    }
}

/// The peaks are those of the kernel's accounts for children, which begin with what the timer has.
fn tell_memory(least: &[Cost], runtimes: &mut [Runtime]) -> Result<()> {
    println!(
        "\n{:<12} {:>9} {:>19} {:>9}   at the door: {:>9} {:>9} {:>9}",
        "peak, KiB", "run", "create,start,delete", "exec,state", "peak", "now", "shared out"
    );
    println!("{:<12} {:>9}", "limit.c", least.last().map_or(0, |cost| cost.peak));
    for runtime in runtimes {
        let last = |index: usize| runtime.costs[index].last().map_or(0, |cost| cost.peak);
        println!(
            "{:<12} {:>9} {:>19} {:>9}                {}",
            runtime.name,
            last(0),
            last(3),
            last(6),
            runtime.waiting
        );
    }
    Ok(())
}

fn best(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
