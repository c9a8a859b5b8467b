//! In which order does a process give up what it may do?
//!
//! Each request of the list needs a right that a later one gives up. Shrinking the bounding set takes
//! CAP_SETPCAP, changing ids takes CAP_SETUID and CAP_SETGID, and whoever changes from user 0 to
//! another one loses all capabilities unless that was asked for before. So there is one order.

use std::ffi::OsString;

use primitives::{
    Birth, Capabilities, CapabilitySets, Child, Error, IdMap, Limit, Namespaces, Pid, Resource,
    Result, SecureBits, Signal, Status, ToParent, become_program, capset, deny_setgroups, own_ids,
    prctl_cap_ambient_raise, prctl_capbset_drop, prctl_set_keepcaps, prctl_set_no_new_privs,
    prctl_set_securebits, prlimit, read_small, setgroups, setresgid, setresuid, spawn, step,
    step_giving, umask, write_gid_map, write_uid_map,
};

use crate::{CapRun, UserRun, show};

/// Why a child is tied to its parent.
const TIE: &str = "end when the one that watches over it ends";

/// What the program is to be and to have.
pub(crate) struct Plan {
    /// Whether we could be any user of this machine, and not only ourselves.
    may_be_anybody: bool,
    /// Who says which capabilities are kept.
    capabilities: Whose,
    kept: Capabilities,
    inheritable: Capabilities,
    ambient: Capabilities,
    securebits: SecureBits,
    ids: Option<Ids>,
    umask: Option<u32>,
    limits: Vec<(Resource, Limit)>,
    no_new_privs: bool,
    drop_first: bool,
    command: Vec<OsString>,
}

#[derive(PartialEq)]
enum Whose {
    /// The command line.
    Asked,
    /// The user: root has all, the others have none.
    User,
}

struct Ids {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Plan {
    pub(crate) fn with_capabilities(wanted: &CapRun) -> Result<Plan> {
        let kept = match wanted.keep.is_empty() {
            true => Capabilities::all().without(union(&wanted.drop)),
            false => union(&wanted.keep),
        };
        let ambient = union(&wanted.ambient);
        // The kernel puts nothing into the ambient set that is not inheritable.
        let inheritable = union(&wanted.inheritable).and(ambient);
        let lost = inheritable.without(kept);
        if !lost.is_empty() {
            return Err(Error::Unusable(format!("{lost} cannot be handed on: it is not kept")));
        }
        let ids = wanted.uid.zip(wanted.gid).map(|(uid, gid)| Ids { uid, gid, groups: vec![] });
        Ok(Plan {
            may_be_anybody: may_be_anybody(),
            capabilities: Whose::Asked,
            kept,
            inheritable,
            ambient,
            securebits: wanted.securebits.iter().copied().fold(SecureBits::empty(), |a, b| a | b),
            ids,
            umask: None,
            limits: Vec::new(),
            no_new_privs: wanted.no_new_privs,
            drop_first: wanted.drop_first,
            command: wanted.command.clone(),
        })
    }

    pub(crate) fn as_user(wanted: &UserRun) -> Result<Plan> {
        if !wanted.groups.is_empty() && !may_be_anybody() {
            return Err(Error::Unusable(
                "only root may be in groups of its choice: use sudo, or leave out --groups".into(),
            ));
        }
        Ok(Plan {
            may_be_anybody: may_be_anybody(),
            capabilities: Whose::User,
            kept: Capabilities::all(),
            inheritable: Capabilities::NONE,
            ambient: Capabilities::NONE,
            securebits: SecureBits::empty(),
            ids: Some(Ids { uid: wanted.uid, gid: wanted.gid, groups: wanted.groups.clone() }),
            umask: wanted.umask,
            limits: wanted.rlimit.clone(),
            no_new_privs: wanted.no_new_privs,
            drop_first: false,
            command: wanted.command.clone(),
        })
    }

    /// What the kernel shall have on the lists before `execve`: all that is kept may be used, and
    /// only what is to be handed on may be inherited.
    fn sets(&self) -> CapabilitySets {
        CapabilitySets { effective: self.kept, permitted: self.kept, inheritable: self.inheritable }
    }

    /// When user 0 becomes another one, the kernel takes the capabilities away. Who has been the other
    /// one from birth still has those of a new user namespace.
    fn leaves_root_behind(&self, uid: u32) -> bool {
        !self.may_be_anybody && uid != 0 && self.capabilities == Whose::User
    }

    fn gives_something_up(&self) -> bool {
        self.kept != Capabilities::all() || !self.inheritable.is_empty()
    }
}

fn union(sets: &[Capabilities]) -> Capabilities {
    sets.iter().fold(Capabilities::NONE, |all, set| all.and(*set))
}

/// Runs the program in a user namespace in which it could do everything, and ends as it ended.
pub(crate) fn run(plan: Plan) -> Result<Status> {
    let mut child = step_giving("make a child", || make(&plan))?;
    child.beside(|pid| say_who_is_who(pid, &plan))?;
    step("let it go on", || child.release("tell the child that it is somebody now"))?;
    step_giving("take its status", || child.finish("pass its exit code on"))
}

fn make(plan: &Plan) -> Result<Child> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWUSER, cgroup: None };
    let why = "have a process that may do everything, in a namespace of its own";
    spawn("child", birth, why, |parent| live_inside(parent, plan))
}

// ANCHOR: inside
fn live_inside(parent: &ToParent, plan: &Plan) -> Result<u8> {
    step("tie to the parent", || parent.tie(Signal::SIGKILL, TIE))?;
    // Chapter 3 has shown what happens without it, so here it cannot be left out.
    step_giving("wait for the maps", || parent.wait("not start before it is said who we are"))?;
    set_limits(plan)?;
    shrink_what_can_be_had(plan)?;
    if plan.drop_first {
        set_capabilities(plan)?;
    }
    become_somebody(parent, plan)?;
    if !plan.drop_first {
        set_capabilities(plan)?;
    }
    become_it(plan)
}
// ANCHOR_END: inside

// ANCHOR: limits
/// Limits are a process's own and are inherited, so the one that becomes the program sets them.
fn set_limits(plan: &Plan) -> Result<()> {
    if !plan.limits.is_empty() {
        step("set the limits", || {
            plan.limits.iter().try_for_each(|(resource, limit)| {
                prlimit(None, *resource, *limit, "let the program have so much and no more")
            })
        })?;
    }
    if let Some(mask) = plan.umask {
        step("set the mask", || umask(mask, "say who may not use the files that it makes"))?;
    }
    Ok(())
}
// ANCHOR_END: limits

// ANCHOR: shrink
/// The two requests that take CAP_SETPCAP, which may be among what is given up.
fn shrink_what_can_be_had(plan: &Plan) -> Result<()> {
    let dropped = Capabilities::all().without(plan.kept);
    if !dropped.is_empty() {
        step("shrink the bounding set", || {
            prctl_capbset_drop(dropped, "let no execve give them back, not even to root")
        })?;
    }
    if !plan.securebits.is_empty() {
        step("set the secure bits", || {
            prctl_set_securebits(plan.securebits, "say how special user 0 is")
        })?;
    }
    Ok(())
}
// ANCHOR_END: shrink

// ANCHOR: somebody
/// Groups first, the user last: with the user goes the right to change groups.
fn become_somebody(parent: &ToParent, plan: &Plan) -> Result<()> {
    let Some(ids) = &plan.ids else { return Ok(()) };
    if plan.may_be_anybody {
        keep_what_is_permitted(plan)?;
        step("change the groups", || {
            setgroups(&ids.groups, "have no right of a group that was ours")
        })?;
    }
    step("change the group", || setresgid(ids.gid, "be the group that was asked for"))?;
    step("change the user", || setresuid(ids.uid, "be the user that was asked for"))?;
    if plan.leaves_root_behind(ids.uid) {
        step("leave what root has", || {
            capset(CapabilitySets::default(), "be capable of no more than this user is elsewhere")
        })?;
    }
    // The kernel has forgotten the tie with the change of ids.
    step("tie again", || parent.tie(Signal::SIGKILL, TIE))
}
// ANCHOR_END: somebody

// ANCHOR: keep
fn keep_what_is_permitted(plan: &Plan) -> Result<()> {
    if !plan.gives_something_up() || plan.kept.is_empty() {
        return Ok(());
    }
    step("keep what is permitted", || prctl_set_keepcaps("not lose everything with user 0"))
}
// ANCHOR_END: keep

// ANCHOR: sets
fn set_capabilities(plan: &Plan) -> Result<()> {
    if plan.gives_something_up() {
        step("set the capabilities", || {
            capset(plan.sets(), "have what is kept, and inherit nothing that was not asked for")
        })?;
    }
    if !plan.ambient.is_empty() {
        step("raise the ambient set", || {
            prctl_cap_ambient_raise(plan.ambient, "keep them through execve without being root")
        })?;
    }
    Ok(())
}
// ANCHOR_END: sets

fn become_it(plan: &Plan) -> Result<u8> {
    if plan.no_new_privs {
        step("gain nothing any more", || {
            prctl_set_no_new_privs("make setuid bits and file capabilities do nothing")
        })?;
    }
    match plan.command.is_empty() {
        true => show::print(None),
        false => step_giving("become the program", || {
            become_program(&plan.command, "run what was asked for")
        }),
    }
}

/// Asked outside, for in a namespace of one's own everybody may be root.
fn may_be_anybody() -> bool {
    own_ids().0 == 0
}

/// Root maps everybody to themselves. An ordinary user can be one user in there, of any number.
fn say_who_is_who(child: Pid, plan: &Plan) -> Result<()> {
    let (uid, gid) = own_ids();
    if plan.may_be_anybody && plan.ids.is_some() {
        let users = everybody("/proc/self/uid_map")?;
        let groups = everybody("/proc/self/gid_map")?;
        return write_maps(child, &users, &groups);
    }
    let inside = plan.ids.as_ref().map_or((0, 0), |ids| (ids.uid, ids.gid));
    step("deny setgroups", || deny_setgroups(Some(child), "be allowed to map a group"))?;
    write_maps(child, &[IdMap::one(inside.0, uid)], &[IdMap::one(inside.1, gid)])
}

fn write_maps(child: Pid, users: &[IdMap], groups: &[IdMap]) -> Result<()> {
    step("map the users", || {
        write_uid_map(Some(child), users, "say which users there are in there")
    })?;
    step("map the groups", || {
        write_gid_map(Some(child), groups, "say which groups there are in there")
    })
}

/// All ids that we have ourselves, under the same numbers.
fn everybody(file: &str) -> Result<Vec<IdMap>> {
    let text = read_small(file.as_ref())
        .map_err(|e| Error::Unusable(format!("{file} cannot be read: {e}")))?;
    let same = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        match numbers.as_slice() {
            [inside, _, count] => Some(IdMap { inside: *inside, outside: *inside, count: *count }),
            _ => None,
        }
    };
    Ok(text.lines().filter_map(same).collect())
}
