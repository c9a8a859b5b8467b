//! How does a terminal reach a shell inside the lab?
//!
//! Our terminal is made raw: every key goes through as it is, and the terminal inside makes
//! Ctrl-C, line editing and echo of it. The stty program does this for us, since std cannot.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::wire::Streams;

/// Our terminal while it is raw; dropping it makes the terminal what it was.
pub(crate) struct Raw {
    before: String,
}

impl Raw {
    /// Makes the terminal at our standard input raw.
    pub(crate) fn make() -> Result<Self> {
        let before = stty(&["-g"])?;
        stty(&["raw", "-echo"])?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = stty(&[self.before.as_str()]);
    }
}

/// A terminal inside that is as large as ours, or of the usual size if ours does not say.
pub(crate) fn like_ours() -> Streams {
    let size = stty(&["size"]).unwrap_or_default();
    match parse_size(&size) {
        Some((rows, columns)) => Streams::Terminal { rows, columns },
        None => Streams::Terminal { rows: 24, columns: 80 },
    }
}

/// `stty size` prints "24 80"; a terminal that does not know its size says "0 0".
fn parse_size(text: &str) -> Option<(u16, u16)> {
    let (rows, columns) = text.trim().split_once(' ')?;
    let (rows, columns) = (rows.parse().ok()?, columns.parse().ok()?);
    (rows > 0 && columns > 0).then_some((rows, columns))
}

fn stty(arguments: &[&str]) -> Result<String> {
    let output = Command::new("stty")
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .output()
        .context("cannot run stty")?;
    ensure!(output.status.success(), "stty {} failed: is this a terminal?", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_two_numbers_above_zero() {
        assert_eq!(parse_size("24 80\n"), Some((24, 80)));
        assert_eq!(parse_size("0 0"), None);
        assert_eq!(parse_size(""), None);
    }
}
