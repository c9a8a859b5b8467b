//! Who are we here, and who may we become: privileges, user namespaces, borrowed ids, tracing?

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::kernel::{MOUNT_OVERLAY, status_field};
use super::{Attempt, Fact, State, program, read, yes_if};

/// Settings that can forbid user namespaces: the name in sysctl(8), the value that forbids, and one
/// that does not.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("user.max_user_namespaces", "0", "10000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Runs the rest as nobody, so that root learns what others may do.
const AS_NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// Everything about ids and rights.
pub(crate) fn facts() -> Vec<Fact> {
    let status = read("/proc/self/status").unwrap_or_default();
    let uid = uid(&status);
    vec![
        privileges(&status, uid),
        user_namespaces(uid),
        overlay_in_user_namespace(),
        map_programs(),
        borrowed_ids(uid),
        strace(),
        ptrace_scope(),
    ]
}

/// The effective one of the four numbers in "Uid:".
fn uid(status: &str) -> u32 {
    let field = status_field(status, "Uid:").unwrap_or_default();
    field.split_whitespace().nth(1).and_then(|uid| uid.parse().ok()).unwrap_or(u32::MAX)
}

fn privileges(status: &str, uid: u32) -> Fact {
    let count = |field| status_field(status, field).map_or(0, bits);
    let (effective, bounding) = (count("CapEff:"), count("CapBnd:"));
    let found = format!("uid {uid}, {effective} capabilities in effect, {bounding} possible");
    let state = match (uid, effective) {
        (0, 30..) => State::Yes,
        (_, 1..) => State::Partly,
        _ => State::No,
    };
    Fact::new("root", state, found, "what needs root on the host itself")
        .or_else("lab run COMMAND (root inside, nobody outside)")
}

/// How many bits are set in a hexadecimal mask.
fn bits(mask: &str) -> u32 {
    u64::from_str_radix(mask, 16).map_or(0, u64::count_ones)
}

fn user_namespaces(uid: u32) -> Fact {
    let try_it = ["unshare", "--user", "--map-root-user", "true"];
    let attempt = match uid {
        0 => Attempt::at(&[AS_NOBODY.as_slice(), &try_it].concat()),
        _ => Attempt::at(&try_it),
    };
    let state = attempt.state();
    let mut found = attempt.found();
    let mut fix = "run it in the lab: lab run COMMAND".to_owned();
    for (name, forbids, allows) in forbidding(read_setting) {
        found += &format!("; {name} is {forbids}");
        fix = format!("sudo sysctl -w {name}={allows}");
    }
    let found = if uid == 0 { format!("as nobody, {found}") } else { found };
    Fact::new("user-namespaces", state, found, "root inside without being root outside")
        .or_else(fix)
}

/// A setting's value; below /proc/sys its dots are slashes.
fn read_setting(name: &str) -> Option<String> {
    read(&format!("/proc/sys/{}", name.replace('.', "/")))
}

fn forbidding(
    read: impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let forbids =
        move |(name, value, _): &(&str, &str, &str)| read(name).as_deref() == Some(*value);
    SETTINGS.into_iter().filter(forbids)
}

fn overlay_in_user_namespace() -> Fact {
    let attempt = Attempt::at(&[
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        MOUNT_OVERLAY,
    ]);
    Fact::new(
        "overlay-user",
        attempt.state(),
        attempt.found(),
        "image layers, stacked without root",
    )
    .or_else("a kernel from 5.11 on, and user namespaces")
}

/// They must be able to do what their caller cannot: by the setuid bit, or by a file capability,
/// which std cannot see.
fn map_programs() -> Fact {
    let means = "more than one id in a user namespace";
    let programs = ["newuidmap", "newgidmap"].map(program);
    let setuid = |path: &std::path::PathBuf| {
        fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o4000 != 0)
    };
    let (state, found) = match programs {
        [Some(users), Some(groups)] if setuid(&users) && setuid(&groups) => {
            (State::Yes, "newuidmap, newgidmap: setuid root")
        }
        [Some(_), Some(_)] => (State::Unknown, "newuidmap, newgidmap: no setuid bit, maybe setcap"),
        _ => (State::No, "no newuidmap and newgidmap"),
    };
    Fact::new("newuidmap", state, found, means).or_else("sudo apt-get install uidmap")
}

fn borrowed_ids(uid: u32) -> Fact {
    let means = "the ids that newuidmap may give us";
    let name = read("/etc/passwd").and_then(|table| user_name(&table, uid)).unwrap_or_default();
    let range = |file| read(file).and_then(|table| range(&table, &name, uid));
    let (state, found) = match (range("/etc/subuid"), range("/etc/subgid")) {
        (Some(users), Some(groups)) => (State::Yes, format!("uids {users}, gids {groups}")),
        _ => (State::No, format!("no range for uid {uid} in /etc/subuid and /etc/subgid")),
    };
    Fact::new("subids", state, found, means)
        .or_else("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER")
}

/// The name of a uid in /etc/passwd.
fn user_name(table: &str, uid: u32) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The first range of a user, by name or number, as "100000-165535".
fn range(table: &str, name: &str, uid: u32) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let ours = owner == name || owner.parse() == Ok(uid);
        ours.then(|| format!("{first}-{}", u64::from(first) + u64::from(count) - 1))
    })
}

fn strace() -> Fact {
    let attempt = Attempt::at(&["strace", "-o", "/dev/null", "true"]);
    let state = match attempt {
        Attempt::NotTried(_) => State::No,
        _ => attempt.state(),
    };
    Fact::new("strace", state, attempt.found(), "a second witness of every system call")
        .or_else("sudo apt-get install strace")
}

fn ptrace_scope() -> Fact {
    let means = "whom a tracer may watch";
    let (state, found) = match read("/proc/sys/kernel/yama/ptrace_scope").as_deref() {
        None => (State::Yes, "no limit (Yama is not there)"),
        Some("0") => (State::Yes, "0: all processes of the same user"),
        Some("1") => (State::Yes, "1: its own children"),
        Some("2") => (State::Partly, "2: root alone"),
        Some(_) => (State::No, "3: nobody, until the next boot"),
    };
    let state = match state {
        State::Partly => yes_if(uid(&read("/proc/self/status").unwrap_or_default()) == 0),
        other => other,
    };
    Fact::new("ptrace", state, found, means).or_else("sudo sysctl -w kernel.yama.ptrace_scope=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_uid_is_the_effective_one() {
        assert_eq!(uid("Name:\tx\nUid:\t1000\t0\t1000\t1000\n"), 0);
        assert_eq!(uid(""), u32::MAX);
    }

    #[test]
    fn capabilities_are_bits() {
        assert_eq!(bits("000001ffffffffff"), 41);
        assert_eq!(bits("0000000000000000"), 0);
        assert_eq!(bits("?"), 0);
    }

    #[test]
    fn a_forbidding_setting_is_named() {
        let machine = |name: &str| (name == "user.max_user_namespaces").then(|| "0".to_owned());
        let names: Vec<&str> = forbidding(machine).map(|(name, ..)| name).collect();
        assert_eq!(names, ["user.max_user_namespaces"]);
        assert_eq!(forbidding(|_| None).count(), 0);
        assert_eq!(forbidding(|_| Some("15".to_owned())).count(), 0);
    }

    #[test]
    fn a_range_belongs_to_a_name_or_a_number() {
        let table = "ann:100000:65536\n1001:200000:10\n";
        assert_eq!(range(table, "ann", 1000).unwrap(), "100000-165535");
        assert_eq!(range(table, "bob", 1001).unwrap(), "200000-200009");
        assert_eq!(range(table, "eve", 1002), None);
    }

    #[test]
    fn a_name_belongs_to_a_uid() {
        let table = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(user_name(table, 1000).unwrap(), "ann");
        assert_eq!(user_name(table, 7), None);
    }
}
