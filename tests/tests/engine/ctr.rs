//! What containerd is asked by its own command line.

use std::sync::Mutex;

use tests::engines::{Engine, OURS, Said, wait_for};
use tests::pty::Terminal;

use crate::Named;

pub(crate) const CASES: [Named; 9] = [
    ("output-and-exit-code", output_and_exit_code),
    ("exec", exec),
    ("pause", pause),
    ("metrics", metrics),
    ("out-of-memory", out_of_memory),
    ("terminal", terminal),
    ("read-only", read_only),
    ("signals", signals),
    ("missing-program", missing_program),
];

fn output_and_exit_code(engine: &'static Engine) {
    let said = run(engine, "code", &["--rm"], &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((said.code, said.stdout.as_str()), (7, "out\n"), "{said:?}");
    assert!(said.stderr.contains("err\n"), "{said:?}");
}

/// What `ctr run` is told: the runtime, the cgroup, the root.
fn line<'a>(engine: &'a Engine, id: &'a str, flags: &[&'a str], words: &[&'a str]) -> Vec<String> {
    let cgroup = format!("{}/{id}", engine.yard.cgroup);
    let (runtime, root) = (engine.runtime.to_string_lossy(), engine.root.to_string_lossy());
    let fixed = ["run", "--runc-binary", &runtime, "--env", "PATH=/bin", "--cgroup", &cgroup];
    [&fixed[..], flags, &["--rootfs", &root, id], words]
        .concat()
        .iter()
        .map(|w| w.to_string())
        .collect()
}

fn run(engine: &Engine, case: &str, flags: &[&str], words: &[&str]) -> Said {
    let id = format!("{OURS}{case}");
    let line = line(engine, &id, flags, words);
    engine.says(&line.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A container in the background; it goes with the case.
struct Task {
    engine: &'static Engine,
    id: String,
    execs: Mutex<usize>,
}

impl Task {
    fn start(engine: &'static Engine, case: &str, flags: &[&str], words: &[&str]) -> Task {
        let flags = [&["--detach", "--null-io"], flags].concat();
        let said = run(engine, case, &flags, words);
        assert_eq!(said.code, 0, "{said:?}");
        Task { engine, id: format!("{OURS}{case}"), execs: Mutex::new(0) }
    }

    fn exec(&self, flags: &[&str], words: &[&str]) -> Said {
        let mut execs = self.execs.lock().expect("no case panics with it");
        *execs += 1;
        let exec = format!("e{execs}");
        let line = [&["tasks", "exec", "--exec-id", &exec], flags, &[self.id.as_str()], words];
        self.engine.says(&line.concat())
    }

    fn status(&self) -> String {
        let all = self.engine.does(&["tasks", "list"]);
        let ours = all.lines().find(|line| line.starts_with(&format!("{} ", self.id)));
        let status = ours.and_then(|line| line.split_whitespace().last());
        status.unwrap_or("gone").to_string()
    }

    fn becomes(&self, status: &str) {
        let what = format!("{} to be {status}", self.id);
        wait_for(&what, || (self.status() == status).then_some(()));
    }

    /// Waits for its end, which must be with this code. `ctr` says it in a warning only.
    fn ends_with(&self, code: i32) {
        self.becomes("STOPPED");
        let said = self.engine.says(&["tasks", "delete", &self.id]);
        assert!(said.stderr.contains(&format!("non-zero exit code {code}")), "{said:?}");
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let _ = self.engine.says(&["tasks", "delete", "--force", &self.id]);
        let _ = self.engine.says(&["containers", "delete", &self.id]);
    }
}

fn exec(engine: &'static Engine) {
    let task = Task::start(engine, "exec", &[], &["sleep", "100"]);
    let said = task.exec(&[], &["sh", "-c", "echo in; exit 4"]);
    assert_eq!((said.code, said.stdout.as_str()), (4, "in\n"), "{said:?}");
    let said = task.exec(&["--user", "1000", "--cwd", "/tmp"], &["sh", "-c", "id -u; pwd"]);
    assert_eq!(said.stdout, "1000\n/tmp\n", "{said:?}");
    let said = task.exec(&[], &["nowhere"]);
    assert!(said.code != 0 && said.stderr.contains("nowhere"), "{said:?}");
}

fn pause(engine: &'static Engine) {
    let task = Task::start(engine, "pause", &[], &["sleep", "100"]);
    engine.does(&["tasks", "pause", &task.id]);
    assert_eq!(task.status(), "PAUSED");
    engine.does(&["tasks", "resume", &task.id]);
    assert_eq!(task.status(), "RUNNING");
}

fn metrics(engine: &'static Engine) {
    let flags = ["--memory-limit", "67108864"];
    let task = Task::start(engine, "metrics", &flags, &["sleep", "100"]);
    let said = engine.does(&["tasks", "metrics", &task.id]);
    let has =
        |words: &[&str]| said.lines().any(|line| line.split_whitespace().eq(words.iter().copied()));
    assert!(has(&["memory.limit_in_bytes", "67108864"]) || said.contains("memory.usage"), "{said}");
    assert!(has(&["pids.current", "1"]), "{said}");
    let said = engine.does(&["tasks", "ps", &task.id]);
    assert_eq!(said.lines().count(), 2, "{said}");
}

fn out_of_memory(engine: &'static Engine) {
    let flags = ["--memory-limit", "16777216"];
    let eater = ["sh", "-c", "a=x; while :; do a=$a$a; done"];
    let task = Task::start(engine, "oom", &flags, &eater);
    task.ends_with(137);
}

fn terminal(engine: &'static Engine) {
    let mut terminal = Terminal::default();
    let id = format!("{OURS}terminal");
    let line = line(engine, &id, &["--rm", "--tty"], &["sh"]);
    let mut command = engine.command(&line.iter().map(String::as_str).collect::<Vec<_>>());
    command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end());
    let mut child = command.spawn().expect("ctr can be run");
    terminal.types("test -t 0 && echo a-$((40+2))-terminal\n");
    terminal.shows("a-42-terminal");
    terminal.types("exit 3\n");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
}

fn read_only(engine: &'static Engine) {
    let said = run(engine, "read-only", &["--rm", "--read-only"], &["touch", "/here"]);
    assert!(said.code == 1 && said.stderr.contains("Read-only file system"), "{said:?}");
}

fn signals(engine: &'static Engine) {
    let script = "trap 'exit 9' USR1; while :; do sleep 0.05; done";
    let task = Task::start(engine, "signals", &[], &["sh", "-c", script]);
    // Until it has set its trap the signal means nothing to the first process of a pid namespace.
    wait_for("its end", || {
        let _ = engine.says(&["tasks", "kill", "--signal", "SIGUSR1", &task.id]);
        (task.status() == "STOPPED").then_some(())
    });
    task.ends_with(9);
}

fn missing_program(engine: &'static Engine) {
    let said = run(engine, "missing", &["--rm"], &["nowhere"]);
    assert!(said.code != 0 && said.stderr.contains("nowhere"), "{said:?}");
}
