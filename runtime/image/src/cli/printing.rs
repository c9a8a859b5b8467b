//! How is something said to people, and to programs?

use std::io::{ErrorKind, Write};

use primitives::{Error, Result, Status};
use serde::Serialize;

/// Prints to standard output; who has closed it wants no more.
pub(crate) fn print(text: &str) -> Result<Status> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Unusable(format!("standard output: {error}")))
        }
        _ => Ok(Status::Exited(0)),
    }
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<Status> {
    let unusable = |error: serde_json::Error| Error::Unusable(error.to_string());
    print(&format!("{}\n", serde_json::to_string_pretty(value).map_err(unusable)?))
}

/// Columns as wide as their widest entry and three blanks, the first line in capitals, as Docker has it.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        widest + 3
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let padded = row.iter().zip(&widths).map(|(entry, width)| format!("{entry:<width$}"));
        format!("{}\n", padded.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

/// A number of bytes as people read it: three digits, in powers of a thousand.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut rest, mut unit) = (bytes as f64, 0);
    while rest >= 999.5 && unit + 1 < UNITS.len() {
        rest /= 1000.0;
        unit += 1;
    }
    let digits = match rest {
        _ if unit == 0 => 0,
        rest if rest < 9.995 => 2,
        rest if rest < 99.95 => 1,
        _ => 0,
    };
    format!("{rest:.digits$} {}", UNITS[unit])
}

/// An image may come from anybody, and what is in it must not reach the terminal as commands.
pub(crate) fn plain(text: &str) -> String {
    let escape = |c: char| match c {
        c if c.is_control() => c.escape_default().collect(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::{plain, size, table};

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_995, "10.0 kB"),
            (123_456, "123 kB"),
            (999_600, "1.00 MB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_table_has_no_blanks_at_its_right() {
        let rows = [["A", "B"], ["long", ""]].map(|row| row.map(str::to_string));
        assert_eq!(table(&rows), "A      B\nlong\n");
        assert_eq!(plain("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
    }
}
