//! What only Podman has.

use tests::engines::{Container, Engine};

use crate::Named;

pub(crate) const CASES: [Named; 2] = [("health", health), ("pod", pod)];

/// Without systemd nobody runs it by the clock, so it is run by hand.
fn health(engine: &'static Engine) {
    let flags = ["--health-cmd", "test -f /tmp/well", "--health-interval", "disable"];
    let container = Container::start(engine, "health", &flags, &["sleep", "100"]);
    let run = || engine.says(&["healthcheck", "run", &container.name]).code;
    assert_eq!(run(), 1);
    engine.does(&["exec", &container.name, "touch", "/tmp/well"]);
    assert_eq!(run(), 0);
}

/// Two containers that share namespaces: the second joins those of the first by their paths.
fn pod(engine: &'static Engine) {
    let first = Container::start(engine, "pod-first", &["--ipc", "shareable"], &["sleep", "100"]);
    let of = format!("container:{}", first.name);
    let flags = ["--pid", &of, "--ipc", &of, "--uts", &of, "--network", &of];
    let second = Container::start(engine, "pod-second", &flags, &["sleep", "100"]);
    let seen = |name: &str| {
        let script = "for n in pid ipc uts net; do readlink /proc/self/ns/$n; done";
        engine.does(&["exec", name, "sh", "-c", script])
    };
    assert_eq!(seen(&first.name), seen(&second.name));
}
