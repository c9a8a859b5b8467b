//! How does a tree become an image, and why does it get the same name each time?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use primitives::{Error, Result, Status, step_giving};
use tar::{Builder, EntryType, Header, HeaderMode};

use crate::blob::Digest;
use crate::compression::Compression;
use crate::layout::Layout;
use crate::model::{
    CONFIG, Config, Descriptor, MANIFEST, Manifest, Platform, Rootfs, Run, written,
};
use crate::{Pack, sample, view};

/// Packs a directory, or one that is made for it.
pub(crate) fn run(wanted: &Pack) -> Result<Status> {
    let (tree, layout) = match (&wanted.tree, &wanted.layout) {
        (Some(tree), Some(layout)) => (tree.clone(), layout.clone()),
        _ => {
            let place = view::empty_place()?;
            sample::tree(&place.join("tree"))?;
            (place.join("tree"), place.join("layout"))
        }
    };
    let layout = match layout.exists() {
        true => Layout::open(&layout)?,
        false => Layout::make(&layout)?,
    };
    let image = pack(&layout, &[layer(&tree)?], wanted.compression)?;
    println!("{}: {}, {} bytes", wanted.name, image.digest.short(), image.size);
    layout.name(&wanted.name, image)?;
    Ok(Status::Exited(0))
}

// ANCHOR: pack
/// Packs layers as an image: the blobs first, then the one that names them, and so on up.
pub(crate) fn pack(layout: &Layout, tars: &[Vec<u8>], how: Compression) -> Result<Descriptor> {
    step_giving("write the blobs", || {
        let mut layers = Vec::new();
        for tar in tars {
            let pressed = how.press(tar).map_err(|error| {
                Error::Unusable(format!("the layer cannot be compressed: {error}"))
            })?;
            layers.push(layout.put(&how.media_type(), &pressed)?);
        }
        let diff_ids = tars.iter().map(|tar| Digest::of(tar)).collect();
        let config = layout.put(CONFIG, &written(&config(diff_ids)))?;
        let media_type = Some(MANIFEST.to_string());
        let manifest = Manifest { schema_version: 2, media_type, config, layers };
        layout.put(MANIFEST, &written(&manifest))
    })
}
// ANCHOR_END: pack

fn config(diff_ids: Vec<Digest>) -> Config {
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string();
    Config {
        platform: Platform { os: "linux".to_string(), architecture: architecture().to_string() },
        config: Run { env: vec![path], cmd: Some(vec!["/bin/sh".to_string()]) },
        rootfs: Rootfs { kind: "layers".to_string(), diff_ids },
    }
}

/// This machine, by the name that Go has for it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

// ANCHOR: layer
/// The tar of a tree. What comes from chance is left out: the order in which a directory lists its names,
/// the time, and who has packed it. So the same tree is the same bytes, and has the same name.
pub(crate) fn layer(tree: &Path) -> Result<Vec<u8>> {
    let mut paths = Vec::new();
    walk(tree, Path::new(""), &mut paths)?;
    paths.sort();
    let mut builder = Builder::new(Vec::new());
    builder.mode(HeaderMode::Deterministic);
    for path in &paths {
        append(&mut builder, tree, path).map_err(|error| unpackable(path, &error))?;
    }
    builder.into_inner().map_err(|error| unpackable(tree, &error))
}
// ANCHOR_END: layer

fn append(builder: &mut Builder<Vec<u8>>, tree: &Path, path: &Path) -> std::io::Result<()> {
    let from = tree.join(path);
    let metadata = from.symlink_metadata()?;
    let mut header = header(metadata.permissions().mode());
    if metadata.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        return builder.append_link(&mut header, path, fs::read_link(from)?);
    }
    if metadata.is_dir() {
        header.set_entry_type(EntryType::Directory);
        return builder.append_data(&mut header, path.join(""), std::io::empty());
    }
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is neither a file, a directory nor a link"));
    }
    let content = fs::read(from)?;
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, path, content.as_slice())
}

// ANCHOR: header
/// What is the same for everybody who packs it.
fn header(mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode & 0o7777);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}
// ANCHOR_END: header

fn walk(tree: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let directory = tree.join(below);
    let listed = fs::read_dir(&directory).map_err(|error| unpackable(&directory, &error))?;
    for entry in listed {
        let entry = entry.map_err(|error| unpackable(&directory, &error))?;
        let path = below.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(tree, &path, found)?;
        }
        found.push(path);
    }
    Ok(())
}

fn unpackable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unusable(format!("{} cannot be packed: {error}", path.display()))
}
