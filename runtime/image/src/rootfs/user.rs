//! Who runs an image's program?
//!
//! The image says `USER[:GROUP]`, by names that stand in its own `/etc/passwd` and `/etc/group`, or by
//! numbers. Those files are a stranger's: they are looked for beneath the root of the image, must be
//! plain files of a size that such files have, and no line in them can make somebody root who was not
//! asked for. A number is a number, whatever is called like that (CVE-2016-3697).

use std::os::fd::BorrowedFd;
use std::path::Path;

use primitives::{Error, Result, read_in_root};

/// More than this is no list of users (CVE-2026-47262).
const MOST: u64 = 4 << 20;

/// Who runs the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// All groups, with that one: a file can forbid something to a group, and whoever is not in it
    /// could do it (CVE-2022-36109).
    pub groups: Vec<u32>,
    /// The directory that is the user's.
    pub home: Option<String>,
}

/// A line of `/etc/passwd`.
struct Passwd<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// A line of `/etc/group`.
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Finds out who `wanted` is in the image whose root this is.
///
/// # Errors
/// There is nobody of that name, or the files of the image cannot be read.
pub fn find(root: BorrowedFd<'_>, wanted: &str) -> Result<User> {
    let unclear = |why: String| Error::Unusable(format!("the image's user {wanted:?}: {why}"));
    let read = |path: &str| match read_in_root(root, Path::new(path), MOST) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(unclear(format!("{path} of the image: {error}"))),
    };
    let (passwd, group) = (read("etc/passwd")?, read("etc/group")?);
    who(wanted, &passwd, &group).map_err(unclear)
}

fn who(wanted: &str, passwd: &str, group: &str) -> std::result::Result<User, String> {
    let (user, wanted_group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (wanted, None),
    };
    if wanted_group.is_some_and(str::is_empty) || user.is_empty() && !wanted.is_empty() {
        return Err("a name or a number is missing beside the colon".into());
    }
    let user = if user.is_empty() { "0" } else { user };
    let known = match number(user)? {
        Some(uid) => users(passwd).find(|line| line.uid == uid),
        None => Some(
            users(passwd)
                .find(|line| line.name == user)
                .ok_or_else(|| format!("{user:?} is not in /etc/passwd of the image"))?,
        ),
    };
    let uid = match &known {
        Some(line) => line.uid,
        None => number(user)?.ok_or_else(|| format!("{user:?} is nobody"))?,
    };
    let home = known.as_ref().map(|line| line.home.to_string()).filter(|home| !home.is_empty());
    let Some(wanted_group) = wanted_group else {
        let gid = known.as_ref().map_or(0, |line| line.gid);
        let mut all = vec![gid];
        if let Some(line) = &known {
            all.extend(groups(group).filter(|group| group.has(line.name)).map(|group| group.gid));
        }
        all.sort_unstable();
        all.dedup();
        return Ok(User { uid, gid, groups: all, home });
    };
    let gid = match number(wanted_group)? {
        Some(gid) => gid,
        None => groups(group)
            .find(|line| line.name == wanted_group)
            .map(|line| line.gid)
            .ok_or_else(|| format!("{wanted_group:?} is not in /etc/group of the image"))?,
    };
    Ok(User { uid, gid, groups: vec![gid], home })
}

/// An id, if it is written like one. What begins like one and is none is nobody's name.
fn number(text: &str) -> std::result::Result<Option<u32>, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(None);
    }
    let id = text.parse().ok().filter(|id| *id != u32::MAX && !text.starts_with('+'));
    id.map(Some).ok_or_else(|| format!("{text:?} is no id: they go from 0 to 4294967294"))
}

/// Lines that are none are passed over, as the C library does.
fn users(passwd: &str) -> impl Iterator<Item = Passwd<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let home = fields.nth(1).unwrap_or_default();
        Some(Passwd { name, uid: number(uid).ok()??, gid: number(gid).ok()??, home })
    })
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?);
        let members = fields.next().unwrap_or_default();
        Some(Group { name, gid: number(gid).ok()??, members })
    })
}

impl Group<'_> {
    fn has(&self, name: &str) -> bool {
        self.members.split(',').any(|member| member == name)
    }
}

#[cfg(test)]
mod tests {
    use super::{User, who};

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nredis:x:999:998::/data:/bin/false\n\
        1000:x:0:0::/:/bin/sh\nrubbish\nhuge:x:4294967296:0::/:\nbad:x:-1:0::/:\n\
        minus:x:4294967295:0::/:\n";
    const GROUP: &str = "root:x:0:\nredis:x:998:\ntty:x:5:redis,other\nlog:x:4:other\nbroken:x\n";

    fn user(uid: u32, gid: u32, groups: &[u32], home: Option<&str>) -> Result<User, String> {
        Ok(User { uid, gid, groups: groups.to_vec(), home: home.map(str::to_string) })
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        let who = |wanted| who(wanted, PASSWD, GROUP);
        assert_eq!(who(""), user(0, 0, &[0], Some("/root")));
        assert_eq!(who("redis"), user(999, 998, &[5, 998], Some("/data")));
        assert_eq!(who("redis:tty"), user(999, 5, &[5], Some("/data")));
        assert_eq!(who("999"), user(999, 998, &[5, 998], Some("/data")));
        assert_eq!(who("1:1"), user(1, 1, &[1], None));
        assert_eq!(who("01"), user(1, 0, &[0], None));
        // A name that looks like a number is not looked up.
        assert_eq!(who("1000"), user(1000, 0, &[0], None));
        assert_eq!(who("4294967294:7"), user(4_294_967_294, 7, &[7], None));
    }

    #[test]
    fn nobody_becomes_root_by_accident() {
        for wanted in [
            "nobody",
            "redis:nobody",
            "1:",
            ":1",
            ":",
            "-1",
            "+1",
            " 1",
            "4294967295",
            "4294967296",
            "0x1",
            "huge",
            "bad",
            "minus",
            "redis:4294967296",
            "1 ",
            "99999999999999999999",
            "1:2:3",
        ] {
            assert!(who(wanted, PASSWD, GROUP).is_err(), "{wanted:?} is somebody");
        }
    }
}
