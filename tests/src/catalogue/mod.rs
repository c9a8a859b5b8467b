//! Which programs are there to be tested?
//!
//! Every subcommand of every chapter stands here, with what it does when nothing goes wrong. Golden
//! traces, truth checks and refusals are made of these lists, one for each chapter.

mod ch01;
mod ch02;
mod ch03;
mod ch04;
mod ch05;
mod ch06;
mod ch07;
mod ch08;
mod ch09;
mod ch10;
mod ch11;
mod ch12;
mod ch13;
mod ch14;
mod runtime;
mod tour;

use crate::bundles::Bundle;
use crate::places::{Place, has_unified_cgroups, missing};
use crate::running::{Run, Target};

/// One way to run a program.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The name of its golden file.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// Its arguments; `{target}` is a process in namespaces of its own, to be joined, `{id}` a name that
    /// no other run has, for a cgroup, `{cgroup}` one that is there already, `{box}` the directory of a
    /// box of chapter 13, to be come to; for bundles and containers of chapter 12 see
    /// [`Bundle::for_args`].
    pub args: &'static [&'static str],
    /// The exit code as root, and as an ordinary user where that differs.
    pub exit: (i32, i32),
    /// Whether the output is the same in every run and on every machine.
    pub stdout: Stdout,
    /// Whether it does one thing with cgroup v1 and another with v2, so that it has two golden traces.
    pub by_cgroups: bool,
    /// Whether a cgroup stays after it on purpose, unless a request was refused.
    pub keeps_cgroups: bool,
    /// The file that it is there to make, in the folder that it runs in, when all goes well.
    pub makes: Option<&'static str>,
}

/// Whether a program's output can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// The same in every run and on every machine.
    Same,
    /// With numbers or names of this machine in it.
    Varies,
}

const fn case(name: &'static str, program: &'static str, args: &'static [&'static str]) -> Case {
    Case {
        name,
        program,
        args,
        exit: (0, 0),
        stdout: Stdout::Same,
        by_cgroups: false,
        keeps_cgroups: false,
        makes: None,
    }
}

impl Case {
    const fn exits(self, code: i32) -> Case {
        Case { exit: (code, code), ..self }
    }

    const fn exits_as_user(self, code: i32) -> Case {
        Case { exit: (self.exit.0, code), ..self }
    }

    const fn varies(self) -> Case {
        Case { stdout: Stdout::Varies, ..self }
    }

    const fn makes(self, file: &'static str) -> Case {
        Case { makes: Some(file), ..self }
    }

    const fn per_cgroup_version(self) -> Case {
        Case { by_cgroups: true, ..self }
    }

    const fn keeps_cgroups(self) -> Case {
        Case { keeps_cgroups: true, ..self }
    }

    /// What must not be there after a run that was not refused.
    pub fn unwanted(&self, left_behind: &[String]) -> Vec<String> {
        let wanted = |what: &&String| self.keeps_cgroups && what.starts_with("cgroup ");
        left_behind.iter().filter(|what| !wanted(what)).cloned().collect()
    }

    /// The name of its golden file on this machine.
    pub fn golden_name(&self) -> String {
        match (self.by_cgroups, has_unified_cgroups()) {
            (false, _) => self.name.to_string(),
            (true, false) => format!("{}.v1", self.name),
            (true, true) => format!("{}.v2", self.name),
        }
    }

    /// What this machine lacks for it; none when it can run here.
    pub fn missing(&self, place: Place) -> Option<&'static str> {
        missing(self.args, place)
    }

    /// Whether all that is done is done by processes that it makes, and that end with it: else who
    /// watches it under strace does not see all, or waits for ever.
    pub fn can_be_watched(&self) -> bool {
        let parts_lives = self.args.contains(&"create") || self.args.contains(&"start");
        self.program != "chapter12" || !parts_lives || self.exit.0 != 0
    }

    /// Whether a process of it hides, so that only root can read what stands in its memory.
    pub fn hides(&self) -> bool {
        matches!(self.program, "chapter12" | "chapter13")
    }

    /// The exit code that is right in this place.
    pub fn exit_code(&self, place: Place) -> i32 {
        match place {
            Place::Root => self.exit.0,
            Place::User => self.exit.1,
        }
    }

    /// The case, ready to run; the target, if it has one, must live as long.
    pub fn prepare(&self, place: Place) -> (Run, Option<Target>) {
        let needs_target = self.args.contains(&"{target}");
        let target = needs_target.then(|| Target::start(place));
        let pid = target.as_ref().map(|target| target.pid.to_string()).unwrap_or_default();
        let mut run = Run::new(place, self.program);
        if self.args.iter().any(|arg| arg.contains("{id}")) {
            run = run.looks_for_cgroups();
        }
        if self.args.iter().any(|arg| arg.contains("{cgroup}")) {
            run = run.with_a_cgroup();
        }
        if let Some(file) = self.makes {
            run = run.makes(file);
        }
        if let Some(bundle) = Bundle::for_args(self.args, place) {
            run = run.with_a_bundle(bundle, self.args.contains(&"create"));
        }
        let (id, held) = (run.id(), run.held_name());
        let directory = format!("/tmp/{id}-box");
        let needs_box = self.args.contains(&"{box}");
        let target = target.or_else(|| needs_box.then(|| Target::start_box(place, &directory)));
        let args = self.args.iter().map(|arg| {
            let arg = arg.replace("{target}", &pid).replace("{box}", &directory);
            arg.replace("{id}", &id).replace("{cgroup}", &held)
        });
        let args: Vec<String> = args.map(|arg| run.fill(&arg)).collect();
        (run.args(args), target)
    }
}

/// All of them that this kernel can run.
pub fn cases() -> impl Iterator<Item = Case> {
    let lists = [
        tour::CASES,
        ch01::CASES,
        ch02::CASES,
        ch03::CASES,
        ch04::CASES,
        ch05::CASES,
        ch06::CASES,
        ch07::CASES,
        ch08::CASES,
        ch09::CASES,
        ch10::CASES,
        ch11::CASES,
        ch12::CASES,
        ch13::CASES,
        ch14::CASES,
        runtime::CASES,
    ];
    lists.into_iter().flatten().copied()
}
