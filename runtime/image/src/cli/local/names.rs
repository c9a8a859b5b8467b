//! Names are given and taken away.

use image::reference::Reference;
use image::store::{Error, Named, Reach};
use primitives::{Result, Status};

use crate::cli::Global;
use crate::cli::printing::{plain, print};

/// `tag`.
pub(super) fn tag(global: &Global, image: &str, name: &Reference) -> Result<Status> {
    let store = global.store()?;
    store.name(name, &store.resolve(image)?)?;
    Ok(Status::Exited(0))
}

/// `rm`. All names are looked up before the first is taken away.
pub(super) fn rm(global: &Global, images: &[String], no_gc: bool) -> Result<Status> {
    let store = global.store()?;
    let all = store.names()?;
    let mut gone = Vec::new();
    for text in images {
        let found = store.find(text)?;
        let name = text.parse::<Reference>().ok();
        let full = name.as_ref().map(Reference::to_string);
        let is_it = |named: &&Named| match &name {
            _ if found.name == *text || full.as_ref() == Some(&found.name) => **named == found,
            Some(name) if name.digest().is_some() => named.is_meant_by(name),
            _ => named.image.digest == found.image.digest,
        };
        gone.extend(all.iter().filter(is_it));
    }
    gone.sort_by(|one, two| one.name.cmp(&two.name));
    gone.dedup();
    let mut once = Reach::default();
    for named in &gone {
        // What cannot be read any more leads nowhere: then garbage is for `gc` to find.
        let _ = store.reach(&named.image, &mut once);
    }
    store.unname_all(&gone.iter().map(|named| named.name.as_str()).collect::<Vec<_>>())?;
    let lines = gone.iter().map(|named| format!("untagged: {}\n", plain(&named.name)));
    print(&lines.collect::<String>())?;
    if no_gc {
        return Ok(Status::Exited(0));
    }
    let Ok(alone) = store.alone_now()? else {
        primitives::say("note: other commands are at work, so blobs stay until `image gc`");
        return Ok(Status::Exited(0));
    };
    match alone.collect_of(&once) {
        Ok(collected) => {
            let lines = collected.blobs.iter().map(|blob| format!("deleted: {blob}\n"));
            print(&lines.collect::<String>())
        }
        // The name is gone, as was asked for; a spoiled image keeps its garbage from being known.
        Err(error @ (Error::Spoiled { .. } | Error::Refused(_) | Error::Missing(_))) => {
            primitives::say(&format!("note: blobs stay, because not all is well here: {error}"));
            Ok(Status::Exited(0))
        }
        Err(error) => Err(error.into()),
    }
}
