//! Images go into archives, and come out of them.

use std::io::{BufWriter, IsTerminal, Write};

use image::store::Store;
use image::store::archive::{self, Form, Load, NewFile};
use primitives::{Error, Result, Status};

use super::{ArchiveForm, Loading, Saving};
use crate::cli::Global;
use crate::cli::printing::print;

/// `save`.
pub(super) fn save(global: &Global, saving: &Saving) -> Result<Status> {
    let store = global.store()?;
    let images = saving.images.iter().map(|image| store.find(image));
    let images = images.collect::<image::store::Result<Vec<_>>>()?;
    let platform = saving.platform.as_ref();
    let form = match saving.format {
        ArchiveForm::Oci => Form::Oci,
        ArchiveForm::Docker => Form::Docker,
        ArchiveForm::Folder => {
            let Some(folder) = &saving.output else {
                let why = "a directory needs a name: --output DIR";
                return Err(Error::Unusable(why.to_string()));
            };
            archive::save_into_folder(&store, &images, platform, folder)?;
            return Ok(Status::Exited(0));
        }
    };
    match &saving.output {
        Some(file) => {
            let mut file = NewFile::create(file)?;
            archive::save(&store, &images, platform, form, &mut file)?;
            file.finish()?;
        }
        None if std::io::stdout().is_terminal() => {
            let why = "an archive is not for a terminal to show: --output FILE, or into a pipe";
            return Err(Error::Unusable(why.to_string()));
        }
        None => {
            let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
            archive::save(&store, &images, platform, form, &mut out)?;
            out.flush().map_err(|why| Error::Unusable(format!("standard output: {why}")))?;
        }
    }
    Ok(Status::Exited(0))
}

/// `load`.
pub(super) fn load(global: &Global, loading: &Loading) -> Result<Status> {
    let store: Store = global.store()?;
    let (only, name) = (loading.only.clone(), loading.name.clone());
    let wishes = Load { only, name, force: loading.force };
    let source = loading.input.as_ref().unwrap_or(&loading.file);
    let loaded = archive::load(store, source, &wishes)?;
    let line = |one: &archive::Loaded| match (&one.name, loading.quiet) {
        (_, true) => format!("{}\n", one.image.digest),
        (Some(name), _) => format!("loaded {name} {}\n", one.image.digest),
        (None, _) => format!(
            "loaded {} without a name: it stays for a day, or `image tag` it\n",
            one.image.digest
        ),
    };
    print(&loaded.iter().map(line).collect::<String>())
}
