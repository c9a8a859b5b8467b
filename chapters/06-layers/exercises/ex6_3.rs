//! Exercise 6.3: A layer to send (15 minutes)
//!
//! A device cannot be sent to somebody as "this is deleted": in a tar it would be a device. Write a program
//! that packs an upper directory as a layer of an image.
//!
//! - Each file that lies in `UPPER` itself becomes an entry of the same name with the same content;
//!   there is nothing deeper in this exercise.
//! - Each whiteout becomes an empty file. Its name says what is deleted: `.wh.NAME`.
//! - The entries are sorted by their names *in the tar*, so that the same files are the same bytes.
//!
//! Your program is started as `ex6_3 --upper UPPER --layer FILE`, and `FILE` is not there yet. The grader
//! draws the names and the contents, and reads the tar.
//!
//! hint: There are two things to find out of each file: its name in the tar, and its content. For most files
//!       both are what they are.
//! hint: A whiteout is a character device with the number 0 (exercise 6.1). `format!(".wh.{name}")` is its
//!       name in the tar, and `Vec::new()` its content.
//! hint: In `entry`: `match is_whiteout { true => (format!(".wh.{name}"), Vec::new()), false => (name,
//!       content) }`, and `entries.sort()` before they are packed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{Error, Form, Result, Status, WindowArgs, create, step};

// SOLUTION
use std::os::unix::fs::{FileTypeExt, MetadataExt};
// END SOLUTION

/// Packs an upper directory as a layer.
#[derive(Parser)]
#[command(name = "ex6_3")]
struct Cli {
    /// The upper directory
    #[arg(long, value_name = "UPPER")]
    upper: PathBuf,
    /// The layer, which is not there yet
    #[arg(long, value_name = "FILE")]
    layer: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| pack(&cli.upper, &cli.layer))
}

fn pack(upper: &Path, layer: &Path) -> Result<Status> {
    let mut entries = Vec::new();
    for file in upper.read_dir().map_err(|error| unread(upper, &error))? {
        entries.push(entry(&file.map_err(|error| unread(upper, &error))?.path())?);
    }
    // SOLUTION
    entries.sort();
    // END SOLUTION
    let bytes = tar(&entries);
    step("write the layer", || create(layer, &bytes, 0o644, "have something to send"))?;
    Ok(Status::Exited(0))
}

/// The name of a file in the tar, and its content there.
fn entry(path: &Path) -> Result<(String, Vec<u8>)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // STARTER: let content = fs::read(path).unwrap_or_default();
    // STARTER: Ok((name, content))
    // SOLUTION
    let metadata = path.symlink_metadata().map_err(|error| unread(path, &error))?;
    if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
        return Ok((format!(".wh.{name}"), Vec::new()));
    }
    Ok((name, fs::read(path).map_err(|error| unread(path, &error))?))
    // END SOLUTION
}

/// A tar of plain files (POSIX ustar): for each a header of 512 bytes and its content, filled up to as
/// many; at the end two empty blocks.
fn tar(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in entries {
        let mut header = [0; 512];
        let size = format!("{:011o}", content.len());
        let fields: [(usize, &[u8]); 7] = [
            (0, name.as_bytes()),
            (100, b"0000644"),
            (124, size.as_bytes()),
            (136, b"00000000000"),
            (148, b"        "),
            (156, b"0"),
            (257, b"ustar\x0000"),
        ];
        for (at, value) in fields {
            header[at..at + value.len()].copy_from_slice(value);
        }
        // The sum counts its own field as blanks.
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend([0; 1024]);
    bytes
}

fn unread(path: &Path, error: &std::io::Error) -> Error {
    Error::Unusable(format!("{} cannot be read: {error}", path.display()))
}
