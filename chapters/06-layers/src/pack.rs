//! How does an upper directory become the layer of an image?

use std::os::fd::AsFd;
use std::path::Path;

use primitives::{Error, Result, Status, create_unnamed, link_fd, step, step_giving};

use crate::{archive, sample, upper, view};

/// Writes an upper directory, or one that is made for it, as a layer.
pub(crate) fn commit(directory: Option<&Path>, output: &Path) -> Result<Status> {
    let entries = match directory {
        None => upper::entries(&sample::changed_stack()?.upper)?,
        Some(directory) => {
            view::be_root()?;
            upper::entries(directory)?
        }
    };
    // ANCHOR: commit
    let bytes = archive::write(&entries)?;
    if output.exists() {
        return Err(Error::Unusable(format!("{} is there already", output.display())));
    }
    let file = step_giving("write the layer", || {
        let why = "have the layer without a name, so that a half one is never found";
        create_unnamed(parent(output), &bytes, 0o644, why)
    })?;
    step("name the layer", || {
        link_fd(file.as_fd(), output, "let it be found, now that all of it is there")
    })?;
    // ANCHOR_END: commit
    let size = output.metadata().map(|metadata| metadata.len()).map_err(|error| {
        Error::Unusable(format!("{} cannot be found: {error}", output.display()))
    })?;
    println!("{}: {} entries, {size} bytes", output.display(), entries.len());
    Ok(Status::Exited(0))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
