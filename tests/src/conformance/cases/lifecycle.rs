//! runtime.md: what becomes of a container, and what is refused on the way.

use anyhow::Result;
use serde_json::json;

use super::process::{ended, in_foreground};
use crate::conformance::{Bench, Case, Fits, case};

pub(super) const CASES: &[Case] = &[
    case("lifecycle/whole", "runtime.md, Lifecycle", Fits::All, whole),
    case("lifecycle/create-runs-nothing", "runtime.md, Create", Fits::All, create_runs_nothing),
    case("lifecycle/config-is-read-once", "runtime.md, Lifecycle 2", Fits::All, read_once),
    case("lifecycle/state-fields", "runtime.md, State", Fits::All, state_fields),
    case("lifecycle/state-of-unknown", "runtime.md, Query State", Fits::All, state_of_unknown),
    case("lifecycle/create-twice", "runtime.md, Create", Fits::All, create_twice),
    case("lifecycle/create-invalid-id", "runtime.md, Create", Fits::All, invalid_ids),
    case("lifecycle/create-without-bundle", "runtime.md, Create", Fits::All, without_bundle),
    case("lifecycle/create-without-id", "runtime.md, Create", Fits::All, without_id),
    case("lifecycle/start-unknown", "runtime.md, Start", Fits::All, start_unknown),
    case("lifecycle/start-twice", "runtime.md, Start", Fits::All, start_twice),
    case("lifecycle/start-stopped", "runtime.md, Start", Fits::All, start_stopped),
    case("lifecycle/kill-unknown", "runtime.md, Kill", Fits::All, kill_unknown),
    case("lifecycle/kill-stopped", "runtime.md, Kill", Fits::All, kill_stopped),
    case("lifecycle/kill-created", "runtime.md, Kill", Fits::All, kill_created),
    case("lifecycle/kill-sends-the-signal", "runtime.md, Kill", Fits::All, kill_sends),
    case("lifecycle/delete-unknown", "runtime.md, Delete", Fits::All, delete_unknown),
    case("lifecycle/delete-running", "runtime.md, Delete", Fits::All, delete_running),
    case("lifecycle/delete-force", "runtime.md, Delete", Fits::All, delete_force),
    case("lifecycle/id-can-be-used-again", "runtime.md, Delete", Fits::All, used_again),
    case("lifecycle/stopped-by-itself", "runtime.md, Kill", Fits::All, stopped_by_itself),
];

fn whole(bench: &Bench) -> Result<()> {
    let out = bench.create(&bench.config_for(&["report", "sleep"]))?;
    bench.equal("created", bench.state()?["status"].as_str(), Some("created"));
    let done = bench.command(&["start", bench.id()])?.good()?;
    bench.equal("start is silent", done.stdout + &done.stderr, "");
    bench.first_report(&out)?;
    bench.equal("running", bench.state()?["status"].as_str(), Some("running"));
    bench.stop()?;
    bench.command(&["delete", bench.id()])?.good()?;
    bench.fails("it is gone", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

fn create_runs_nothing(bench: &Bench) -> Result<()> {
    let out = bench.create(&bench.config())?;
    bench.equal("silent", std::fs::read_to_string(out.with_extension("out"))?, "");
    let command = std::fs::read(format!("/proc/{}/cmdline", bench.pid()?))?;
    let command = String::from_utf8_lossy(&command).into_owned();
    bench.holds("not the payload", !command.starts_with("/bin/payload"), command);
    Ok(())
}

fn read_once(bench: &Bench) -> Result<()> {
    let out = bench.create(&bench.config_for(&["report", "sleep"]))?;
    bench.write(&bench.config_for(&["say:changed", "exit:9"]))?;
    bench.command(&["start", bench.id()])?.good()?;
    let report = bench.first_report(&out)?;
    bench.equal("args", &report.0["args"], &json!(["/bin/payload", "report", "sleep"]));
    Ok(())
}

fn state_fields(bench: &Bench) -> Result<()> {
    let mut config = bench.config_for(&["report", "sleep"]);
    config["annotations"] = json!({"org.example.key": "value"});
    bench.run_detached(&config)?;
    let state = bench.state()?;
    bench.equal("id", state["id"].as_str(), Some(bench.id()));
    bench.equal("bundle", state["bundle"].as_str(), bench.bundle().to_str());
    bench.equal("annotations", &state["annotations"], &config["annotations"]);
    let version = state["ociVersion"].as_str().unwrap_or_default();
    bench.holds("ociVersion", version.starts_with("1."), version);
    let pid = state["pid"].as_i64().unwrap_or_default();
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bench.equal("pid", String::from_utf8_lossy(&command), "/bin/payload\0report\0sleep\0");
    Ok(())
}

fn state_of_unknown(bench: &Bench) -> Result<()> {
    bench.fails("refused", &bench.command(&["state", bench.id()])?, 1);
    bench.fails("without an id", &bench.command(&["state"])?, 1);
    Ok(())
}

fn create_twice(bench: &Bench) -> Result<()> {
    bench.create(&bench.config())?;
    let pid = bench.pid()?;
    bench.fails("create", &bench.command(&["create", bench.id()])?, 1);
    bench.fails("run", &bench.command(&["run", bench.id()])?, 1);
    bench.equal("the first is untouched", bench.pid()?, pid);
    bench.equal("its status", bench.state()?["status"].as_str(), Some("created"));
    Ok(())
}

fn invalid_ids(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    for id in ["a/b", "..", ".", "", "a b", "../a"] {
        let done = bench.command(&["create", "--", id])?;
        bench.fails(&format!("{id:?}"), &done, 1);
        if done.code == 0 {
            bench.command(&["delete", "--force", "--", id])?;
        }
    }
    Ok(())
}

fn without_bundle(bench: &Bench) -> Result<()> {
    let nowhere = bench.path("nowhere");
    let nowhere = nowhere.to_string_lossy();
    bench.fails("no directory", &bench.command(&["create", "--bundle", &nowhere, bench.id()])?, 1);
    bench.fails("no config.json", &bench.command(&["create", bench.id()])?, 1);
    bench.fails("no state", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

fn without_id(bench: &Bench) -> Result<()> {
    bench.write(&bench.config())?;
    for command in ["create", "run", "start", "kill", "delete", "state"] {
        bench.fails(command, &bench.command(&[command])?, 1);
    }
    Ok(())
}

fn start_unknown(bench: &Bench) -> Result<()> {
    bench.fails("refused", &bench.command(&["start", bench.id()])?, 1);
    Ok(())
}

fn start_twice(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let pid = bench.pid()?;
    bench.fails("refused", &bench.command(&["start", bench.id()])?, 1);
    bench.equal("it still runs", bench.pid()?, pid);
    bench.equal("its status", bench.state()?["status"].as_str(), Some("running"));
    Ok(())
}

fn start_stopped(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    bench.stop()?;
    bench.fails("refused", &bench.command(&["start", bench.id()])?, 1);
    bench.equal("it stays stopped", bench.state()?["status"].as_str(), Some("stopped"));
    Ok(())
}

fn kill_unknown(bench: &Bench) -> Result<()> {
    bench.fails("refused", &bench.command(&["kill", bench.id(), "KILL"])?, 1);
    Ok(())
}

fn kill_stopped(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    bench.stop()?;
    bench.fails("refused", &bench.command(&["kill", bench.id(), "KILL"])?, 1);
    Ok(())
}

/// The text says "not running", but engines end what they have created and not started in this way.
fn kill_created(bench: &Bench) -> Result<()> {
    bench.create(&bench.config())?;
    bench.stop()
}

fn kill_sends(bench: &Bench) -> Result<()> {
    let script = "trap 'exit 33' USR1; trap 'exit 34' USR2; echo '{}'; \
        while :; do /bin/busybox sleep 0.01; done";
    for (signal, right) in [("SIGUSR1", 33), ("USR2", 34), ("9", 128 + 9)] {
        let mut config = bench.config();
        config["process"]["args"] = json!(["/bin/busybox", "sh", "-c", script]);
        bench.write(&config)?;
        let out = bench.output();
        let mut child = in_foreground(bench, &out)?;
        bench.first_report(&out)?;
        bench.command(&["kill", bench.id(), signal])?.good()?;
        bench.equal(signal, ended(bench, &mut child)?, right);
    }
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    bench.fails("no such signal", &bench.command(&["kill", bench.id(), "SIGNONE"])?, 1);
    Ok(())
}

fn delete_unknown(bench: &Bench) -> Result<()> {
    bench.fails("refused", &bench.command(&["delete", bench.id()])?, 1);
    bench.command(&["delete", "--force", bench.id()])?.good()?;
    Ok(())
}

fn delete_running(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let pid = bench.pid()?;
    bench.fails("refused", &bench.command(&["delete", bench.id()])?, 1);
    bench.equal("it still runs", bench.pid()?, pid);
    Ok(())
}

fn delete_force(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
    let pid = bench.pid()?;
    bench.command(&["delete", "--force", bench.id()])?.good()?;
    bench.fails("it is gone", &bench.command(&["state", bench.id()])?, 1);
    let gone = std::fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |text| text.is_empty());
    bench.holds("its process is gone", gone, pid);
    bench.create(&bench.config())?;
    bench.command(&["delete", "--force", bench.id()])?.good()?;
    bench.fails("one that was only created", &bench.command(&["state", bench.id()])?, 1);
    Ok(())
}

fn used_again(bench: &Bench) -> Result<()> {
    for _ in 0..2 {
        bench.run(&bench.config())?;
        bench.run_detached(&bench.config_for(&["report", "sleep"]))?;
        bench.stop()?;
        bench.command(&["delete", bench.id()])?.good()?;
    }
    Ok(())
}

fn stopped_by_itself(bench: &Bench) -> Result<()> {
    bench.run_detached(&bench.config_for(&["report", "exit:3"]))?;
    bench.until_status("stopped")?;
    bench.command(&["delete", bench.id()])?.good()?;
    Ok(())
}
