//! What is seen to hold while a step is there, and no more when it is left out?

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{Pid, Signal, kill};
use tests::catalogue::{Case, Stdout};
use tests::leftovers;
use tests::places::{Place, has_unified_cgroups};
use tests::running::{Run, wait};

/// One step, the program it is a step of, and what holds while it is there.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    pub(crate) args: &'static [&'static str],
    pub(crate) check: Check,
    /// Another program that runs this one.
    pub(crate) under: &'static [&'static str],
    pub(crate) root: bool,
    /// Whether only an ordinary user has this step.
    pub(crate) user: bool,
    /// Where there are controllers of cgroup v1.
    pub(crate) v1: bool,
}

/// A step that both root and an ordinary user can do.
pub(crate) const fn step(
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    check: Check,
) -> Step {
    Step { name, program, args, check, under: &[], root: false, user: false, v1: false }
}

/// Something that holds when a program is whole.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// It ends with 0.
    EndsWell,
    /// It prints exactly this.
    Says(&'static str),
    /// It prints this besides other things.
    SaysAmongOthers(&'static str),
    /// It prints so many bytes at most, with the line feed.
    SaysLittle(usize),
    /// The name of the machine is afterwards what it was.
    KeepsTheHostName,
    /// The program that it runs does not outlive it when it is killed.
    DiesWithParent,
    /// The program does not outlive all those that watch over it.
    DiesWithAll,
    /// It ends with this code.
    EndsWith(i32),
}

/// Leaving a step out can make a program wait for ever; that too is a check that fails.
const LIMIT: Duration = Duration::from_secs(3);

impl Step {
    pub(crate) const fn under(self, under: &'static [&'static str]) -> Step {
        Step { under, ..self }
    }

    pub(crate) const fn as_root(self) -> Step {
        Step { root: true, ..self }
    }

    pub(crate) const fn as_user(self) -> Step {
        Step { user: true, ..self }
    }

    pub(crate) const fn on_v1(self) -> Step {
        Step { v1: true, ..self }
    }

    pub(crate) fn possible(&self, place: Place) -> bool {
        if self.user {
            return place == Place::User;
        }
        // Without a UTS namespace of its own, an ordinary user could not take a name in any case.
        let rights = !self.root || place == Place::Root;
        rights && !(self.v1 && has_unified_cgroups())
    }

    /// The check holds with the step, and fails without it.
    pub(crate) fn is_missed(&self, place: Place) {
        if let Err(says) = self.try_it(place, &[]) {
            panic!("the check fails although the step {:?} is there: {says}", self.name);
        }
        let without = self.try_it(place, &["--without", self.name]);
        assert!(without.is_err(), "nobody misses the step {:?}", self.name);
    }

    fn try_it(&self, place: Place, flags: &[&str]) -> Result<(), String> {
        let case = Case {
            name: self.name,
            program: self.program,
            args: self.args,
            exit: (0, 0),
            stdout: Stdout::Varies,
            by_cgroups: false,
            keeps_cgroups: false,
            makes: None,
        };
        let (run, target) = case.prepare(place);
        let run = run.untraced().flags(["--trace", "off"]).flags(flags).under(self.under);
        let result = match self.check {
            Check::DiesWithParent => dies_with_parent(&run, false),
            Check::DiesWithAll => dies_with_parent(&run, true),
            Check::KeepsTheHostName => keeps_the_host_name(&run),
            check => holds(&run, check),
        };
        drop(target);
        result
    }
}

fn holds(run: &Run, check: Check) -> Result<(), String> {
    let mut child = run.start();
    let Some(status) = wait(&mut child, LIMIT) else {
        end_all(run);
        return Err("it waits for ever".to_string());
    };
    let ran = run.look(status);
    let said = match check {
        Check::Says(text) => ran.stdout == text,
        Check::SaysAmongOthers(text) => ran.stdout.contains(text),
        Check::SaysLittle(bytes) => ran.stdout.len() <= bytes,
        _ => true,
    };
    let expected = if let Check::EndsWith(code) = check { code } else { 0 };
    match (ran.code, said) {
        (code, true) if code == expected => Ok(()),
        (code, _) => Err(format!("exit code {code}, {:?} {:?}", ran.stdout, ran.stderr)),
    }
}

/// The program looks at the name out here before and after it changed the one in there.
fn keeps_the_host_name(run: &Run) -> Result<(), String> {
    let mut child = run.start();
    wait(&mut child, LIMIT).ok_or("it hangs")?;
    let said = fs::read_to_string(run.folder().join("stdout")).unwrap_or_default();
    let after = |name: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(name));
        found.map(|text| text.trim().to_string())
    };
    match (after("outside, before:"), after("outside, after:")) {
        (Some(before), Some(after)) if before == after => Ok(()),
        _ => Err(format!("it says {said:?}")),
    }
}

/// Kills the first process and looks whether the others end too.
fn dies_with_parent(run: &Run, with_all: bool) -> Result<(), String> {
    let mut child = run.start();
    let deadline = Instant::now() + LIMIT;
    while !run.processes().iter().any(|pid| name(*pid) == "sleep") {
        if Instant::now() > deadline {
            end_all(run);
            let _ = child.wait();
            return Err("the program did not start".to_string());
        }
        sleep(Duration::from_millis(2));
    }
    let others = if with_all { run.processes() } else { Vec::new() };
    let first = child.id() as i32;
    // The first one goes last: who notices its end would still clean up.
    for pid in others.into_iter().filter(|pid| *pid != first && name(*pid) != "sleep") {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL, "leave the program alone");
    }
    let _ = child.kill();
    let _ = child.wait();
    let deadline = Instant::now() + Duration::from_secs(1);
    while !run.processes().is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(2));
    }
    let survivors = end_all(run);
    if with_all {
        // Nobody was left to remove it.
        sleep(Duration::from_millis(50));
        leftovers::cgroups(&run.id());
    }
    match survivors {
        0 => Ok(()),
        survivors => Err(format!("{survivors} processes outlive it")),
    }
}

fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_string()
}

/// Ends what is left of a run, and says how many that were.
fn end_all(run: &Run) -> usize {
    let left = run.processes();
    for pid in &left {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL, "leave nothing behind");
    }
    left.len()
}
