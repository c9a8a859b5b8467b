//! What is a map, how is it written down, and which ids may one have?

use primitives::{Error, IdMap, Pid, Result, Status, read_small};

/// A map as it is typed: `INSIDE:OUTSIDE:COUNT`.
pub(crate) fn line(text: &str) -> std::result::Result<IdMap, String> {
    let numbers: Vec<u32> = text
        .split(':')
        .map(|number| {
            number.parse().map_err(|_| format!("{number:?} is no id, they are 0 to 4294967295"))
        })
        .collect::<std::result::Result<_, _>>()?;
    match numbers.as_slice() {
        [_, _, 0] => Err("a map of no ids: the last number counts them".to_string()),
        [inside, outside, count] => Ok(IdMap { inside: *inside, outside: *outside, count: *count }),
        _ => Err("write INSIDE:OUTSIDE:COUNT, as in 0:1000:1".to_string()),
    }
}

/// A process as it is typed.
pub(crate) fn pid(text: &str) -> std::result::Result<Pid, String> {
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err("a process is named by its number, from 1 on".to_string()),
    }
}

// ANCHOR: show
/// Prints the maps of a process, as the kernel shows them to a reader in this user namespace.
pub(crate) fn show(pid: Option<Pid>) -> Result<Status> {
    let folder = pid.map_or("self".to_string(), |pid| pid.to_string());
    for (file, who) in [("uid_map", "users"), ("gid_map", "groups")] {
        let path = format!("/proc/{folder}/{file}");
        let text = read_small(path.as_ref())
            .map_err(|e| Error::Unusable(format!("{path} cannot be read: {e}")))?;
        if text.trim().is_empty() {
            println!("{who}: nobody is mapped yet, so everybody inside is 65534, \"nobody\"");
        }
        for line in text.lines() {
            println!("{who}: {}", sentence(line));
        }
    }
    let setgroups = read_small(format!("/proc/{folder}/setgroups").as_ref()).unwrap_or_default();
    println!("changing groups: {}", setgroups.trim());
    Ok(Status::Exited(0))
}
// ANCHOR_END: show

fn sentence(line: &str) -> String {
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [inside, outside, 1] => format!("{inside} in there is {outside} out here"),
        [inside, outside, count] => format!(
            "{inside} to {} in there are {outside} to {} out here",
            inside + count - 1,
            outside + count - 1
        ),
        _ => line.to_string(),
    }
}

// ANCHOR: granted
/// The first range of ids that a file of the system gives to a user, mapped from 1 on.
///
/// A line is `NAME-OR-UID:FIRST:COUNT` (subuid(5)); users are named in both ways.
pub(crate) fn granted(file: &str, uid: u32) -> Result<IdMap> {
    let text = read_small(file.as_ref())
        .map_err(|e| Error::Unusable(format!("{file} cannot be read: {e} (Debian: uidmap)")))?;
    let names = [uid.to_string(), name_of(uid).unwrap_or_default()];
    for line in text.lines() {
        let mut parts = line.split(':');
        let owner = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|n| n.trim().parse::<u32>().ok());
        if let (true, Some(first), Some(count)) =
            (names.iter().any(|name| name == owner), number(), number())
        {
            return Ok(IdMap { inside: 1, outside: first, count });
        }
    }
    Err(Error::Unusable(format!(
        "{file} gives no ids to user {uid}; root can with: usermod --add-subuids 100000-165535 \
         --add-subgids 100000-165535 {}",
        name_of(uid).unwrap_or("YOU".to_string())
    )))
}
// ANCHOR_END: granted

fn name_of(uid: u32) -> Option<String> {
    let passwd = read_small("/etc/passwd".as_ref()).ok()?;
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
    line.split(':').next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::{line, sentence};

    #[test]
    fn maps_are_read_as_they_are_typed() {
        let map = line("0:1000:1").unwrap();
        assert_eq!((map.inside, map.outside, map.count), (0, 1000, 1));
        assert!(line("0:1000").unwrap_err().contains("INSIDE:OUTSIDE:COUNT"));
        assert!(line("0:1000:0").unwrap_err().contains("no ids"));
        assert!(line("0:4294967296:1").unwrap_err().contains("no id"));
    }

    #[test]
    fn maps_are_said_in_words() {
        assert_eq!(sentence("  0 1000 1"), "0 in there is 1000 out here");
        assert_eq!(
            sentence("0 0 4294967295"),
            "0 to 4294967294 in there are 0 to 4294967294 out here"
        );
    }
}
