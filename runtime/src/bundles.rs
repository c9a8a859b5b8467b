//! How is a bundle opened?

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bundle::{Complaints, Reading};
use primitives::{Error, Result};

/// Far more than any engine writes, and far less than would hurt: the file may come from anybody.
const LARGEST: u64 = 16 << 20;

/// Reads the config.json of a bundle, and says everything that is wrong with it.
///
/// # Errors
/// The directory or the file cannot be read, or there are complaints.
pub(crate) fn read(directory: &Path) -> Result<Reading> {
    // runc goes into the directory, so to it, too, a bundle is where its links lead.
    let bundle = directory.canonicalize().map_err(|error| unusable(directory, &error))?;
    let file = bundle.join("config.json");
    let text = read_file(&file).map_err(|error| unusable(&file, &error))?;
    bundle::read(&text, &bundle).map_err(|complaints| Error::Unusable(told(&file, &complaints)))
}

fn read_file(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = File::open(file)?.take(LARGEST + 1).read_to_end(&mut text)?;
    if read as u64 > LARGEST {
        return Err(std::io::Error::other("more than 16 MiB, which is no configuration"));
    }
    Ok(text)
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unusable(format!("{}: {error}", path.display()))
}

fn told(file: &Path, complaints: &Complaints) -> String {
    let count = match complaints.all().len() {
        1 => "one thing is wrong".to_string(),
        many => format!("{many} things are wrong"),
    };
    let list = crate::plain(&complaints.to_string()).replace('\n', "\n  ");
    format!("{}: {count}\n  {list}", file.display())
}
