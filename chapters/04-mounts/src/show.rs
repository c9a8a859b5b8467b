//! Which mounts does a process see, and what lies on what?

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use primitives::{Pid, Result, Status};

use crate::mountinfo::{Mount, Tie, mounts_of, shown};

// ANCHOR: show
/// Prints the mounts of a process, each below the one that it lies on.
pub(crate) fn show(pid: Option<Pid>, under: Option<&Path>) -> Result<Status> {
    let mut mounts = mounts_of(pid)?;
    if let Some(under) = under {
        mounts.retain(|mount| mount.place.starts_with(under));
    }
    let lines: Vec<[String; 5]> =
        as_tree(&mounts).into_iter().map(|(depth, mount)| line(depth, mount)).collect();
    print_table(["MOUNT POINT", "KIND", "PROPAGATION", "OPTIONS", "WHAT"], &lines);
    Ok(Status::Exited(0))
}
// ANCHOR_END: show

fn line(depth: usize, mount: &Mount) -> [String; 5] {
    let options: Vec<String> = mount.options.iter().map(shown).collect();
    [
        format!("{}{}", "  ".repeat(depth), shown(&mount.place)),
        shown(&mount.kind),
        propagation(&mount.ties),
        options.join(","),
        what(mount),
    ]
}

/// The source, and which part of it where it is not the whole, as findmnt(8) writes it; then the
/// options of the file system.
fn what(mount: &Mount) -> String {
    let part = match mount.root.as_os_str() == "/" {
        true => String::new(),
        false => format!("[{}]", shown(&mount.root)),
    };
    format!("{}{part} ({})", shown(&mount.source), shown(&mount.super_options))
}

fn propagation(ties: &[Tie]) -> String {
    let words: Vec<String> = ties.iter().map(word).collect();
    if words.is_empty() { "private".to_string() } else { words.join(" ") }
}

fn word(tie: &Tie) -> String {
    match tie {
        Tie::Shared(group) => format!("shared:{group}"),
        Tie::Master(group) => format!("slave-of:{group}"),
        Tie::PropagateFrom(group) => format!("nearest:{group}"),
        Tie::Unbindable => "unbindable".to_string(),
        Tie::Unknown(field) => shown(field),
    }
}

/// Every mount once, after the one that it lies on, with its depth. The parent of the topmost one
/// is out of sight, and with `--under` it may be anybody's.
fn as_tree(mounts: &[Mount]) -> Vec<(usize, &Mount)> {
    let known: BTreeSet<u32> = mounts.iter().map(|mount| mount.id).collect();
    let mut on: BTreeMap<u32, Vec<&Mount>> = BTreeMap::new();
    let mut open: Vec<(usize, &Mount)> = Vec::new();
    for mount in mounts.iter().rev() {
        match known.contains(&mount.parent) && mount.parent != mount.id {
            true => on.entry(mount.parent).or_default().push(mount),
            false => open.push((0, mount)),
        }
    }
    let mut tree = Vec::new();
    // A list and no recursion: mounts can be piled up deeper than a stack is.
    while let Some((depth, mount)) = open.pop() {
        tree.push((depth, mount));
        let children = on.remove(&mount.id).unwrap_or_default();
        open.extend(children.into_iter().map(|child| (depth + 1, child)));
    }
    tree
}

fn print_table(head: [&str; 5], lines: &[[String; 5]]) {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    let head = head.map(String::from);
    for [place, kind, ties, options, what] in [&head].into_iter().chain(lines) {
        let [a, b, c, d] = widths.as_slice().try_into().expect("four columns were measured");
        println!("{place:<a$}  {kind:<b$}  {ties:<c$}  {options:<d$}  {what}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{as_tree, line};
    use crate::mountinfo::{Mount, Tie};

    fn mount(id: u32, parent: u32, place: &str) -> Mount {
        Mount {
            id,
            parent,
            root: PathBuf::from("/"),
            place: PathBuf::from(place),
            options: vec!["rw".into()],
            ties: Vec::new(),
            kind: "tmpfs".into(),
            source: "x".into(),
            super_options: "rw".into(),
        }
    }

    #[test]
    fn each_lies_below_the_one_that_it_is_mounted_on() {
        let mounts =
            [mount(5, 9, "/"), mount(7, 6, "/a/b"), mount(6, 5, "/a"), mount(8, 6, "/a/c")];
        let tree: Vec<(usize, u32)> =
            as_tree(&mounts).into_iter().map(|(depth, mount)| (depth, mount.id)).collect();
        assert_eq!(tree, [(0, 5), (1, 6), (2, 7), (2, 8)]);
    }

    #[test]
    fn a_mount_that_is_its_own_parent_is_shown_once() {
        assert_eq!(as_tree(&[mount(1, 1, "/")]).len(), 1);
    }

    #[test]
    fn nothing_of_a_name_reaches_the_terminal_as_it_is() {
        let hostile = "\u{1b}[2J\n\u{202e}";
        let mut mount = mount(1, 2, hostile);
        mount.root = PathBuf::from(hostile);
        mount.options = vec![hostile.into()];
        mount.ties = vec![Tie::Unknown(hostile.into())];
        (mount.kind, mount.source, mount.super_options) =
            (hostile.into(), hostile.into(), hostile.into());
        for cell in line(1, &mount) {
            let bad = |c: char| c.is_control() || c == '\u{202e}';
            assert!(!cell.contains(bad), "{cell:?}");
        }
    }
}
