//! How are rules written down, so that every runtime reads the same?
//!
//! As the `linux.seccomp` part of a container's configuration (OCI runtime specification, config-linux,
//! "Seccomp"). Docker's and Podman's profiles are close to it, with additions that an engine takes out
//! before a runtime sees the file.

use std::path::Path;

use primitives::{Error, Result, errno_from_name, read_small};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::profile::{Action, Compare, Op, Profile, Rule};

/// The profile that comes with this chapter.
const CONTAINER: &str = include_str!("../profiles/container.json");

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    default_action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_errno_ret: Option<u16>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    #[serde(default)]
    syscalls: Vec<WrittenRule>,
    /// Docker's own: which sub-architectures go with which architecture.
    #[serde(skip_serializing)]
    arch_map: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRule {
    names: Vec<String>,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<WrittenCompare>,
    /// Docker's own: for which capabilities or kernels the rule is there.
    #[serde(skip_serializing)]
    includes: Option<serde_json::Value>,
    #[serde(skip_serializing)]
    excludes: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCompare {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

/// Reads a profile: a file, or `container`, which is the one that comes with this chapter.
///
/// # Errors
/// Says what is wrong with it, and where.
pub(crate) fn read(path: &Path) -> Result<Profile> {
    let shown = path.display();
    let text = match path.to_str() {
        Some("container") => CONTAINER.to_string(),
        _ => read_small(path)
            .map_err(|e| Error::Unusable(format!("the profile {shown} cannot be read: {e}")))?,
    };
    parse(&text).map_err(|why| Error::Unusable(format!("the profile {shown}: {why}")))
}

/// Reads a profile from its text.
pub(crate) fn parse(text: &str) -> std::result::Result<Profile, String> {
    let written: Written = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if written.arch_map.is_some() {
        return Err("it is a template of Docker's (archMap): an engine fills it in first".into());
    }
    let default = action(&written.default_action, written.default_errno_ret)
        .map_err(|why| format!("defaultAction: {why}"))?;
    let mut rules = Vec::new();
    for (index, rule) in written.syscalls.iter().enumerate() {
        let read = read_rule(rule).map_err(|why| format!("syscalls[{index}]: {why}"))?;
        // As in runc: a rule that says what would happen anyway is no rule.
        rules.extend(read.into_iter().filter(|rule| rule.action != default));
    }
    // An architecture that this chapter does not know is none of this machine either.
    let mut architectures: Vec<Arch> =
        written.architectures.iter().filter_map(|name| Arch::parse(name).ok()).collect();
    if architectures.is_empty() {
        architectures.push(Arch::native());
    }
    let flags = written.flags;
    Ok(Profile { default, architectures, rules, checks_architecture: true, flags })
}

fn read_rule(rule: &WrittenRule) -> std::result::Result<Vec<Rule>, String> {
    if rule.includes.is_some() || rule.excludes.is_some() {
        return Err("includes and excludes are Docker's: an engine decides on them first".into());
    }
    if rule.names.is_empty() {
        return Err("names: there must be at least one".into());
    }
    let action = action(&rule.action, rule.errno_ret)?;
    let args: Vec<Compare> =
        rule.args.iter().map(compare).collect::<std::result::Result<_, _>>()?;
    let names = rule.names.clone();
    let twice = |one: &Compare| args.iter().filter(|other| other.index == one.index).count() > 1;
    if args.iter().any(twice) {
        // As in runc: two comparisons of one argument are two rules, of which either is enough.
        let one = |compare: &Compare| Rule { names: names.clone(), action, args: vec![*compare] };
        return Ok(args.iter().map(one).collect());
    }
    Ok(vec![Rule { names, action, args }])
}

fn action(name: &str, errno: Option<u16>) -> std::result::Result<Action, String> {
    const EPERM: u16 = 1;
    let action = match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_ERRNO" => return Ok(Action::Errno(errno.unwrap_or(EPERM))),
        "SCMP_ACT_TRACE" => return Ok(Action::Trace(errno.unwrap_or(EPERM))),
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_NOTIFY" => Action::Notify,
        other => return Err(format!("{other:?} is no action of the specification")),
    };
    match errno {
        // "If the action does not support errnoRet … an error": config-linux, Seccomp.
        Some(_) => Err(format!("{name} has no errno to return")),
        None => Ok(action),
    }
}

fn compare(written: &WrittenCompare) -> std::result::Result<Compare, String> {
    let (op, value) = match written.op.as_str() {
        "SCMP_CMP_EQ" => (Op::Eq, written.value),
        "SCMP_CMP_NE" => (Op::Ne, written.value),
        "SCMP_CMP_LT" => (Op::Lt, written.value),
        "SCMP_CMP_LE" => (Op::Le, written.value),
        "SCMP_CMP_GT" => (Op::Gt, written.value),
        "SCMP_CMP_GE" => (Op::Ge, written.value),
        // Here `value` is the mask, and `valueTwo` what must be left.
        "SCMP_CMP_MASKED_EQ" => (Op::MaskedEq(written.value), written.value_two),
        other => return Err(format!("{other:?} is no operator of the specification")),
    };
    match written.index {
        0..=5 => Ok(Compare { index: written.index, op, value }),
        index => Err(format!("a call has arguments 0 to 5, and no {index}")),
    }
}

/// A profile that allows these calls and refuses all others.
pub(crate) fn allowing(names: &[&str]) -> String {
    let rule = WrittenRule {
        names: names.iter().map(|name| (*name).to_string()).collect(),
        action: "SCMP_ACT_ALLOW".into(),
        errno_ret: None,
        args: Vec::new(),
        includes: None,
        excludes: None,
    };
    let written = Written {
        default_action: "SCMP_ACT_ERRNO".into(),
        default_errno_ret: None,
        architectures: vec![Arch::native().oci().to_string()],
        flags: Vec::new(),
        syscalls: vec![rule],
        arch_map: None,
    };
    serde_json::to_string_pretty(&written).expect("a profile holds only text and numbers")
}

// ANCHOR: closed
/// A call as it is typed after `--deny`: `mkdir`, or with comparisons of its arguments
/// `clone:0&0x10000000=0x10000000`, `socket:0=40:1>2`.
pub(crate) fn closed(text: &str) -> std::result::Result<Closed, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default().to_string();
    if Arch::ALL.into_iter().all(|arch| arch.number(&name).is_none()) {
        return Err(format!("{name:?} is no system call: see syscalls(2)"));
    }
    let args = parts.map(typed).collect::<std::result::Result<_, _>>()?;
    Ok(Closed { name, args })
}
// ANCHOR_END: closed

/// A door that is to be closed.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) name: String,
    pub(crate) args: Vec<Compare>,
}

fn typed(text: &str) -> std::result::Result<Compare, String> {
    let wrong = || {
        format!("{text:?}: write INDEX, =, !=, <, <=, > or >=, and a number; or INDEX&MASK=VALUE")
    };
    let index = text.get(..1).and_then(|digit| digit.parse().ok()).filter(|index| *index <= 5);
    let (index, rest): (u8, &str) = (index.ok_or_else(wrong)?, &text[1..]);
    if let Some(masked) = rest.strip_prefix('&') {
        let (mask, value) = masked.split_once('=').ok_or_else(wrong)?;
        let op = Op::MaskedEq(number(mask).ok_or_else(wrong)?);
        return Ok(Compare { index, op, value: number(value).ok_or_else(wrong)? });
    }
    let ops = [
        ("!=", Op::Ne),
        ("<=", Op::Le),
        (">=", Op::Ge),
        ("=", Op::Eq),
        ("<", Op::Lt),
        (">", Op::Gt),
    ];
    let found = ops.into_iter().find_map(|(sign, op)| Some((op, rest.strip_prefix(sign)?)));
    let (op, value) = found.ok_or_else(wrong)?;
    Ok(Compare { index, op, value: number(value).ok_or_else(wrong)? })
}

/// A number as it is typed, also in hexadecimal.
pub(crate) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// An errno as it is typed, by its name.
pub(crate) fn errno(name: &str) -> std::result::Result<u16, String> {
    errno_from_name(name).map(|errno| errno as u16)
}

#[cfg(test)]
mod tests {
    use super::{CONTAINER, allowing, closed, parse};
    use crate::compile::compile;
    use crate::profile::{Action, Compare, Op};

    #[test]
    fn every_part_of_a_profile_is_read() {
        let profile = parse(
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "future": true,
                "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_S390X"],
                "syscalls": [
                  {"names": ["read", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
                  {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                   "args": [{"index": 0, "value": 255, "valueTwo": 17, "op": "SCMP_CMP_MASKED_EQ"}]},
                  {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
                   "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
                            {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
                  {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}"#,
        )
        .unwrap();
        assert_eq!(profile.default, Action::Errno(38));
        assert_eq!(profile.architectures.len(), 2, "one is of another machine");
        assert_eq!(profile.unknown_names(), ["no_such_call"]);
        // The last rule says what would happen anyway; the one with two comparisons became two.
        assert_eq!(profile.rules.len(), 4);
        let masked = Compare { index: 0, op: Op::MaskedEq(255), value: 17 };
        assert_eq!(profile.rules[1].args, [masked]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let says = |text: &str| parse(text).unwrap_err();
        assert!(says("{}").contains("defaultAction"));
        let rule = |rule: &str| {
            says(&format!(r#"{{"defaultAction": "SCMP_ACT_KILL", "syscalls": [{rule}]}}"#))
        };
        let wrong = [
            (r#"{"names": [], "action": "SCMP_ACT_ALLOW"}"#, "at least one"),
            (r#"{"names": ["read"], "action": "ALLOW"}"#, "no action"),
            (r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}"#, "no errno"),
            (r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {}}"#, "Docker"),
            (
                r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}"#,
                "0 to 5",
            ),
        ];
        for (text, part) in wrong {
            let says = rule(text);
            assert!(says.contains(part) && says.starts_with("syscalls[0]: "), "{says}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let profile = parse(&allowing(&["read", "write"])).unwrap();
        assert_eq!(profile.default, Action::Errno(1));
        assert_eq!(profile.rules[0].names, ["read", "write"]);
    }

    #[test]
    fn our_own_profile_is_one() {
        let profile = parse(CONTAINER).unwrap();
        assert_eq!(profile.unknown_names(), [""; 0]);
        assert!(compile(&profile).unwrap().len() > 500);
    }

    #[test]
    fn doors_are_read_as_they_are_typed() {
        assert!(closed("mkdir").unwrap().args.is_empty());
        let one = |text: &str| closed(text).unwrap().args[0];
        assert_eq!(one("socket:0=40"), Compare { index: 0, op: Op::Eq, value: 40 });
        assert_eq!(one("socket:1>=0x2"), Compare { index: 1, op: Op::Ge, value: 2 });
        let masked = Compare { index: 0, op: Op::MaskedEq(0x1000_0000), value: 0 };
        assert_eq!(one("clone:0&0x10000000=0"), masked);
        assert_eq!(closed("socket:0=1:1!=2").unwrap().args.len(), 2);
        for wrong in ["mkdri", "mkdir:6=1", "mkdir:0", "mkdir:0~1", "mkdir:0&1", "mkdir:é"] {
            assert!(closed(wrong).is_err(), "{wrong}");
        }
    }
}
