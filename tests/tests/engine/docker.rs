//! What only Docker has.

use std::fs;

use tests::engines::{Container, Engine, OURS, wait_for};

use crate::Named;

pub(crate) const CASES: [Named; 6] = [
    ("health", health),
    ("chosen-by-name", chosen_by_name),
    ("version-of-the-runtime", version_of_the_runtime),
    ("copy", copy),
    ("debug", debug),
    ("debug-of-a-failure", debug_of_a_failure),
];

fn health(engine: &'static Engine) {
    let flags = ["--health-cmd", "test -f /tmp/well", "--health-interval", "100ms"];
    let container = Container::start(engine, "health", &flags, &["sleep", "100"]);
    let is = |state: &str| {
        wait_for(&format!("{} to be {state}", container.name), || {
            (container.inspect("{{.State.Health.Status}}") == state).then_some(())
        });
    };
    is("unhealthy");
    engine.does(&["exec", &container.name, "touch", "/tmp/well"]);
    is("healthy");
}

/// As the default runtime it is in all other cases.
fn chosen_by_name(engine: &'static Engine) {
    let said = engine.does(&engine.run(&["--rm", "--runtime", "ours"], &["echo", "by name"]));
    assert_eq!(said, "by name");
}

/// Docker reads it out of `--version`, and warns where it cannot.
fn version_of_the_runtime(engine: &'static Engine) {
    let template = "{{range .Server.Components}}{{.Name}}={{.Version}};{{end}}";
    let said = engine.does(&["version", "--format", template]);
    let version = said.split(';').find_map(|part| part.strip_prefix("ours="));
    assert!(version.is_some_and(|version| !version.is_empty()), "{said}");
    let log = fs::read_to_string(engine.yard.folder().join("log")).unwrap_or_default();
    assert!(!log.contains("failed to retrieve ours version"), "{log}");
}

fn copy(engine: &'static Engine) {
    let container = Container::start(engine, "copy", &[], &["sleep", "100"]);
    let from = format!("{}:/etc/passwd", container.name);
    let to = engine.yard.work().join("passwd");
    engine.does(&["cp", &from, &to.to_string_lossy()]);
    let copied = fs::read_to_string(engine.yard.inside(&to)).unwrap_or_default();
    assert!(copied.starts_with("root:"), "{copied}");
}

/// What is asked of the kernel is in the runtime's log, which lies beside the container's state.
fn debug(engine: &'static Engine) {
    let flags = ["--runtime", "watched"];
    let container = Container::start(engine, "debug", &flags, &["sleep", "100"]);
    let id = container.inspect("{{.Id}}");
    let tasks = "exec/containerd/daemon/io.containerd.runtime.v2.task/moby";
    let log = engine.yard.work().join(tasks).join(id).join("log.json");
    let log = fs::read_to_string(engine.yard.inside(&log)).expect("it has a log");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert!(lines.iter().any(|line| line["level"] == "debug"), "{log}");
    assert!(lines.iter().all(|line| line["msg"].is_string() && line["time"].is_string()), "{log}");
}

/// Docker looks for the error among all those lines.
fn debug_of_a_failure(engine: &'static Engine) {
    let name = format!("{OURS}debug-failure");
    let flags = ["--rm", "--name", &name, "--runtime", "watched"];
    let said = engine.says(&engine.run(&flags, &["nowhere"]));
    assert_eq!(said.code, 127, "{said:?}");
    assert!(said.stderr.contains("\"nowhere\": executable file not found in $PATH"), "{said:?}");
}
