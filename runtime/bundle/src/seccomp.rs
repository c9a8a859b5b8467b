//! Which system calls may the process make?
//!
//! The rules as data: what a compiler makes a filter of. Names of system calls are not looked up
//! here, because which of them there are depends on the machine; a name that a kernel does not have
//! is one that nobody can call.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Arch, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator,
};
use serde::Serialize;

use crate::at::At;
use crate::paths::from_bundle;

/// A filter, not yet compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// What happens at a call that no rule is about.
    pub default_action: Action,
    /// `SCMP_ARCH_X86`: by whose tables calls may be made, beside the machine's own.
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_LOG`: how the filter is installed.
    pub flags: Vec<String>,
    /// The rules, in the order of the configuration.
    pub rules: Vec<Rule>,
    /// Who decides where a rule says [`Action::Notify`]; always there if one does.
    pub listener: Option<Listener>,
}

/// Who is asked about a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its socket on the host; absolute.
    pub path: PathBuf,
    /// What it is told.
    pub metadata: String,
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is made.
    Allow,
    /// It fails with this errno.
    Errno(u16),
    /// The thread is killed.
    KillThread,
    /// The process is killed.
    KillProcess,
    /// It is made, and written into the log.
    Log,
    /// The listener decides.
    Notify,
    /// A tracer is told, with this number; without one it fails with ENOSYS.
    Trace(u16),
    /// The process gets SIGSYS.
    Trap,
}

/// What happens at some calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Which calls; at least one.
    pub names: Vec<String>,
    /// What happens.
    pub action: Action,
    /// Only if all of these hold; of two about the same argument, if one does (as in runc).
    pub conditions: Vec<Condition>,
}

/// What an argument of a call must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// Compared how.
    pub operator: Operator,
    /// With what; for [`Operator::MaskedEqual`] the mask.
    pub value: u64,
    /// For [`Operator::MaskedEqual`]: with what.
    pub second: u64,
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operator {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    MaskedEqual,
}

/// `linux.seccomp` (config-linux.md, "Seccomp").
pub(crate) fn seccomp(linux: &At<'_>, bundle: &Path) -> Option<Seccomp> {
    let at = linux.object("seccomp")?;
    let default_action = action(&at, "defaultAction", "defaultErrnoRet");
    let rules: Vec<Rule> = at.objects("syscalls").iter().filter_map(rule).collect();
    let listener = listener(&at, bundle);
    let seccomp = Seccomp {
        default_action: default_action?,
        architectures: names::<Arch>(&at, "architectures"),
        flags: names::<LinuxSeccompFilterFlag>(&at, "flags"),
        rules,
        listener,
    };
    check(&at, &seccomp);
    Some(seccomp)
}

/// Names that `oci-spec` knows, each once.
fn names<T: serde::de::DeserializeOwned>(at: &At<'_>, list: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for item in at.items(list) {
        let known = item.read::<T>().and_then(|_| item.read());
        all.extend(known.filter(|name| !all.contains(name)));
    }
    all
}

fn rule(at: &At<'_>) -> Option<Rule> {
    let names = at.texts("names");
    match at.field("names") {
        None => at.missing("names"),
        Some(field) if at.items("names").is_empty() => {
            field.wrong("is empty", "at least one system call");
        }
        Some(_) => {}
    }
    for item in at.items("names") {
        if item.read::<String>().is_some_and(|name| name.is_empty()) {
            item.wrong("is empty", "the name of a system call");
        }
    }
    let action = action(at, "action", "errnoRet");
    let conditions = at.objects("args").iter().filter_map(condition).collect();
    Some(Rule { names, action: action?, conditions })
}

/// Where an action takes no errno and one is given, the runtime MUST fail.
fn action(at: &At<'_>, name: &str, errno_name: &str) -> Option<Action> {
    const EPERM: u16 = 1;
    // SECCOMP_RET_DATA is all that a filter can hand on.
    let errno = at.within(errno_name, 0, i64::from(u16::MAX));
    // MAX_ERRNO of the kernel's `include/linux/err.h`; the kernel would take it for a larger one.
    const LARGEST: u16 = 4095;
    let named: LinuxSeccompAction = at.need(name)?;
    let number = errno.and_then(|errno| u16::try_from(errno).ok()).unwrap_or(EPERM);
    let (action, takes_errno) = match named {
        LinuxSeccompAction::ScmpActAllow => (Action::Allow, false),
        LinuxSeccompAction::ScmpActErrno => (Action::Errno(number), true),
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            (Action::KillThread, false)
        }
        LinuxSeccompAction::ScmpActKillProcess => (Action::KillProcess, false),
        LinuxSeccompAction::ScmpActLog => (Action::Log, false),
        LinuxSeccompAction::ScmpActNotify => (Action::Notify, false),
        LinuxSeccompAction::ScmpActTrace => (Action::Trace(number), true),
        LinuxSeccompAction::ScmpActTrap => (Action::Trap, false),
    };
    if !takes_errno && at.field(errno_name).is_some() {
        at.wrong_field(
            errno_name,
            format!("{named} takes no errno"),
            "SCMP_ACT_ERRNO or SCMP_ACT_TRACE",
        );
    }
    if matches!(action, Action::Errno(number) if number > LARGEST) {
        at.wrong_field(errno_name, format!("{number} is no errno"), format!("0 to {LARGEST}"));
    }
    Some(action)
}

fn condition(at: &At<'_>) -> Option<Condition> {
    for name in ["index", "value", "op"] {
        at.required(name)?;
    }
    let read: LinuxSeccompArg = at.read()?;
    let argument = u8::try_from(read.index()).ok().filter(|index| *index <= 5);
    if argument.is_none() {
        let wrong = format!("{} is no argument", read.index());
        at.wrong_field("index", wrong, "0 to 5, for a system call has six");
    }
    let operator = match read.op() {
        LinuxSeccompOperator::ScmpCmpNe => Operator::NotEqual,
        LinuxSeccompOperator::ScmpCmpLt => Operator::Less,
        LinuxSeccompOperator::ScmpCmpLe => Operator::LessOrEqual,
        LinuxSeccompOperator::ScmpCmpEq => Operator::Equal,
        LinuxSeccompOperator::ScmpCmpGe => Operator::GreaterOrEqual,
        LinuxSeccompOperator::ScmpCmpGt => Operator::Greater,
        LinuxSeccompOperator::ScmpCmpMaskedEq => Operator::MaskedEqual,
    };
    let second = read.value_two().unwrap_or(0);
    Some(Condition { argument: argument?, operator, value: read.value(), second })
}

/// Without a rule that asks somebody the path is ignored, but the metadata MUST NOT stand alone.
fn listener(at: &At<'_>, bundle: &Path) -> Option<Listener> {
    let (path, metadata) = (at.text("listenerPath"), at.text("listenerMetadata"));
    if path.is_none() && metadata.is_some() {
        at.wrong_field("listenerMetadata", "there is nobody to tell", "\"listenerPath\" beside it");
    }
    let path = from_bundle(bundle, &path?);
    Some(Listener { path, metadata: metadata.unwrap_or_default() })
}

fn check(at: &At<'_>, seccomp: &Seccomp) {
    if seccomp.default_action == Action::Notify {
        // Then also the call that hands the listener its descriptor would wait for the listener.
        at.wrong_field("defaultAction", "nobody could be asked the first time", "another action");
    }
    let asks = |rule: &&Rule| rule.action == Action::Notify;
    let asking: Vec<&Rule> = seccomp.rules.iter().filter(asks).collect();
    if !asking.is_empty() && seccomp.listener.is_none() {
        at.wrong("SCMP_ACT_NOTIFY needs somebody who is asked", "\"listenerPath\"");
    }
    // As in runc: the process that installs the filter has to tell its parent about it.
    if asking.iter().any(|rule| rule.names.iter().any(|name| name == "write")) {
        let wrong = "write cannot be asked about: the runtime needs it to ask";
        at.wrong_field("syscalls", wrong, "another action for it");
    }
    let waits = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
    if asking.is_empty() && seccomp.flags.iter().any(|flag| flag == waits) {
        // seccomp(2): EINVAL without a listener.
        at.wrong_field(
            "flags",
            format!("{waits} is about being asked"),
            "a rule with SCMP_ACT_NOTIFY",
        );
    }
}
