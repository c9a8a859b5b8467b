//! A small tree and small images to look at.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use primitives::{Result, create, mkdir, step, step_giving, symlink};

use crate::compression::Compression;
use crate::layout::Layout;
use crate::pack::{architecture, layer, pack};

/// For this machine.
pub(crate) fn platform() -> String {
    format!("linux/{}", architecture())
}

/// A tree with a file, a program and a link.
pub(crate) fn tree(tree: &Path) -> Result<()> {
    step_giving("lay down a tree", || mkdir(tree, 0o755, "have something to pack"))?;
    step("put files into it", || {
        mkdir(&tree.join("bin"), 0o755, "have a directory in it")?;
        let program = b"#!/bin/sh\necho hello\n";
        create(&tree.join("bin/greet"), program, 0o755, "have a program in it")?;
        create(&tree.join("greeting"), b"hello\n", 0o644, "have a file in it")?;
        symlink(Path::new("bin/greet"), &tree.join("run"), "have a link in it")
    })
}

/// What a second layer does to it: it adds a file, and deletes one.
fn change(tree: &Path) -> Result<()> {
    step_giving("lay down a change", || mkdir(tree, 0o755, "have something to lay over it"))?;
    step("put a change into it", || {
        create(&tree.join("added"), b"new\n", 0o644, "have a file that only the second layer has")?;
        create(&tree.join(".wh.greeting"), b"", 0o644, "say that the file below is gone")
    })
}

/// A layout with one image of two layers.
pub(crate) fn layout(folder: &Path) -> Result<Layout> {
    made(folder, Compression::Gzip)
}

/// As [`layout`], and its layers are not compressed.
pub(crate) fn plain_layout(folder: &Path) -> Result<Layout> {
    made(folder, Compression::None)
}

fn made(folder: &Path, how: Compression) -> Result<Layout> {
    let (base, above) = (folder.with_file_name("base"), folder.with_file_name("change"));
    tree(&base)?;
    change(&above)?;
    let layout = Layout::make(folder)?;
    let image = pack(&layout, &[layer(&base)?, layer(&above)?], how)?;
    layout.name("greeter", image)?;
    Ok(layout)
}

/// Prints what is in a tree: modes, times as seconds since 1970, names, and what is in the files.
pub(crate) fn print_tree(root: &Path) {
    print_below(root, Path::new(""));
}

fn print_below(root: &Path, below: &Path) {
    let listed = fs::read_dir(root.join(below)).into_iter().flatten().flatten();
    let mut names: Vec<_> = listed.map(|entry| below.join(entry.file_name())).collect();
    names.sort();
    for name in names {
        let path = root.join(&name);
        let Ok(metadata) = path.symlink_metadata() else { continue };
        let (mode, time) = (metadata.permissions().mode() & 0o7777, metadata.mtime());
        print!("{mode:04o} @{time} {}", name.display());
        if metadata.is_dir() {
            println!("/");
            print_below(root, &name);
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap_or_default();
            println!(" -> {}", target.display());
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            println!(": {text:?}");
        }
    }
}
