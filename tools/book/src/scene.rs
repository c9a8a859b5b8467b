//! What is a scene? One program run that the book shows, as `book/scenes/*.toml` describes it.
//!
//! ```toml
//! [[scene]]
//! name = "ch02/see-it"
//! run = ["chapter2", "uts"]
//! badge = "user"                    # user (the default), lab or root
//! ```

use std::fmt::{self, Display, Formatter};

use serde::Deserialize;

use crate::redact::Kind;

/// One file of `book/scenes`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SceneFile {
    #[serde(default)]
    pub(crate) scene: Vec<Scene>,
    #[serde(default)]
    pub(crate) predict: Vec<Predict>,
    #[serde(default)]
    pub(crate) compare: Vec<Compare>,
}

/// One run of a program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scene {
    /// `ch02/see-it`: also the place of its golden.
    pub(crate) name: String,
    /// The program and its arguments. A binary of the workspace goes before one of the system;
    /// `{repo}` stands for the repository, `{scratch}` for the scene's own empty folder.
    pub(crate) run: Vec<String>,
    /// What the reader needs to do the same.
    #[serde(default)]
    pub(crate) badge: Badge,
    /// The exit status it must end with.
    #[serde(default)]
    pub(crate) exit: i32,
    /// What it reads from stdin.
    pub(crate) stdin: Option<String>,
    /// What is typed at the stepper's pauses, a command a line.
    pub(crate) commands: Option<String>,
    /// Run as uid 65534 where we are root, so that the golden shows what a user sees.
    #[serde(default)]
    pub(crate) as_user: bool,
    /// What else differs from run to run, in the output and in text arguments of the trace.
    #[serde(default, alias = "redact_stdout")]
    pub(crate) redact: Vec<Kind>,
    /// Whether the program has our window; asked only of binaries of the workspace.
    #[serde(default = "yes")]
    pub(crate) trace: bool,
    /// The kernel to boot for a scene with the badge `lab`.
    #[serde(default)]
    pub(crate) kernel: Kernel,
    /// Commands that must succeed first, and are not shown. They run on this machine, also those of
    /// a scene in the lab, because each start of the lab is a new machine.
    #[serde(default)]
    pub(crate) setup: Vec<Vec<String>>,
    /// Commands that are run afterwards, whatever happened.
    #[serde(default)]
    pub(crate) cleanup: Vec<Vec<String>>,
    /// Watch the program with `strace -f` for these calls, in place of our own window.
    #[serde(default)]
    pub(crate) strace: Vec<String>,
}

fn yes() -> bool {
    true
}

/// What a reader needs to do the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Badge {
    /// Nothing: an ordinary account.
    #[default]
    User,
    /// The lab's kernel.
    Lab,
    /// Root on this machine.
    Root,
}

impl Display for Badge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Badge::User => "user",
            Badge::Lab => "lab",
            Badge::Root => "root",
        })
    }
}

/// The kernels that the lab can boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kernel {
    /// User-Mode Linux: the faster one.
    #[default]
    Uml,
    /// QEMU, with every controller.
    Qemu,
}

impl Kernel {
    /// The word that `lab --kernel` takes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kernel::Uml => "uml",
            Kernel::Qemu => "qemu",
        }
    }

    /// The program that must be installed.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Kernel::Uml => "linux.uml",
            Kernel::Qemu => "qemu-system-x86_64",
        }
    }
}

/// A quiz. Which option is right is not written here: it is the one whose check holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Predict {
    pub(crate) name: String,
    pub(crate) question: String,
    pub(crate) option: Vec<Choice>,
}

/// One option of a quiz.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    /// The answer offered.
    pub(crate) says: String,
    /// Why it is right or wrong.
    pub(crate) because: String,
    pub(crate) check: Check,
}

/// A claim about a scene's golden. Every key given must hold, and at least one must be given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) scene: String,
    pub(crate) trace_contains: Option<String>,
    pub(crate) trace_lacks: Option<String>,
    pub(crate) stdout_is: Option<String>,
    pub(crate) stdout_contains: Option<String>,
    pub(crate) stderr_contains: Option<String>,
    pub(crate) exit_is: Option<i32>,
}

/// Our steps beside the calls of other programs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compare {
    pub(crate) name: String,
    /// A scene of ours.
    pub(crate) ours: String,
    /// Scenes with `strace`, each a column.
    pub(crate) beside: Vec<String>,
    /// The calls to look at.
    pub(crate) calls: Vec<String>,
}

impl Scene {
    /// The command as a reader types it.
    pub(crate) fn command(&self) -> String {
        let words: Vec<String> = self.run.iter().map(|word| quote(word)).collect();
        let (program, args) = words.split_first().map_or(("", [].as_slice()), |(p, a)| (p, a));
        let text = match is_ours(program) {
            true if args.is_empty() => format!("cargo run -q -p {program}"),
            true => format!("cargo run -q -p {program} -- {}", args.join(" ")),
            false => words.join(" "),
        };
        text.replace("{repo}/", "").replace("{scratch}", "/tmp/scene")
    }
}

/// Programs that the reader has not installed but runs from the workspace.
fn is_ours(program: &str) -> bool {
    let number = program.strip_prefix("chapter").unwrap_or("");
    program == "lab" || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `word` as a shell takes it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%{}".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Badge, SceneFile};

    #[test]
    fn a_scene_needs_little() {
        let text = "[[scene]]\nname = 'a/b'\nrun = ['chapter2', 'uts', 'my box']\n";
        let file: SceneFile = toml::from_str(text).unwrap();
        let scene = &file.scene[0];
        assert_eq!(scene.command(), "cargo run -q -p chapter2 -- uts 'my box'");
        assert_eq!((scene.badge, scene.exit, scene.trace), (Badge::User, 0, true));
    }

    #[test]
    fn misspelt_keys_are_refused() {
        let text = "[[scene]]\nname = 'a/b'\nrun = ['x']\nbagde = 'user'\n";
        assert!(toml::from_str::<SceneFile>(text).is_err());
    }
}
