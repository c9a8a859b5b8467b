//! What does a program see from inside a container?
//!
//! It needs nothing but the standard library and `/proc`, does what its arguments say, one after the
//! other, and tells it as one line of JSON:
//!
//! - `report`: say everything that is known; the answers to what was tried before are in it
//! - `read:PATH`, `write:PATH`, `create:PATH`, `mkdir:PATH`, `list:PATH`, `stat:PATH`,
//!   `chmod:MODE:PATH`, `mknod:PATH`, `run:PROGRAM ARGS`: try it
//! - `say:TEXT`, `sleep`, `nap:MILLISECONDS`, `wait:PATH` (until it is there), `burn:MiB` (touch memory), `exit:CODE`
//! - `hook:FILE:NAME`: append to FILE what a hook sees
//!
//! It takes no part in any floor of the workspace, so what it says does not depend on what is tested.

#[path = "payload/hook.rs"]
mod hook;
#[path = "payload/probes.rs"]
mod probes;
#[path = "payload/report.rs"]
mod report;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Map, Value};

/// How often a file is looked for.
const PATIENCE: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let mut answers = Map::new();
    for word in std::env::args().skip(1) {
        let (verb, rest) = word.split_once(':').unwrap_or((&word, ""));
        match verb {
            "report" => say(&report::everything(&answers).to_string()),
            "say" => say(rest),
            "sleep" => sleep(Duration::from_secs(600)),
            "nap" => sleep(Duration::from_millis(rest.parse().unwrap_or(0))),
            "wait" => wait_for(Path::new(rest)),
            "burn" => drop(burn(rest.parse().unwrap_or(0))),
            "exit" => return ExitCode::from(rest.parse::<u8>().unwrap_or(0)),
            "hook" => hook::append(rest),
            _ => {
                answers.insert(word.clone(), Value::String(probes::answer(verb, rest)));
            }
        }
    }
    ExitCode::SUCCESS
}

/// Nobody may be listening, and that is no reason to break off.
fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{text}");
    let _ = output.flush();
}

fn wait_for(path: &Path) {
    while path.symlink_metadata().is_err() {
        sleep(PATIENCE);
    }
}

fn burn(mebibytes: usize) -> Vec<u8> {
    let memory = vec![1; mebibytes << 20];
    std::hint::black_box(memory)
}
