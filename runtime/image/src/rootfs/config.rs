//! How does an image's configuration become the config.json of a container?
//!
//! The image says what is run, by whom and where (image-spec, "Conversion to OCI Runtime
//! Configuration"); everything else are the defaults (`defaults.rs`). What a stranger has written never
//! becomes an order: labels are kept, under names that no engine looks for.

use std::collections::BTreeMap;

use primitives::{Error, Result};
use serde_json::{Value, json};

use super::defaults;
use super::inside::Maps;
use super::seccomp;
use super::user::User;
use crate::model::ImageConfig;

/// What is decided here, and not in the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The program and its arguments, instead of the image's `Cmd`.
    pub command: Vec<String>,
    /// A program instead of the image's `Entrypoint`; an empty one means none.
    pub entrypoint: Option<String>,
    /// `NAME=VALUE`, after the image's and instead of those of the same name.
    pub env: Vec<String>,
    /// `USER[:GROUP]` instead of the image's.
    pub user: Option<String>,
    /// A directory instead of the image's.
    pub directory: Option<String>,
    /// The container's name for itself.
    pub hostname: Option<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Whether nothing can be written in its root.
    pub readonly: bool,
}

/// The prefix of annotations that are labels of the image.
const LABEL: &str = "org.opencontainers.image.label.";

/// Writes the configuration of a container; `maps` where an ordinary user will run it.
///
/// # Errors
/// The image says nothing to run, or something that cannot be said.
pub fn write(
    image: &ImageConfig,
    wishes: &Wishes,
    user: &User,
    directory: &str,
    maps: Option<&Maps>,
) -> Result<Value> {
    let mut config = json!({
        "ociVersion": "1.2.0",
        "process": process(image, wishes, user, directory, maps)?,
        "root": { "path": "rootfs", "readonly": wishes.readonly },
        "hostname": wishes.hostname.as_deref().unwrap_or("porthole"),
        "mounts": defaults::mounts(maps.is_some()),
        "annotations": annotations(image),
        "linux": {
            "namespaces": namespaces(maps.is_some()),
            "maskedPaths": defaults::masked(),
            "readonlyPaths": defaults::READ_ONLY,
            "seccomp": seccomp::filter(),
        },
    });
    let linux = &mut config["linux"];
    match maps {
        Some(maps) => {
            linux["uidMappings"] = map(&maps.users);
            linux["gidMappings"] = map(&maps.groups);
        }
        // An ordinary user may have no cgroup to set limits in.
        None if defaults::has_cgroups() => linux["resources"] = defaults::resources(),
        None => {}
    }
    Ok(config)
}

fn process(
    image: &ImageConfig,
    wishes: &Wishes,
    user: &User,
    directory: &str,
    maps: Option<&Maps>,
) -> Result<Value> {
    let capabilities = json!(defaults::CAPABILITIES);
    // Only root has them without a program that gives them; and none are handed on.
    let effective = if user.uid == 0 { capabilities.clone() } else { json!([]) };
    // Who maps one group alone has given up to change them.
    let groups: &[u32] = if maps.is_some_and(Maps::are_of_one) { &[] } else { &user.groups };
    Ok(json!({
        "terminal": wishes.terminal,
        "user": { "uid": user.uid, "gid": user.gid, "additionalGids": groups },
        "args": arguments(image, wishes)?,
        "env": environment(image, wishes, user)?,
        "cwd": directory,
        "capabilities": {
            "bounding": capabilities, "effective": effective, "permitted": effective,
        },
        "rlimits": defaults::limits(),
        "noNewPrivileges": true,
    }))
}

fn arguments(image: &ImageConfig, wishes: &Wishes) -> Result<Vec<String>> {
    let entrypoint: Vec<String> = match &wishes.entrypoint {
        Some(program) if program.is_empty() => Vec::new(),
        Some(program) => vec![program.clone()],
        None => image.config.entrypoint.clone(),
    };
    // The arguments of another program are none for this one.
    let command = match wishes.command.is_empty() && wishes.entrypoint.is_none() {
        true => &image.config.cmd,
        false => &wishes.command,
    };
    let arguments: Vec<String> = entrypoint.iter().chain(command).cloned().collect();
    match arguments.first() {
        None => Err(Error::Unusable(
            "the image says nothing to run: put a program behind its name".into(),
        )),
        Some(_) if arguments.iter().any(|text| text.contains('\0')) => {
            Err(Error::Unusable("an argument of the image's program has a zero byte in it".into()))
        }
        Some(_) => Ok(arguments),
    }
}

/// The image's, what was wished for, and what every program expects; each name once, the last counts.
fn environment(image: &ImageConfig, wishes: &Wishes, user: &User) -> Result<Vec<String>> {
    let mut all: Vec<(String, String)> = vec![("PATH".into(), defaults::PATH.into())];
    if wishes.terminal {
        all.push(("TERM".into(), "xterm".into()));
    }
    all.push(("HOME".into(), user.home.clone().unwrap_or_else(|| "/".into())));
    for variable in image.config.env.iter().chain(&wishes.env) {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        if name.is_empty() || variable.contains('\0') {
            return Err(Error::Unusable(format!("{variable:?} is no environment variable")));
        }
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value.to_string(),
            None => all.push((name.to_string(), value.to_string())),
        }
    }
    Ok(all.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

fn namespaces(with_user: bool) -> Value {
    let mut kinds = vec!["pid", "network", "ipc", "uts", "mount", "cgroup"];
    if with_user {
        kinds.push("user");
    }
    kinds.into_iter().map(|kind| json!({ "type": kind })).collect()
}

fn map(lines: &[primitives::IdMap]) -> Value {
    let line = |line: &primitives::IdMap| json!({ "containerID": line.inside, "hostID": line.outside, "size": line.count });
    lines.iter().map(line).collect()
}

/// What the image says about itself, for people.
fn annotations(image: &ImageConfig) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut say = |key: &str, value: &str| {
        if !value.is_empty() {
            all.insert(format!("org.opencontainers.image.{key}"), value.to_string());
        }
    };
    let run = &image.config;
    say("os", &image.os);
    say("architecture", &image.architecture);
    say("variant", image.variant.as_deref().unwrap_or_default());
    say("author", image.author.as_deref().unwrap_or_default());
    say("created", image.created.as_deref().unwrap_or_default());
    say("stopSignal", run.stop_signal.as_deref().unwrap_or_default());
    say("exposedPorts", &run.exposed_ports.join(","));
    say("volumes", &run.volumes.join(","));
    all.extend(run.labels.iter().map(|(key, value)| (format!("{LABEL}{key}"), value.clone())));
    all
}
