//! Does the book still tell the truth? `check` runs every scene and reads every page; `bless`
//! accepts what the scenes show now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::golden::{self, Golden};
use crate::lint;
use crate::programs::Programs;
use crate::run;
use crate::scene::Scene;
use crate::sources::Sources;

/// What `check` can be told.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Only scenes whose names begin like this: `ch02`, `ch02/see-it`. Pages are not read then.
    only: Option<String>,
    /// Run each scene so many times.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Read the pages, run nothing.
    #[arg(long)]
    pages: bool,
}

/// What `bless` can be told.
#[derive(Args)]
pub(crate) struct BlessArgs {
    /// Only scenes whose names begin like this: `ch02`, `ch02/see-it`; or `doctor`.
    only: Option<String>,
    /// Run each scene so many times, and refuse it when two runs differ.
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// What came of one scene.
enum Verdict {
    Same,
    Skipped(String),
    Wrong(String),
}

/// Runs every scene and reads every page; fails on any difference.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let sources = Sources::read(&root()?)?;
    let mut wrong = 0;
    if !args.pages {
        wrong += check_scenes(&sources, args)?;
    }
    if args.only.is_none() {
        let report = lint::book(&sources)?;
        report.warnings.iter().for_each(|line| println!("warning: {line}"));
        report.complaints.iter().for_each(|line| println!("{line}"));
        wrong += report.complaints.len();
        println!("pages: {} read, {} complaints", report.pages, report.complaints.len());
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the scenes asked for; returns how many are wrong.
fn check_scenes(sources: &Sources, args: &CheckArgs) -> Result<usize> {
    let scenes = chosen(sources, args.only.as_deref())?;
    let programs = Programs::build(&sources.root, &Sources::programs(&scenes))?;
    let (mut skipped, mut wrong) = (0, 0);
    for scene in &scenes {
        match judge(scene, sources, &programs, args.runs) {
            Verdict::Same => {}
            Verdict::Skipped(why) => {
                println!("skipped {}: {why}", scene.name);
                skipped += 1;
            }
            Verdict::Wrong(what) => {
                println!("{}: {what}", scene.name);
                wrong += 1;
            }
        }
    }
    let same = scenes.len() - skipped - wrong;
    println!("scenes: {same} as blessed, {wrong} wrong, {skipped} skipped");
    if wrong > 0 {
        println!("to accept what is shown now: cargo run -p book -- bless [NAME]");
    }
    Ok(wrong)
}

fn judge(scene: &Scene, sources: &Sources, programs: &Programs, runs: u32) -> Verdict {
    if let Some(why) = run::obstacle(scene, programs) {
        return Verdict::Skipped(why);
    }
    let before = match sources.golden(&scene.name) {
        Ok(before) => before,
        Err(error) => return Verdict::Wrong(format!("{error:#}")),
    };
    for _ in 0..runs {
        match run::run(scene, programs, &sources.root) {
            Err(error) => return Verdict::Wrong(format!("{error:#}")),
            Ok(now) if now != before => {
                return Verdict::Wrong(format!("drifted\n{}", before.diff(&now)));
            }
            Ok(_) => {}
        }
    }
    Verdict::Same
}

/// Runs scenes and keeps what they show as their goldens.
pub(crate) fn bless(args: &BlessArgs) -> Result<ExitCode> {
    let sources = Sources::read(&root()?)?;
    if args.only.as_deref() == Some("doctor") {
        return bless_doctor(&sources.root);
    }
    let scenes = chosen(&sources, args.only.as_deref())?;
    let programs = Programs::build(&sources.root, &Sources::programs(&scenes))?;
    let mut code = ExitCode::SUCCESS;
    for scene in &scenes {
        match bless_one(scene, &sources, &programs, args.runs) {
            Ok(what) => println!("{}: {what}", scene.name),
            Err(error) => {
                println!("{}: not blessed: {error:#}", scene.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    if args.only.is_none() {
        for orphan in orphans(&sources)? {
            std::fs::remove_file(&orphan)?;
            println!("removed {}, which no scene makes", orphan.display());
        }
    }
    Ok(code)
}

/// Runs `scene` and keeps what it shows, unless its runs differ among themselves.
fn bless_one(scene: &Scene, sources: &Sources, programs: &Programs, runs: u32) -> Result<String> {
    if let Some(why) = run::obstacle(scene, programs) {
        return Ok(format!("skipped: {why}"));
    }
    let first = run::run(scene, programs, &sources.root)?;
    for _ in 1..runs {
        let again = run::run(scene, programs, &sources.root)?;
        if again != first {
            bail!(
                "two runs differ: add a kind to `redact`, or make the order certain\n{}",
                first.diff(&again)
            );
        }
    }
    let before = Golden::load(&sources.root, &scene.name)?;
    if before.as_ref() == Some(&first) {
        return Ok("as before".to_string());
    }
    first.save(&sources.root, &scene.name)?;
    Ok(match before {
        Some(before) => format!("blessed\n{}", before.diff(&first)),
        None => "blessed for the first time".to_string(),
    })
}

/// Keeps what `lab doctor` says of this machine. It is never checked: another machine is another
/// table.
fn bless_doctor(root: &Path) -> Result<ExitCode> {
    let programs = Programs::build(root, &BTreeSet::from(["lab".to_string()]))?;
    let lab = programs.ours("lab")?.context("there is no binary `lab` in the workspace")?;
    let output = Command::new(lab).args(["doctor", "--markdown"]).output()?;
    ensure!(!output.stdout.is_empty(), "lab doctor said nothing: {}", output.status);
    let path = golden::folder(root).join("doctor.md");
    std::fs::create_dir_all(golden::folder(root))?;
    std::fs::write(&path, output.stdout).with_context(|| path.display().to_string())?;
    println!("blessed {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Goldens that no scene makes.
pub(crate) fn orphans(sources: &Sources) -> Result<Vec<PathBuf>> {
    let names: Vec<&str> = sources.scenes.keys().map(String::as_str).collect();
    golden::orphans(&sources.root, &names)
}

/// The scenes whose names begin with `only`.
fn chosen<'a>(sources: &'a Sources, only: Option<&str>) -> Result<Vec<&'a Scene>> {
    let wanted = |scene: &&Scene| only.is_none_or(|only| scene.name.starts_with(only));
    let scenes: Vec<&Scene> = sources.scenes.values().filter(wanted).collect();
    ensure!(only.is_none() || !scenes.is_empty(), "no scene begins with {only:?}");
    Ok(scenes)
}

/// The repository: the folder above this one that holds `book/book.toml`.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let found = here.ancestors().find(|folder| folder.join("book/book.toml").is_file());
    found.map(Path::to_path_buf).context("no book/book.toml here or above")
}
