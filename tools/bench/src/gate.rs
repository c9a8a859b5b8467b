//! What does one request cost on its way through the gate?

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;
use primitives::{Birth, Form, Status, WindowArgs, chdir, spawn, step};

use crate::{head, row};

/// Requests in one round: enough to make the time of starting the program vanish.
const REQUESTS: u32 = 20_000;

/// The ways to make the same request.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Way {
    /// As the standard library makes it
    Bare,
    /// Through the gate, nobody watching
    Unwatched,
    /// Through the gate, as JSON into /dev/null
    Json,
    /// Through the gate, for people, into /dev/null
    Pretty,
    /// Through the gate in a child, over the wire, as JSON into /dev/null
    JsonFromChild,
}

/// Prints the table.
pub(crate) fn compare(rounds: usize) -> Result<()> {
    let ways = Way::value_variants();
    let mut samples = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for (way, samples) in ways.iter().zip(&mut samples) {
            samples.push(measure(*way)?);
        }
    }
    head("chdir(\".\")");
    let mut base = 0.0;
    for (way, samples) in ways.iter().zip(&mut samples) {
        let median = row(&format!("{way:?}"), samples, "ns", base);
        base = if base == 0.0 { median } else { base };
    }
    Ok(())
}

/// A process of its own for each way: whether anybody watches is settled once in a process.
fn measure(way: Way) -> Result<f64> {
    let name = way.to_possible_value().context("every way has a name")?;
    let me = std::env::current_exe()?;
    let output = Command::new(me).args(["loop", name.get_name()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Makes the requests and prints the nanoseconds of one.
pub(crate) fn run(way: Way) -> Result<()> {
    let form = match way {
        Way::Bare | Way::Unwatched => Form::Off,
        Way::Json | Way::JsonFromChild => Form::Json,
        Way::Pretty => Form::Pretty,
    };
    let file = (form != Form::Off).then(|| "/dev/null".into());
    let args = WindowArgs { trace: Some(form), trace_file: file, ..WindowArgs::default() };
    primitives::watch(&args, form)?;
    let start = Instant::now();
    match way {
        Way::Bare => bare()?,
        Way::JsonFromChild => in_a_child()?,
        _ => through_the_gate()?,
    }
    println!("{}", start.elapsed().as_nanos() as f64 / f64::from(REQUESTS));
    Ok(())
}

fn bare() -> Result<()> {
    for _ in 0..REQUESTS {
        std::env::set_current_dir(".")?;
    }
    Ok(())
}

fn through_the_gate() -> primitives::Result<()> {
    step("measure", || {
        for _ in 0..REQUESTS {
            chdir(Path::new("."), "see what it costs")?;
        }
        Ok(())
    })
}

fn in_a_child() -> Result<()> {
    let child = spawn("child", Birth::default(), "measure from there", |_| {
        through_the_gate()?;
        Ok(0)
    })?;
    let status = child.finish("wait until it is done")?;
    anyhow::ensure!(status == Status::Exited(0), "the child ended with {status}");
    Ok(())
}
