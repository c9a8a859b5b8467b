//! Which programs of the host run at which moment of a container's life?

use std::path::PathBuf;

use serde::Serialize;

use crate::at::At;
use crate::paths::absolute;
use crate::process::variable;

/// All hooks, each list in the order in which it runs (config.md, "POSIX-platform Hooks").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// After the namespaces are there, before the root changes; on the host. Deprecated.
    pub prestart: Vec<Hook>,
    /// Then, likewise.
    pub create_runtime: Vec<Hook>,
    /// Then, in the container's namespaces, with the host's files still in sight.
    pub create_container: Vec<Hook>,
    /// At `start`, inside the container.
    pub start_container: Vec<Hook>,
    /// After the program has started; on the host.
    pub poststart: Vec<Hook>,
    /// After the container was deleted; on the host.
    pub poststop: Vec<Hook>,
}

/// A program that gets the container's state on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// The program; absolute.
    pub path: PathBuf,
    /// All its arguments, its name first.
    pub args: Vec<String>,
    /// Its environment, `NAME=value`.
    pub env: Vec<String>,
    /// After how many seconds it is killed; without, never.
    pub timeout: Option<u32>,
}

/// `hooks`.
pub(crate) fn hooks(document: &At<'_>) -> Hooks {
    let at = document.object("hooks");
    let list = |name: &str| {
        let all = at.as_ref().map(|at| at.objects(name)).unwrap_or_default();
        all.iter().filter_map(hook).collect::<Vec<Hook>>()
    };
    let prestart = list("prestart");
    if let Some(field) = at.as_ref().and_then(|at| at.field("prestart"))
        && !prestart.is_empty()
    {
        field.odd("runs before those of createRuntime; deprecated since runtime-spec 1.0.2");
    }
    Hooks {
        prestart,
        create_runtime: list("createRuntime"),
        create_container: list("createContainer"),
        start_container: list("startContainer"),
        poststart: list("poststart"),
        poststop: list("poststop"),
    }
}

fn hook(at: &At<'_>) -> Option<Hook> {
    let path = absolute(at, "path");
    let env = at.items("env").iter().filter_map(variable).collect();
    // "timeout MUST be greater than zero".
    let timeout = at.within("timeout", 1, i64::from(u32::MAX));
    let mut args = at.texts("args");
    let path = path?;
    if args.is_empty() {
        // execve(2) without a name is refused by the kernel since Linux 5.18.
        args.push(path.to_string_lossy().into_owned());
    }
    Some(Hook { path, args, env, timeout: timeout.and_then(|n| u32::try_from(n).ok()) })
}
