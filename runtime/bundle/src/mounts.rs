//! What is mounted inside the container, and how?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::at::At;
use crate::ids::{IdMaps, id_maps};
use crate::namespaces::{Kind, Namespaces};
use crate::options::{Attribute, Effect, Flag, Peers, effect};
use crate::paths::{from_bundle, tidy};

/// One mount. They are made in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where, inside the container; absolute, and not yet resolved: links in it are the container's.
    pub destination: PathBuf,
    /// What.
    pub what: What,
    /// Flags that it gets.
    pub set: BTreeSet<Flag>,
    /// Flags that it must not have, even where what is bound has them.
    pub cleared: BTreeSet<Flag>,
    /// Attributes that it and all mounts below it get.
    pub set_recursively: BTreeSet<Attribute>,
    /// Attributes that none of them may have.
    pub cleared_recursively: BTreeSet<Attribute>,
    /// Whom it shares mounts with; these are changes to be made one after the other.
    pub propagation: Vec<Propagation>,
    /// Whose its files seem to be.
    pub owners: Owners,
    /// Whether it begins with a copy of what it hides.
    pub copy_up: bool,
    /// What only the file system itself understands, one option each.
    pub data: Vec<String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// A file system of this type.
    FileSystem {
        /// `tmpfs`
        kind: String,
        /// A device, or any word.
        source: String,
    },
    /// The container's cgroup: whether by v1 or v2 is for the machine to say.
    Cgroup,
    /// A directory or file of the host.
    Bind {
        /// Where it is there; absolute.
        source: PathBuf,
        /// Whether with all that is mounted below it.
        recursive: bool,
    },
}

/// A change of propagation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Propagation {
    /// To what.
    pub peers: Peers,
    /// Whether also of all mounts below.
    pub recursive: bool,
}

/// Whose the files of a mount seem to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Owners {
    /// Who owns them on the host.
    AsTheyAre,
    /// Who that is in the container's user namespace.
    AsInContainer {
        /// Whether also on mounts below.
        recursive: bool,
    },
    /// Who that is by maps of the mount's own.
    ByMaps {
        /// The maps.
        maps: IdMaps,
        /// Whether also on mounts below.
        recursive: bool,
    },
}

/// `mounts` (config.md, "Mounts").
pub(crate) fn mounts(document: &At<'_>, bundle: &Path, namespaces: &Namespaces) -> Vec<Mount> {
    let all = document.objects("mounts");
    if let Some(first) = all.first().filter(|_| namespaces.inherits(Kind::Mount)) {
        first
            .odd("there is no mount namespace of the container's own, so the host gets this mount");
    }
    all.iter().filter_map(|at| mount(at, bundle, namespaces)).collect()
}

fn mount(at: &At<'_>, bundle: &Path, namespaces: &Namespaces) -> Option<Mount> {
    let options = options(at);
    let destination = destination(at);
    let what = what(at, &options, bundle);
    let mount = Mount {
        destination: destination?,
        what: what?,
        owners: owners(at, &options, namespaces),
        set: options.set,
        cleared: options.cleared,
        set_recursively: options.set_recursively,
        cleared_recursively: options.cleared_recursively,
        propagation: options.propagation,
        copy_up: options.copy_up,
        data: options.data,
    };
    check(at, &mount);
    Some(mount)
}

/// Relative ones are deprecated, and MUST be taken to start at the root.
fn destination(at: &At<'_>) -> Option<PathBuf> {
    let text: String = at.need("destination")?;
    if text.is_empty() {
        at.wrong_field("destination", "is empty", "a path that begins with /");
        return None;
    }
    if !text.starts_with('/') {
        at.odd(format!(
            "the destination {text:?} is taken as /{text}; relative ones are deprecated"
        ));
    }
    Some(tidy(&Path::new("/").join(text)))
}

/// Where options bind, the type says nothing, and is often "none".
fn what(at: &At<'_>, options: &Options, bundle: &Path) -> Option<What> {
    let (kind, source) = (at.text("type"), at.text("source"));
    if let Some(recursive) = options.bind {
        let Some(source) = source else {
            at.missing("source");
            return None;
        };
        return Some(What::Bind { source: from_bundle(bundle, &source), recursive });
    }
    match kind.as_deref() {
        None => {
            at.missing("type");
            None
        }
        Some("bind" | "none") if !options.set.contains(&Flag::Remount) => {
            let right = "\"bind\" or \"rbind\" among the options";
            at.wrong_field("type", "is no file system, and no option says to bind", right);
            None
        }
        Some("cgroup" | "cgroup2") => Some(What::Cgroup),
        Some(kind) => {
            let source = source.unwrap_or_else(|| "none".to_string());
            Some(What::FileSystem { kind: kind.to_string(), source })
        }
    }
}

/// config.md, "Linux mount options": both maps or none, and without maps those of the container.
fn owners(at: &At<'_>, options: &Options, namespaces: &Namespaces) -> Owners {
    let maps = id_maps(at);
    if maps.is_empty() {
        let Some(recursive) = options.id_map else {
            return Owners::AsTheyAre;
        };
        if namespaces.inherits(Kind::User) {
            let right = "uidMappings and gidMappings, or a user namespace";
            at.wrong("is to be mapped, but there are no maps", right);
        }
        return Owners::AsInContainer { recursive };
    }
    for name in ["uidMappings", "gidMappings"] {
        if at.items(name).is_empty() {
            at.wrong_field(name, "is empty while the other map is not", "both maps");
        }
    }
    Owners::ByMaps { maps, recursive: options.id_map.unwrap_or(false) }
}

fn check(at: &At<'_>, mount: &Mount) {
    let binds = matches!(mount.what, What::Bind { .. });
    if binds && !mount.data.is_empty() {
        // The kernel would take no notice of them, and whoever wrote them would believe in them.
        let wrong = format!("{:?} cannot be said of a bind mount", mount.data.join(","));
        at.wrong_field("options", wrong, "options of mount(8) that are for every file system");
    }
    if mount.owners != Owners::AsTheyAre && !binds {
        let wrong = "only what is bound can show other owners";
        at.wrong_field("options", wrong, "\"bind\" or \"rbind\" beside the maps");
    }
    let tmpfs = matches!(&mount.what, What::FileSystem { kind, .. } if kind == "tmpfs");
    if mount.copy_up && !tmpfs {
        at.wrong_field("options", "\"tmpcopyup\" is for a tmpfs", "type \"tmpfs\"");
    }
}

#[derive(Default)]
struct Options {
    bind: Option<bool>,
    id_map: Option<bool>,
    set: BTreeSet<Flag>,
    cleared: BTreeSet<Flag>,
    set_recursively: BTreeSet<Attribute>,
    cleared_recursively: BTreeSet<Attribute>,
    propagation: Vec<Propagation>,
    copy_up: bool,
    data: Vec<String>,
}

/// Of two options that contradict each other the last one counts, as for mount(8).
fn options(at: &At<'_>) -> Options {
    let mut all = Options::default();
    for option in at.texts("options") {
        match effect(&option) {
            Some(Effect::Nothing) => {}
            None if option.is_empty() => {}
            None => all.data.push(option),
            Some(Effect::Set(flag)) => set(&mut all.set, &mut all.cleared, flag, &TIMES),
            Some(Effect::Clear(flag)) => {
                all.set.remove(&flag);
                all.cleared.insert(flag);
            }
            Some(Effect::SetRecursively(attribute)) => {
                let (set_here, cleared) = (&mut all.set_recursively, &mut all.cleared_recursively);
                set(set_here, cleared, attribute, &RECURSIVE_TIMES);
            }
            Some(Effect::ClearRecursively(attribute)) => {
                all.set_recursively.remove(&attribute);
                all.cleared_recursively.insert(attribute);
            }
            Some(Effect::Rebind { recursive }) => {
                all.bind = Some(recursive || all.bind.unwrap_or(false));
            }
            Some(Effect::Propagate(peers, recursive)) => {
                all.propagation.push(Propagation { peers, recursive });
            }
            Some(Effect::IdMap { recursive }) => {
                all.id_map = Some(recursive || all.id_map.unwrap_or(false));
            }
            Some(Effect::CopyUp) => all.copy_up = true,
        }
    }
    all
}

/// How access times are kept is one choice of three, for the kernel.
const TIMES: [Flag; 3] = [Flag::NoAtime, Flag::RelAtime, Flag::StrictAtime];
const RECURSIVE_TIMES: [Attribute; 3] =
    [Attribute::NoAtime, Attribute::RelAtime, Attribute::StrictAtime];

fn set<T: Ord + Copy>(set: &mut BTreeSet<T>, cleared: &mut BTreeSet<T>, new: T, choice: &[T]) {
    if choice.contains(&new) {
        set.retain(|old| !choice.contains(old));
    }
    cleared.remove(&new);
    set.insert(new);
}

/// `linux.rootfsPropagation` (config-linux.md, "Rootfs Mount Propagation").
pub(crate) fn root_propagation(linux: Option<&At<'_>>) -> Propagation {
    // As in runc: what the host mounts later may come in, what the container mounts stays inside.
    let default = Propagation { peers: Peers::Slave, recursive: true };
    let Some(at) = linux else {
        return default;
    };
    let Some(text) = at.text("rootfsPropagation") else {
        return default;
    };
    match effect(&text) {
        Some(Effect::Propagate(peers, recursive)) => Propagation { peers, recursive },
        _ => {
            let right = "private, slave, shared or unbindable, or one of them with an r in front";
            at.wrong_field("rootfsPropagation", format!("{text:?} is no propagation"), right);
            default
        }
    }
}
