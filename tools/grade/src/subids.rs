//! To whom can a range of ids be mapped on this machine?
//!
//! To an ordinary user when /etc/subuid gives one. Root needs none for itself, so it draws a range
//! and gives it to somebody else, in files that only the check sees.

use std::fs;
use std::path::Path;

use anyhow::Result;
use primitives::{find_program, own_ids};

use crate::bench::Bench;
use crate::run::succeeds;

/// Somebody to whom ids were given.
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) first_user: u32,
    pub(crate) first_group: u32,
    pub(crate) count: u32,
    /// The ids are given in files of ours that only this check sees.
    pub(crate) made_up: bool,
}

/// Who can be asked to map a range on this machine; else why nobody can.
pub(crate) fn user_with_range(bench: &mut Bench) -> Result<std::result::Result<User, String>> {
    for helper in ["newuidmap", "newgidmap"] {
        if find_program(helper.as_ref(), "/usr/bin:/usr/local/bin:/bin".as_ref()).is_err() {
            return Ok(Err(format!("{helper} is not installed (Debian: uidmap)")));
        }
    }
    if let Some(why) = bench.no_user_namespaces()? {
        return Ok(Err(why));
    }
    match own_ids() {
        (0, _) => made_up(bench),
        (uid, gid) => Ok(granted(uid, gid)),
    }
}

/// Root draws a range for somebody else, where it can hide /etc/subuid from everybody else.
fn made_up(bench: &mut Bench) -> Result<std::result::Result<User, String>> {
    let name = std::env::var("PORTHOLE_SUBID_USER").unwrap_or_else(|_| "nobody".to_string());
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let Some((uid, gid)) = ids_of(&passwd, &name) else {
        return Ok(Err(format!("there is no user {name} to run the program as")));
    };
    let mut attempt = bench.unshare(&["--mount"])?;
    attempt.push("true".to_string());
    if !succeeds(&attempt) || !Path::new("/etc/subuid").is_file() {
        return Ok(Err("no /etc/subuid of its own can be shown to the program".to_string()));
    }
    let first = bench.chance.number(200_000..=900_000);
    Ok(Ok(User {
        uid,
        gid,
        first_user: first,
        first_group: first,
        count: bench.chance.number(100..=60_000),
        made_up: true,
    }))
}

fn ids_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let mut lines = passwd.lines().map(|line| line.split(':'));
    let mut line = lines.find_map(|mut line| (line.next() == Some(name)).then_some(line))?;
    let uid = line.nth(1)?.parse().ok()?;
    Some((uid, line.next()?.parse().ok()?))
}

fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    let mut lines = passwd.lines();
    let line = lines.find(|line| line.split(':').nth(2) == Some(uid.to_string().as_str()))?;
    line.split(':').next()
}

/// What the files of the system give to this user.
fn granted(uid: u32, gid: u32) -> std::result::Result<User, String> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&passwd, uid).unwrap_or_default().to_string();
    let from = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        first_range(&text, &[&name, &uid.to_string()]).ok_or_else(|| {
            format!(
                "{file} gives you no ids; root can, with: usermod --add-subuids 100000-165535 \
                 --add-subgids 100000-165535 {name}"
            )
        })
    };
    let (users, groups) = (from("/etc/subuid")?, from("/etc/subgid")?);
    Ok(User {
        uid,
        gid,
        first_user: users.0,
        first_group: groups.0,
        count: users.1.min(groups.1),
        made_up: false,
    })
}

/// The first line for one of these names: `NAME:FIRST:COUNT` (subuid(5)).
fn first_range(text: &str, names: &[&str]) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let owner = parts.next()?;
        let first = parts.next()?.parse().ok()?;
        let count = parts.next()?.trim().parse().ok()?;
        (names.contains(&owner) && count > 1).then_some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::{first_range, ids_of, name_of};

    #[test]
    fn files_of_the_system_are_read_by_name_and_by_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n";
        assert_eq!(ids_of(passwd, "ann"), Some((1000, 100)));
        assert_eq!(name_of(passwd, 1000), Some("ann"));
        let subuid = "bob:100000:65536\n1000:300000:10\n";
        assert_eq!(first_range(subuid, &["ann", "1000"]), Some((300_000, 10)));
        assert_eq!(first_range(subuid, &["eve", "7"]), None);
    }
}
