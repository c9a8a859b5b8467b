//! How is a scene run so that another run, on another day, shows the same?
//!
//! Each run has an empty folder of its own, with copies of the programs of the workspace in it, so
//! that an unprivileged user can execute them too; an environment of eight variables; and files in
//! place of pipes, so that a process which stays behind cannot hold us up.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::canon::Canon;
use crate::golden::Golden;
use crate::programs::{Programs, SYSTEM_PATH, on_path};
use crate::redact::Redact;
use crate::scene::{Badge, Scene};
use crate::strace;

/// The user that scenes with `as_user` run as: nobody.
const NOBODY: u32 = 65534;

/// Longer than any scene, and short enough to wait for.
const LIMIT: Duration = Duration::from_secs(60);

/// Why a scene cannot be run on this machine; `None` when it can.
pub(crate) fn obstacle(scene: &Scene, programs: &Programs) -> Option<String> {
    let root = our_uid() == 0;
    if scene.badge == Badge::Root && !root {
        return Some("needs root".to_string());
    }
    let lab = scene.badge == Badge::Lab;
    let kernel = lab.then_some(scene.kernel.program());
    let watcher = (!scene.strace.is_empty()).then_some("strace");
    let changer = (scene.as_user && root && !lab).then_some("setpriv");
    let program = scene.run.first().map(String::as_str);
    let mut needed = [program, watcher, changer, kernel].into_iter().flatten();
    let missing = needed.find(|name| !programs.is_ours(name) && on_path(name).is_none());
    missing.map(|name| format!("{name} is not installed"))
}

/// Runs `scene` once.
pub(crate) fn run(scene: &Scene, programs: &Programs, root: &Path) -> Result<Golden> {
    let stage = Stage::set(scene, programs, root)?;
    let setup = scene.setup.iter().try_for_each(|command| stage.prepare(command));
    let shown = setup.and_then(|()| stage.play());
    for command in &scene.cleanup {
        // Clean-up is for what may be left over; often nothing is, and then it fails.
        let _ = stage.prepare(command);
    }
    let status = shown?;
    let golden = stage.golden()?;
    ensure!(
        code(status) == scene.exit,
        "ended with status {}, the scene says {}\n{}{}",
        code(status),
        scene.exit,
        golden.stdout,
        golden.stderr
    );
    Ok(golden)
}

/// The folder of one run, and what is needed to run commands there.
struct Stage<'a> {
    scene: &'a Scene,
    programs: &'a Programs,
    root: &'a Path,
    folder: TempDir,
    as_nobody: bool,
}

impl<'a> Stage<'a> {
    fn set(scene: &'a Scene, programs: &'a Programs, root: &'a Path) -> Result<Stage<'a>> {
        let folder = tempfile::Builder::new().prefix("porthole-scene-").tempdir()?;
        let as_nobody = scene.as_user && our_uid() == 0;
        let stage = Stage { scene, programs, root, folder, as_nobody };
        fs::set_permissions(stage.folder.path(), Permissions::from_mode(0o755))?;
        for name in ["home", "tmp", "bin"] {
            fs::create_dir(stage.path(name))?;
            stage.give_away(name)?;
        }
        for name in ["trace", "strace", "stdout", "stderr"] {
            File::create(stage.path(name))?;
            stage.give_away(name)?;
        }
        fs::write(stage.path("stdin"), scene.stdin.as_deref().unwrap_or(""))?;
        fs::write(stage.path("commands"), scene.commands.as_deref().unwrap_or(""))?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn give_away(&self, name: &str) -> Result<()> {
        match self.as_nobody {
            true => Ok(chown(self.path(name), Some(NOBODY), Some(NOBODY))?),
            false => Ok(()),
        }
    }

    /// Runs a command of `setup` or `cleanup`.
    fn prepare(&self, words: &[String]) -> Result<()> {
        let (program, args) = words.split_first().context("a command needs a program")?;
        let mut command = self.command(&self.behind_the_scene(program, args)?)?;
        command.stdin(Stdio::null());
        let output = command.output().with_context(|| program.clone())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{}`: {}\n{said}", words.join(" "), output.status);
        Ok(())
    }

    /// Runs the scene's own command; its output ends in files of the stage.
    fn play(&self) -> Result<ExitStatus> {
        let (program, args) = self.scene.run.split_first().context("a scene needs a program")?;
        let words = self.on_stage(program, args)?;
        let mut command = self.command(&words)?;
        if self.scene.badge == Badge::Lab {
            // The lab finds its kernels by our environment, and gives the scene the one named there.
            command.envs(std::env::vars_os());
        }
        command.stdin(File::open(self.path("stdin"))?);
        command.stdout(File::options().append(true).open(self.path("stdout"))?);
        command.stderr(File::options().append(true).open(self.path("stderr"))?);
        let mut child = command.spawn().with_context(|| words.join(" "))?;
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
        bail!("was still running after {} s", LIMIT.as_secs())
    }

    /// The flags that open our window, for programs that have one.
    fn window_flags(&self, program: &str) -> Vec<String> {
        if !self.programs.is_ours(program) || !self.scene.trace {
            return Vec::new();
        }
        let file = |name: &str| self.path(name).display().to_string();
        let mut flags = vec!["--trace".into(), "json".into(), "--trace-file".into(), file("trace")];
        if self.scene.commands.is_some() {
            flags.extend(["--commands".into(), file("commands")]);
        }
        flags
    }

    /// A command of `setup` or `cleanup`: who runs it, and the program itself.
    fn behind_the_scene(&self, program: &str, args: &[String]) -> Result<Vec<String>> {
        let mut words = if self.as_nobody { as_nobody() } else { Vec::new() };
        words.push(self.copied(program)?);
        words.extend(args.iter().map(|arg| self.filled_in(arg)));
        Ok(words)
    }

    /// The scene's own command: where it runs, who runs it, what watches it, and the program.
    fn on_stage(&self, program: &str, args: &[String]) -> Result<Vec<String>> {
        let mut words = match self.scene.badge {
            Badge::Lab => self.in_the_lab()?,
            _ if self.as_nobody => as_nobody(),
            _ => Vec::new(),
        };
        if !self.scene.strace.is_empty() {
            let file = self.path("strace").display().to_string();
            let asked = self.scene.strace.iter().map(String::as_str);
            let calls: Vec<&str> = asked.chain(strace::BIRTHS).collect();
            let calls = format!("trace={}", calls.join(","));
            let strace = ["strace", "-f", "-qq", "-s", "64", "-o", &file, "-e", &calls];
            words.extend(strace.map(String::from));
        }
        words.push(self.copied(program)?);
        words.extend(self.window_flags(program));
        words.extend(args.iter().map(|arg| self.filled_in(arg)));
        Ok(words)
    }

    /// What boots another kernel and runs the rest of the line there. The lab sees our files, and
    /// may change those of the stage.
    fn in_the_lab(&self) -> Result<Vec<String>> {
        let lab = self.programs.ours("lab")?.context("there is no binary `lab`")?;
        let (lab, folder) = (lab.display(), self.folder.path().display());
        let (kernel, limit) = (self.scene.kernel.name(), LIMIT.as_secs() - 5);
        let user = if self.scene.as_user { NOBODY } else { 0 };
        let mut words = format!("{lab} run --kernel {kernel} --user {user} --timeout {limit}");
        words.push_str(&format!(" --share {folder} --cwd {folder}/home"));
        for (name, value) in self.environment() {
            words.push_str(&format!(" --env {name}={value}"));
        }
        Ok(words.split(' ').map(String::from).chain(["--".to_string()]).collect())
    }

    /// A program of the workspace as a copy in the stage, another one as it is named.
    fn copied(&self, program: &str) -> Result<String> {
        let Some(ours) = self.programs.ours(program)? else {
            return Ok(program.to_string());
        };
        let copy = self.path("bin").join(program);
        if !copy.exists() {
            fs::copy(ours, &copy).with_context(|| ours.display().to_string())?;
        }
        Ok(copy.display().to_string())
    }

    fn filled_in(&self, arg: &str) -> String {
        let scratch = self.folder.path().display().to_string();
        arg.replace("{scratch}", &scratch).replace("{repo}", &self.root.display().to_string())
    }

    fn command(&self, words: &[String]) -> Result<Command> {
        let (program, args) = words.split_first().context("a command needs a program")?;
        let mut command = Command::new(program);
        command.args(args).current_dir(self.path("home")).env_clear();
        command.envs(self.environment());
        Ok(command)
    }

    /// The same on every machine, but for the name of the stage's folder.
    fn environment(&self) -> [(&'static str, String); 8] {
        let path = |name| self.path(name).display().to_string();
        [
            ("PATH", format!("{}:{SYSTEM_PATH}", path("bin"))),
            ("HOME", path("home")),
            ("TMPDIR", path("tmp")),
            ("LC_ALL", "C.UTF-8".to_string()),
            ("TZ", "UTC".to_string()),
            ("TERM", "dumb".to_string()),
            ("NO_COLOR", "1".to_string()),
            ("COLUMNS", "80".to_string()),
        ]
    }

    /// What the run left in the stage, with everything hidden that differs.
    fn golden(&self) -> Result<Golden> {
        let id = if self.as_nobody { NOBODY } else { our_uid() };
        let redact = Redact::new(&self.scene.redact, self.folder.path(), self.root, id);
        let text = |text: &str| redact.argument(text);
        let trace = trace::json::parse_all(&self.read("trace")?).map_err(anyhow::Error::msg)?;
        let (mut canon, events) = Canon::of(&trace, &text)?;
        Ok(Golden {
            stdout: redact.output(&self.read("stdout")?, &mut canon),
            stderr: redact.output(&self.read("stderr")?, &mut canon),
            calls: strace::normalise(&self.read("strace")?, &self.scene.strace, &text),
            events,
        })
    }

    fn read(&self, name: &str) -> Result<String> {
        let bytes = fs::read(self.path(name)).with_context(|| name.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What runs the rest of a command line as the unprivileged user.
fn as_nobody() -> Vec<String> {
    let id = NOBODY.to_string();
    ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--"].map(String::from).to_vec()
}

/// The status as a shell gives it: 128+n after signal n.
fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Whose process this is. Files that we make are ours, and `/proc` tells without a system call of
/// our own.
fn our_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").map_or(NOBODY, |data| data.uid())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{obstacle, run};
    use crate::programs::Programs;
    use crate::scene::{Scene, SceneFile};

    fn scene(keys: &str) -> Scene {
        let text = format!("[[scene]]\nname = 'a/b'\n{keys}\n");
        toml::from_str::<SceneFile>(&text).unwrap().scene.remove(0)
    }

    #[test]
    fn a_run_has_a_folder_and_an_environment_of_its_own() {
        let script = "cat; pwd; echo $TMPDIR; cat {scratch}/home/made; echo oops >&2; exit 3";
        let keys = format!(
            "run = ['sh', '-c', '{script}']\nexit = 3\nstdin = 'hi '\n\
             setup = [['sh', '-c', 'echo first > made']]"
        );
        let golden = run(&scene(&keys), &Programs::default(), Path::new("/repo")).unwrap();
        assert_eq!(golden.stdout, "hi /tmp/scene/home\n/tmp/scene/tmp\nfirst\n");
        assert_eq!(golden.stderr, "oops\n");
    }

    #[test]
    fn another_exit_status_is_an_error_with_the_output() {
        let scene = scene("run = ['sh', '-c', 'echo why >&2; kill -TERM $$']");
        let error = run(&scene, &Programs::default(), Path::new("/repo")).unwrap_err().to_string();
        assert_eq!(error, "ended with status 143, the scene says 0\nwhy\n");
    }

    #[test]
    fn a_missing_program_is_an_obstacle() {
        let missing = obstacle(&scene("run = ['nonesuch']"), &Programs::default());
        assert_eq!(missing.as_deref(), Some("nonesuch is not installed"));
        assert_eq!(obstacle(&scene("run = ['sh']"), &Programs::default()), None);
    }
}
