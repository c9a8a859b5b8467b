//! Exercise 14.1: Not before it is checked (10 minutes)
//!
//! Somebody gives you a blob, and you know what it must be: so many bytes, with this digest. Write a program
//! that copies it, if it is that.
//!
//! - Read the blob in `BLOB`, compute its SHA-256, and compare it and the size with what was promised.
//! - If both are right, make `FILE` with the same bytes and end with 0.
//! - If not, end with an error. Then `FILE` is never made: not for a moment either.
//! - Read no more than one byte beyond what was promised. A blob may be endless.
//!
//! Your program is started as `ex14_1 --blob BLOB --size SIZE --digest sha256:HEX --output FILE`. The grader
//! draws the bytes, spoils some of the blobs, and looks in the trace for when `FILE` was made.
//!
//! hint: There are two comparisons, and the cheaper one keeps you from reading for ever. Which one can be
//!       made with a single byte too many?
//! hint: `file.take(size + 1).read_to_end(&mut bytes)` reads no more than that. `Sha256::digest(&bytes)` gives
//!       32 bytes; the digest is written with two hexadecimal digits for each.
//! hint: `Ok(bytes.len() as u64 == size && digest == hex(&Sha256::digest(&bytes)))`, where
//!       `hex` puts `sha256:` in front of `format!("{byte:02x}")` for each byte.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use primitives::{Error, Form, Result, Status, WindowArgs, create, step};

// SOLUTION
use sha2::{Digest, Sha256};
// END SOLUTION

/// Copies a blob, if it is what was promised.
#[derive(Parser)]
#[command(name = "ex14_1")]
struct Cli {
    /// The blob
    #[arg(long, value_name = "BLOB")]
    blob: PathBuf,
    /// How many bytes were promised
    #[arg(long, value_name = "SIZE")]
    size: u64,
    /// Which digest was promised
    #[arg(long, value_name = "DIGEST")]
    digest: String,
    /// Where the copy goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    window: WindowArgs,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, copy)
}

fn copy(cli: &Cli) -> Result<Status> {
    let bytes = read(&cli.blob, cli.size)?;
    if !is_promised(&bytes, cli.size, &cli.digest) {
        return Err(Error::Unusable("this is not what was promised".into()));
    }
    step("keep the blob", || create(&cli.output, &bytes, 0o644, "have what was checked"))?;
    Ok(Status::Exited(0))
}

fn read(blob: &Path, size: u64) -> Result<Vec<u8>> {
    let unread = |error| Error::Unusable(format!("{} cannot be read: {error}", blob.display()));
    let mut bytes = Vec::new();
    let file = File::open(blob).map_err(unread)?;
    file.take(size + 1).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

fn is_promised(bytes: &[u8], size: u64, digest: &str) -> bool {
    // STARTER: // Whoever believes this believes everybody.
    // STARTER: let _ = (size, digest);
    // STARTER: !bytes.is_empty()
    // SOLUTION
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.len() as u64 == size && digest == format!("sha256:{hex}")
    // END SOLUTION
}
