//! How does an ordinary user unpack files that belong to many?
//!
//! In a user namespace, of which it is the root: files of the user 5 in there belong to one of the ids
//! out here that were given to it (subuid(5)). The process is split before it has a thread, and does
//! everything inside; out here only the maps are written, by the two programs that may.

use std::path::Path;

use primitives::{
    Birth, Error, Helper, IdMap, Namespaces, Result, Signal, Status, ToParent, deny_setgroups,
    find_program, own_ids, read_small, run_map_helper, spawn, step, step_giving, write_gid_map,
    write_uid_map,
};

/// Who the users and groups inside are out here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maps {
    /// Users.
    pub users: Vec<IdMap>,
    /// Groups.
    pub groups: Vec<IdMap>,
}

impl Maps {
    /// Those that this user has: itself as root, and all ids that were given to it.
    pub fn of_this_user() -> Maps {
        let (uid, gid) = own_ids();
        let (mut users, mut groups) = (vec![IdMap::one(0, uid)], vec![IdMap::one(0, gid)]);
        if let (Some(more_users), Some(more_groups)) =
            (granted("/etc/subuid", uid), granted("/etc/subgid", uid))
        {
            users.push(more_users);
            groups.push(more_groups);
        }
        Maps { users, groups }
    }

    /// Whether this user is alone in there: files of others cannot be made then.
    pub fn are_of_one(&self) -> bool {
        self.users.len() == 1
    }
}

/// Runs `body` as root in a process of its own, which may have threads then: as it is where this
/// process is root already, and else inside of a user namespace and a mount namespace of its own.
///
/// # Errors
/// Those of `body`, and those of making the namespace.
pub fn as_root(body: impl FnOnce() -> Result<()>) -> Result<()> {
    let is_root = own_ids().0 == 0;
    let maps = Maps::of_this_user();
    let (namespaces, why) = match is_root {
        true => {
            (Namespaces::empty(), "have threads, while this process stays one that can be split")
        }
        false => (
            Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWNS,
            "have files of several users, of which none is root out here",
        ),
    };
    let birth = Birth { namespaces, cgroup: None };
    let mut child = step_giving("have it done", || {
        spawn("unpacker", birth, why, |parent| live(parent, is_root, body))
    })?;
    if !is_root {
        child.beside(|pid| say_who_is_who(pid, &maps))?;
        step("let it go on", || child.release("tell it that it is somebody now"))?;
    }
    match step_giving("wait for it", || child.finish("see whether it has done it"))? {
        Status::Exited(0) => Ok(()),
        status => Err(Error::Lost { role: "unpacker".into(), how: status.to_string() }),
    }
}

fn live(parent: &ToParent, is_root: bool, body: impl FnOnce() -> Result<()>) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, "end when the command outside ends"))?;
    if !is_root {
        let why = "not make files before they can belong to anybody";
        step("wait for the maps", || parent.wait(why))?;
    }
    body().map(|()| 0)
}

fn say_who_is_who(child: primitives::Pid, maps: &Maps) -> Result<()> {
    if maps.are_of_one() {
        step("deny setgroups", || {
            deny_setgroups(Some(child), "give up what a group map without root could be abused for")
        })?;
        step("map the user", || {
            write_uid_map(Some(child), &maps.users, "say who root in there is out here")
        })?;
        return step("map the group", || {
            write_gid_map(Some(child), &maps.groups, "say which group root in there has out here")
        });
    }
    step("map the users", || {
        let why = "have a range of users mapped that was given to us";
        run_map_helper(Helper::Newuidmap, child, &maps.users, why)
    })?;
    step("map the groups", || {
        let why = "have a range of groups mapped that was given to us";
        run_map_helper(Helper::Newgidmap, child, &maps.groups, why)
    })
}

/// The first range of ids that a file of the system gives to a user, mapped from 1 on; none where
/// there is none, or no program to map it by.
///
/// A line is `NAME-OR-UID:FIRST:COUNT` (subuid(5)); users are named in both ways.
fn granted(file: &str, uid: u32) -> Option<IdMap> {
    find_program("newuidmap".as_ref(), "/usr/bin:/usr/local/bin:/bin".as_ref()).ok()?;
    let text = read_small(Path::new(file)).ok()?;
    let names = [uid.to_string(), name_of(uid).unwrap_or_default()];
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let owner = parts.next()?;
        let mut number = || parts.next().and_then(|number| number.trim().parse::<u32>().ok());
        let (first, count) = (number()?, number()?);
        names.iter().any(|name| name == owner).then_some(IdMap { inside: 1, outside: first, count })
    })
}

fn name_of(uid: u32) -> Option<String> {
    let passwd = read_small(Path::new("/etc/passwd")).ok()?;
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
    line.split(':').next().map(str::to_string)
}
