//! What is garbage, what is wrong, and how much room is there?

use image::store::{Alone, Finding, Usage};
use primitives::{Result, Status};
use serde_json::json;

use super::Format;
use crate::cli::Global;
use crate::cli::printing::{plain, print, print_json, size, table};

/// `gc`.
pub(super) fn gc(global: &Global, dry_run: bool, layers: bool) -> Result<Status> {
    if dry_run {
        let store = global.store()?;
        let (blobs, layers) = store.garbage()?;
        let lines = blobs.iter().map(|blob| format!("blob {blob}\n"));
        let lines = lines.chain(layers.iter().map(|layer| format!("layer {layer}\n")));
        return print(&lines.collect::<String>());
    }
    let alone = Alone::open(&global.root())?;
    let collected = match layers {
        true => alone.collect_with_layers()?,
        false => alone.collect()?,
    };
    let (blobs, layers) = (collected.blobs.len(), collected.layers.len());
    let (room, others) = (size(collected.bytes), collected.others);
    print(&format!("blobs: {blobs} ({room})\nunpacked layers: {layers}\nothers: {others}\n"))
}

/// `fsck`: 1 when something is wrong and stays wrong.
pub(super) fn fsck(global: &Global, repair: bool, format: Format) -> Result<Status> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let (checked, after) = match repair {
        false => (global.store()?.check(jobs)?, None),
        true => {
            let alone = Alone::open(&global.root())?;
            let checked = alone.check(jobs)?;
            match checked.findings.is_empty() {
                true => (checked, None),
                false => {
                    alone.repair(&checked.findings)?;
                    (checked, Some(alone.check(jobs)?))
                }
            }
        }
    };
    let lines = |findings: &[Finding]| -> Vec<String> {
        findings.iter().map(|finding| plain(&finding.to_string())).collect()
    };
    let found = lines(&checked.findings);
    let left = after.as_ref().map_or(found.clone(), |after| lines(&after.findings));
    match format {
        Format::Json => print_json(&json!({
            "blobs": checked.blobs, "bytes": checked.bytes, "names": checked.names,
            "findings": found, "left": left,
        }))?,
        Format::Table => {
            let mut text: String = found.iter().map(|line| format!("{line}\n")).collect();
            if after.is_some() {
                text.push_str("what could be moved away is in spoiled/; what is left:\n");
                text.extend(left.iter().map(|line| format!("{line}\n")));
            }
            let (blobs, names, room) = (checked.blobs, checked.names, size(checked.bytes));
            let verdict = if left.is_empty() { "all is well" } else { "not all is well" };
            print(&format!("{text}{names} names, {blobs} blobs, {room}: {verdict}\n"))?
        }
    };
    Ok(Status::Exited(i32::from(!left.is_empty())))
}

/// `df`.
pub(super) fn df(global: &Global, format: Format) -> Result<Status> {
    let usage = global.store()?.usage()?;
    match format {
        Format::Json => {
            let images = usage.images.iter().map(|room| {
                json!({ "name": room.name, "digest": room.digest, "size": room.all,
                    "shared": room.shared, "unique": room.all - room.shared })
            });
            print_json(&json!({
                "images": images.collect::<Vec<_>>(), "blobs": usage.blobs,
                "layers": usage.layers, "ingest": usage.ingest, "garbage": usage.garbage,
            }))
        }
        Format::Table => print(&room(&usage)),
    }
}

fn room(usage: &Usage) -> String {
    let head = ["NAME", "SIZE", "SHARED", "UNIQUE"].map(str::to_string);
    let row = |room: &image::store::Room| {
        let unique = room.all - room.shared;
        [plain(&room.name), size(room.all), size(room.shared), size(unique)]
    };
    let rows = [head].into_iter().chain(usage.images.iter().map(row));
    let images = table(&rows.collect::<Vec<_>>());
    let totals = [
        ("blobs, packed".to_string(), usage.blobs),
        ("layers, unpacked".to_string(), usage.layers),
        ("not all here yet".to_string(), usage.ingest),
        ("garbage, of all that".to_string(), usage.garbage),
    ];
    let totals = totals.map(|(what, bytes)| [what, size(bytes)]);
    format!("{images}\n{}", table(&totals))
}
