//! Who runs a command many times, and says what each time has cost?
//!
//! A process of its own for each thing that is measured: the kernel keeps the peak of memory for all
//! children together, and crun gets a timer that lives where crun can run. So what it takes to bring
//! crun there is paid once, and is in no figure.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use primitives::spent_by_children;

/// Between the words of a command; in none of ours.
const BETWEEN: char = '\x1f';

/// What a command has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// From its start to its end, in milliseconds.
    pub(crate) wall: f64,
    /// Time of a processor, its children's with it, in milliseconds.
    pub(crate) processor: f64,
    /// The most memory of this command and of those before it, in KiB.
    pub(crate) peak: u64,
    /// Its exit code.
    pub(crate) code: i32,
}

/// A process that runs commands and times them.
pub(crate) struct Timer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Timer {
    /// A timer in `folder`, behind other words: `unshare --mount`.
    pub(crate) fn start(behind: &[&str], folder: &Path) -> Result<Timer> {
        let me = std::env::current_exe()?;
        let me = me.to_str().context("the path of this program is no text")?;
        let words: Vec<&str> = behind.iter().copied().chain([me, "timer"]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = child.stdin.take().context("it has a standard input")?;
        let from = BufReader::new(child.stdout.take().context("it has a standard output")?);
        Ok(Timer { child, to, from })
    }

    /// Runs a command to its end, whatever that is.
    pub(crate) fn cost(&mut self, words: &[String]) -> Result<Cost> {
        writeln!(self.to, "{}", words.join(&BETWEEN.to_string()))?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let &[wall, processor, peak, code] = numbers.as_slice() else {
            bail!("{}: the timer says {line:?}", words.join(" "));
        };
        Ok(Cost { wall, processor, peak: peak as u64, code: code as i32 })
    }

    /// As [`Timer::cost`]; the command must succeed.
    pub(crate) fn run(&mut self, words: &[String]) -> Result<Cost> {
        let cost = self.cost(words)?;
        ensure!(cost.code == 0, "{} ended with {}", words.join(" "), cost.code);
        Ok(cost)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The timer itself: a line is a command, and a line is its answer.
pub(crate) fn serve() -> Result<()> {
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(BETWEEN).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let before = spent_by_children();
        let start = Instant::now();
        let status = command.status()?;
        let wall = start.elapsed();
        let after = spent_by_children();
        println!(
            "{:.4} {:.4} {} {}",
            wall.as_secs_f64() * 1000.0,
            (after.processor - before.processor).as_secs_f64() * 1000.0,
            after.peak,
            status.code().unwrap_or(-1),
        );
    }
    Ok(())
}
