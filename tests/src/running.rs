//! How is a program run, and what is known of it afterwards?

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use primitives::{Pid, Signal, kill};
use tempfile::TempDir;
use trace::{Event, Record};

use crate::bundles::{self, Bundle};
use crate::leftovers;
use crate::places::{NOBODY, Place};
use crate::programs::program;
use crate::pty::Terminal;

/// No program of the workspace takes longer for what the tests ask of it; who does, hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// A program that is about to be run, in an empty folder of its own and with a name of its own.
pub struct Run {
    place: Place,
    folder: TempDir,
    /// What every process of this run carries in its environment, and no other.
    mark: String,
    under: Vec<String>,
    /// Whether the program above it is for root, and changes the user itself.
    under_root: bool,
    program: String,
    flags: Vec<String>,
    args: Vec<String>,
    traced: bool,
    /// Whether cgroups that carry the name of this run are looked for after it.
    cgroups: bool,
    held: Option<HeldCgroup>,
    bundle: Option<Bundle>,
    /// Whether it makes a container in its own folder, which is deleted after it.
    creates: bool,
    /// A file that is its result, and left behind only when it has failed.
    result: Option<String>,
}

/// What came out of a run.
#[derive(Debug)]
pub struct Ran {
    /// The exit code as a shell gives it, 128 and more for signals.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error, without the trace.
    pub stderr: String,
    /// The trace, where one was asked for.
    pub events: Vec<Event>,
    /// Processes, files, mounts and cgroups of this run that were there after its end.
    pub left_behind: Vec<String>,
    /// The name that no other run has.
    pub id: String,
    /// Where the bundle is that it was given.
    pub bundle: Option<PathBuf>,
}

impl Ran {
    /// The requests of the trace.
    pub fn records(&self) -> Vec<&Record> {
        let mut records = Vec::new();
        for event in &self.events {
            if let Event::Request(record) = event {
                records.push(record);
            }
        }
        records
    }

    /// The line that says what went wrong.
    pub fn error(&self) -> &str {
        self.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or("")
    }
}

impl Run {
    /// The program of this name, as somebody in `place` would run it.
    pub fn new(place: Place, name: &str) -> Run {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = TempDir::with_prefix("porthole-run-").expect("a temporary folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("one's own folder can be opened to others");
        if place.is_other_user() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root can give a folder away");
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("PORTHOLE_RUN={}-{count}", std::process::id());
        Run {
            place,
            folder,
            mark,
            under: Vec::new(),
            under_root: false,
            program: name.to_string(),
            flags: Vec::new(),
            args: Vec::new(),
            traced: true,
            cgroups: false,
            held: None,
            bundle: None,
            creates: false,
            result: None,
        }
    }

    /// Arguments of the program.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Run {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_string()));
        self
    }

    /// Flags of the window, which stand before the arguments.
    pub fn flags<S: AsRef<str>>(mut self, flags: impl IntoIterator<Item = S>) -> Run {
        self.flags.extend(flags.into_iter().map(|flag| flag.as_ref().to_string()));
        self
    }

    /// Another program that runs this one, with its own arguments: `strace -f`.
    pub fn under<S: AsRef<str>>(mut self, words: impl IntoIterator<Item = S>) -> Run {
        self.under = words.into_iter().map(|word| word.as_ref().to_string()).collect();
        self
    }

    /// As [`Run::under`], by root for who is not root: `strace -f -u nobody`.
    pub fn under_by_root<S: AsRef<str>>(self, words: impl IntoIterator<Item = S>) -> Run {
        Run { under_root: true, ..self.under(words) }
    }

    /// As a user runs it, without a trace file; what is shown is in the window's hands.
    pub fn untraced(mut self) -> Run {
        self.traced = false;
        self
    }

    /// A name that no other run has, for something that it makes on this machine.
    pub fn id(&self) -> String {
        self.mark.replace("PORTHOLE_RUN=", "porthole-")
    }

    /// Cgroups that are named with [`Run::id`] must be gone after it too.
    pub fn looks_for_cgroups(mut self) -> Run {
        self.cgroups = true;
        self
    }

    /// The name of a cgroup that is there before it, for a program that needs one.
    pub fn held_name(&self) -> String {
        self.id().replace("porthole-", "held-")
    }

    /// Makes that cgroup; it goes with this value.
    pub fn with_a_cgroup(mut self) -> Run {
        self.held = Some(HeldCgroup::make(self.held_name()));
        self
    }

    /// A file in its folder that it is there to make: none the less left behind if it fails.
    pub fn makes(mut self, file: &str) -> Run {
        self.result = Some(file.to_string());
        self
    }

    /// A bundle, and perhaps a container, that is there before it. What it `creates` in its own folder
    /// is deleted when it has ended well or was killed, and then nothing may be left; what refuses to
    /// be made must leave nothing by itself.
    pub fn with_a_bundle(mut self, bundle: Bundle, creates: bool) -> Run {
        self.bundle = Some(bundle);
        self.creates = creates;
        self
    }

    /// An argument, with what is meant by the tokens for bundles.
    pub fn fill(&self, arg: &str) -> String {
        self.bundle.as_ref().map_or(arg.to_string(), |bundle| bundle.fill(arg))
    }

    /// The folder that the program runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it to its end, and looks for what it leaves behind.
    pub fn go(self) -> Ran {
        self.go_and_keep().0
    }

    /// As [`Run::go`], but the folder is kept, for a test that wants to read files in it.
    pub fn go_and_keep(self) -> (Ran, TempDir) {
        let mut child = self.start();
        let status = wait(&mut child, LIMIT)
            .unwrap_or_else(|| panic!("{} {:?} {:?} hangs", self.program, self.flags, self.args));
        let ran = self.look(status);
        (ran, self.folder)
    }

    /// Starts it and leaves it running; whoever does so ends it.
    pub fn start(&self) -> Child {
        let mut command = self.command();
        command.stdout(self.file("stdout")).stderr(self.file("stderr")).stdin(Stdio::null());
        command.spawn().unwrap_or_else(|e| panic!("{} cannot be run: {e}", self.program))
    }

    /// Starts it as the leader of a session that has this terminal; whoever does so ends it.
    pub fn start_on(&self, terminal: &Terminal) -> Child {
        let mut command = self.command_under(&["setsid", "--ctty"]);
        command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end());
        command.spawn().unwrap_or_else(|e| panic!("{} cannot be run: {e}", self.program))
    }

    /// What is known after its end.
    pub fn look(&self, status: ExitStatus) -> Ran {
        let text = |name| fs::read(self.folder.path().join(name)).unwrap_or_default();
        let text = |name| String::from_utf8_lossy(&text(name)).into_owned();
        let events = trace::json::parse_all(&text("trace")).expect("the trace is a trace");
        if self.creates && (status.success() || status.signal().is_some()) {
            bundles::delete(self.place, self.folder.path());
        }
        let mut left_behind = leftovers::of(&self.mark, self.folder.path());
        if let Some(file) = self.result.as_ref().filter(|_| status.success()) {
            left_behind.retain(|what| *what != format!("file {file}"));
        }
        if self.cgroups {
            left_behind.extend(leftovers::cgroups(&self.id()));
        }
        Ran {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: text("stdout"),
            stderr: text("stderr"),
            events,
            left_behind,
            id: self.id(),
            bundle: self.bundle.as_ref().map(|bundle| bundle.folder().to_path_buf()),
        }
    }

    /// The processes that belong to this run and are still there.
    pub fn processes(&self) -> Vec<i32> {
        leftovers::processes(&self.mark)
    }

    fn command(&self) -> Command {
        self.command_under(&[])
    }

    fn command_under(&self, under: &[&str]) -> Command {
        let path = program(&self.program, self.place);
        let mut words: Vec<String> = under.iter().map(|word| word.to_string()).collect();
        words.extend(self.under.iter().cloned());
        words.push(path.to_string_lossy().into_owned());
        if self.traced {
            let file = self.folder.path().join("trace");
            words.extend(["--trace", "json", "--trace-file"].map(str::to_string));
            words.push(file.to_string_lossy().into_owned());
        }
        words.extend(self.flags.iter().chain(&self.args).cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).env_clear();
        let (name, value) = self.mark.split_once('=').expect("the mark is a variable");
        command.env(name, value).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/");
        if self.place.is_other_user() && !self.under_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn file(&self, name: &str) -> File {
        File::create(self.folder.path().join(name)).expect("a file can be made in one's own folder")
    }
}

/// Waits for the end of a process, at most so long; then it is killed.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("one's own child can be waited for") {
            return Some(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        sleep(Duration::from_millis(1));
    }
}

/// A cgroup that is there while a program runs, made by root where the tests have root.
struct HeldCgroup(String);

impl HeldCgroup {
    fn make(name: String) -> HeldCgroup {
        chapter8(&["create", "-g", &format!("cpu,memory,pids,freezer:{name}")]);
        HeldCgroup(name)
    }
}

impl Drop for HeldCgroup {
    fn drop(&mut self) {
        chapter8(&["delete", "-r", "--kill", &self.0]);
    }
}

/// Without a cgroup that may be made, the program under test says so itself.
fn chapter8(args: &[&str]) {
    let mut command = Command::new(program("chapter8", Place::possible()[0]));
    command.args(["--trace", "off"]).args(args).stderr(Stdio::null()).stdout(Stdio::null());
    let _ = command.status();
}

/// A process in namespaces of its own, for others to join; it ends when this is dropped.
pub struct Target {
    child: Child,
    run: Run,
    /// Its number.
    pub pid: i32,
}

impl Target {
    /// Starts it, and waits until it is in its namespaces.
    pub fn start(place: Place) -> Target {
        let script = "hostname target; echo $$; exec sleep 60";
        let args = ["unshare", "--user", "--map-root", "--uts", "--", "sh", "-c", script];
        let run = Run::new(place, "chapter2").untraced().flags(["--trace", "off"]).args(args);
        let mut target = Target { child: run.start(), run, pid: 0 };
        let deadline = Instant::now() + LIMIT;
        while target.pid == 0 {
            assert!(Instant::now() < deadline, "the process that is to be joined did not start");
            sleep(Duration::from_millis(1));
            target.pid = target.said().unwrap_or(0);
        }
        target
    }

    /// Starts a box of chapter 13 in a new directory, and waits until its program has spoken.
    pub fn start_box(place: Place, directory: &str) -> Target {
        let script = "echo ready; exec sleep 60";
        let args = ["run", "--rm", directory, "--", "sh", "-c", script];
        let run = Run::new(place, "chapter13").untraced().flags(["--trace", "off"]).args(args);
        let mut target = Target { child: run.start(), run, pid: 0 };
        target.pid = i32::try_from(target.child.id()).expect("pids fit into an i32");
        let deadline = Instant::now() + LIMIT;
        let log = Path::new(directory).join("log");
        while !fs::read_to_string(&log).is_ok_and(|text| text == "ready\n") {
            assert!(Instant::now() < deadline, "the box that is to be joined did not start");
            sleep(Duration::from_millis(1));
        }
        target
    }

    /// The number that it has printed, when the line is whole.
    fn said(&self) -> Option<i32> {
        let text = fs::read_to_string(self.run.folder().join("stdout")).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // A box goes in good order when it is told to; the other one goes in any case.
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM, "end it");
        if self.run.program != "chapter13" || wait(&mut self.child, LIMIT).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
