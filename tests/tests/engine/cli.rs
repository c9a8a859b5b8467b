//! What Docker and Podman are asked with the same words.

use std::thread::sleep;
use std::time::Duration;

use tests::engines::{Container, Engine, Kind, OURS, Said, wait_for};
use tests::pty::Terminal;

use crate::Named;

pub(crate) const CASES: [Named; 20] = [
    ("output-and-exit-code", output_and_exit_code),
    ("standard-input", standard_input),
    ("logs-stop-restart", logs_stop_restart),
    ("exec", exec),
    ("exec-in-a-terminal", exec_in_a_terminal),
    ("stats", stats),
    ("pause", pause),
    ("update", update),
    ("out-of-memory", out_of_memory),
    ("number-of-processes", number_of_processes),
    ("terminal", terminal),
    ("removed-while-it-runs", removed_while_it_runs),
    ("read-only", read_only),
    ("user", user),
    ("capabilities", capabilities),
    ("signals", signals),
    ("volume", volume),
    ("environment", environment),
    ("missing-program", missing_program),
    ("no-program-at-all", no_program_at_all),
];

/// Ends by itself when it is asked to, as a well-behaved program does.
const POLITE: &str = "trap 'echo bye; exit 0' TERM; trap 'echo usr1' USR1; echo up; \
                      n=0; while :; do n=$((n+1)); echo $n > /tmp/n; sleep 0.05; done";

fn run(engine: &Engine, flags: &[&str], words: &[&str]) -> Said {
    let flags = [&["--rm"], flags].concat();
    engine.says(&engine.run(&flags, words))
}

fn polite(engine: &'static Engine, case: &str, flags: &[&str]) -> Container {
    let container = Container::start(engine, case, flags, &["sh", "-c", POLITE]);
    container.logs("up");
    container
}

fn output_and_exit_code(engine: &'static Engine) {
    let said = run(engine, &[], &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (7, "out\n", "err\n"));
    let said = run(engine, &[], &["sh", "-c", "kill -KILL $$"]);
    // The first process of a pid namespace cannot be killed from inside.
    assert_eq!(said.code, 0, "{said:?}");
}

fn standard_input(engine: &'static Engine) {
    let line = engine.run(&["--rm", "-i"], &["sh", "-c", "read a; read b; echo $b$a"]);
    let mut command = engine.command(&line);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the engine's command line can be run");
    let mut input = child.stdin.take().expect("it was asked for");
    std::io::Write::write_all(&mut input, b"1\n2\n").expect("it reads");
    drop(input);
    let said = Said::from(child.wait_with_output().expect("it ends"));
    assert_eq!((said.code, said.stdout.as_str()), (0, "21\n"));
}

fn logs_stop_restart(engine: &'static Engine) {
    let container = polite(engine, "logs", &[]);
    engine.does(&["stop", "-t", "20", &container.name]);
    assert_eq!(container.inspect("{{.State.ExitCode}} {{.State.Running}}"), "0 false");
    container.logs("bye");
    engine.does(&["start", &container.name]);
    wait_for("its second life", || (container.log().matches("up\n").count() == 2).then_some(()));
    engine.does(&["restart", "-t", "20", &container.name]);
    wait_for("its third life", || (container.log().matches("up\n").count() == 3).then_some(()));
    assert_eq!(container.log().matches("bye\n").count(), 2);
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
}

fn exec(engine: &'static Engine) {
    let container = polite(engine, "exec", &[]);
    let exec = |flags: &[&str], words: &[&str]| {
        let line = [&["exec"], flags, &[container.name.as_str()], words].concat();
        engine.says(&line)
    };
    let said = exec(&[], &["sh", "-c", "echo in; exit 4"]);
    assert_eq!((said.code, said.stdout.as_str()), (4, "in\n"), "{said:?}");
    let said =
        exec(&["-u", "1000:1000", "-w", "/tmp", "-e", "A=b"], &["sh", "-c", "id -u; pwd; echo $A"]);
    assert_eq!(said.stdout, "1000\n/tmp\nb\n", "{said:?}");
    let said = exec(&[], &["nowhere"]);
    // Docker 20.10 makes 126 of it.
    assert!([126, 127].contains(&said.code), "{said:?}");
    assert!((said.stdout + &said.stderr).contains("nowhere"));
    assert_eq!(exec(&[], &["/etc"]).code, 126);
    // It is in there: it sees the first process, and is one of the same namespaces.
    let script = "for who in 1 self; do readlink /proc/$who/ns/mnt; done";
    let said = exec(&[], &["sh", "-c", script]);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0] == lines[1], "{said:?}");
}

fn exec_in_a_terminal(engine: &'static Engine) {
    let container = polite(engine, "exec-tty", &[]);
    let mut terminal = Terminal::default();
    let line = ["exec", "-it", &container.name, "sh"];
    let mut command = engine.command(&line);
    command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end());
    let mut child = command.spawn().expect("the engine's command line can be run");
    terminal.types("test -t 0 && echo a-$((40+2))-terminal; exit 5\n");
    terminal.shows("a-42-terminal");
    assert_eq!(child.wait().expect("it ends").code(), Some(5));
}

fn stats(engine: &'static Engine) {
    let container = polite(engine, "stats", &["--memory", "64m"]);
    let format = "{{.MemUsage}}|{{.PIDs}}";
    let said = engine.does(&["stats", "--no-stream", "--format", format, &container.name]);
    let (memory, pids) = said.split_once('|').expect("two values were asked for");
    assert!(!memory.starts_with("0B") && memory.contains(" / 6"), "{said}");
    assert!(pids.trim().parse::<u32>().is_ok_and(|pids| pids > 0), "{said}");
    let top = engine.does(&["top", &container.name]);
    assert!(top.contains("sh -c"), "{top}");
}

fn pause(engine: &'static Engine) {
    let container = polite(engine, "pause", &[]);
    engine.does(&["pause", &container.name]);
    assert_eq!(container.inspect("{{.State.Status}}"), "paused");
    let frozen = || {
        let state = engine.yard.cgroup_file(&id(&container), &["freezer.state", "cgroup.freeze"]);
        state.expect("it has a cgroup that can be frozen")
    };
    assert!(["FROZEN\n", "1\n"].contains(&frozen().as_str()), "{}", frozen());
    engine.does(&["unpause", &container.name]);
    let now = || engine.does(&["exec", &container.name, "cat", "/tmp/n"]);
    let before = now();
    wait_for("its next step", || (now() != before).then_some(()));
}

/// The name of its cgroup has its id in it.
fn id(container: &Container) -> String {
    container.inspect("{{.Id}}")
}

fn update(engine: &'static Engine) {
    let container = polite(engine, "update", &["--memory", "128m"]);
    let limit = || {
        let files = ["memory.limit_in_bytes", "memory.max"];
        engine.yard.cgroup_file(&id(&container), &files).unwrap_or_default()
    };
    assert_eq!(limit(), "134217728\n");
    engine.does(&["update", "--memory", "64m", "--cpu-shares", "512", &container.name]);
    assert_eq!(limit(), "67108864\n");
    let shares = engine.yard.cgroup_file(&id(&container), &["cpu.shares", "cpu.weight"]);
    assert!(shares.is_some_and(|shares| ["512\n", "59\n", "20\n"].contains(&shares.as_str())));
}

fn out_of_memory(engine: &'static Engine) {
    let flags = ["--memory", "16m", "--memory-swap", "16m"];
    let eater = ["sh", "-c", "a=x; while :; do a=$a$a; done"];
    let container = Container::start(engine, "oom", &flags, &eater);
    let code = engine.does(&["wait", &container.name]);
    assert_eq!(code, "137");
    // Podman's conmon does not hear of it where cgroups are of v1, whatever the runtime.
    if engine.kind == Kind::Docker {
        wait_for("Docker to hear of it", || {
            (container.inspect("{{.State.OOMKilled}}") == "true").then_some(())
        });
    }
    // Who is killed is the one who eats, and not everybody.
    let script = format!("sh -c '{}'; echo survived $?", eater[2]);
    let said = run(engine, &flags, &["sh", "-c", &script]);
    assert!(said.stdout.contains("survived 137"), "{said:?}");
}

fn number_of_processes(engine: &'static Engine) {
    let said = run(engine, &["--pids-limit", "1"], &["sh", "-c", "(true); echo not reached"]);
    assert!(said.code != 0 && !said.stdout.contains("not reached"), "{said:?}");
}

fn terminal(engine: &'static Engine) {
    let mut terminal = Terminal::default();
    let mut command = engine.command(&engine.run(&["--rm", "-it"], &["sh"]));
    command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end());
    let mut child = command.spawn().expect("the engine's command line can be run");
    terminal.types("test -t 0 && test -t 2 && echo a-$((40+2))-terminal\n");
    terminal.shows("a-42-terminal");
    terminal.types("trap 'echo interrupted-$((1+1))' INT; sleep 60\n");
    sleep(Duration::from_millis(300));
    terminal.types("\x03");
    terminal.shows("interrupted-2");
    terminal.types("exit 3\n");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
}

fn removed_while_it_runs(engine: &'static Engine) {
    let container = polite(engine, "removed", &[]);
    let id = id(&container);
    engine.does(&["rm", "-f", &container.name]);
    assert_ne!(engine.says(&["inspect", &container.name]).code, 0);
    assert_eq!(engine.yard.cgroup_file(&id, &["cgroup.procs"]), None);
}

fn read_only(engine: &'static Engine) {
    let script = "touch /here; echo no > /tmp/yes && cat /tmp/yes; touch /proc/sys/kernel/hostname";
    let said = run(engine, &["--read-only", "--tmpfs", "/tmp"], &["sh", "-c", script]);
    assert_eq!(said.stdout, "no\n", "{said:?}");
    assert_eq!(said.stderr.matches("Read-only file system").count(), 2, "{said:?}");
}

fn user(engine: &'static Engine) {
    let script = "id -u; id -g; cat /proc/self/status | grep CapEff";
    let said = run(engine, &["-u", "1000:1001"], &["sh", "-c", script]);
    assert_eq!(said.stdout, "1000\n1001\nCapEff:\t0000000000000000\n", "{said:?}");
}

fn capabilities(engine: &'static Engine) {
    let script = "touch /tmp/a; busybox chown 1 /tmp/a && echo given";
    let with = run(engine, &[], &["sh", "-c", script]);
    assert_eq!(with.stdout, "given\n", "{with:?}");
    let without = run(engine, &["--cap-drop", "CHOWN"], &["sh", "-c", script]);
    assert!(without.stderr.contains("Operation not permitted"), "{without:?}");
}

fn signals(engine: &'static Engine) {
    let container = polite(engine, "signals", &[]);
    engine.does(&["kill", "-s", "USR1", &container.name]);
    container.logs("usr1");
    engine.does(&["kill", &container.name]);
    assert_eq!(engine.does(&["wait", &container.name]), "137");
}

fn volume(engine: &'static Engine) {
    let folder = engine.yard.work().join("volume");
    let outside = engine.yard.inside(&folder);
    std::fs::create_dir_all(&outside).expect("a folder can be made");
    let both = format!("{}:/v", folder.display());
    let said = run(engine, &["-v", &both], &["sh", "-c", "echo kept > /v/file"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(std::fs::read_to_string(outside.join("file")).ok().as_deref(), Some("kept\n"));
    let said = run(engine, &["-v", &format!("{both}:ro")], &["sh", "-c", "touch /v/more"]);
    assert!(said.stderr.contains("Read-only file system"), "{said:?}");
}

fn environment(engine: &'static Engine) {
    let flags = ["-e", "GREETING=hello you", "-w", "/tmp", "--hostname", "box"];
    let said = run(engine, &flags, &["sh", "-c", "echo $GREETING; pwd; hostname; echo $$"]);
    assert_eq!(said.stdout, "hello you\n/tmp\nbox\n1\n", "{said:?}");
}

fn missing_program(engine: &'static Engine) {
    let name = format!("{OURS}missing");
    let said = engine.says(&engine.run(&["--rm", "--name", &name], &["nowhere"]));
    assert_eq!(said.code, 127, "{said:?}");
    assert!(said.stderr.contains("nowhere"), "{said:?}");
    let _ = engine.says(&["rm", "-f", &name]);
}

fn no_program_at_all(engine: &'static Engine) {
    let said = run(engine, &[], &["/etc/passwd"]);
    assert_eq!(said.code, 126, "{said:?}");
    assert!(said.stderr.to_lowercase().contains("permission denied"), "{said:?}");
}
