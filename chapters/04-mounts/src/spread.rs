//! Who sees a mount that somebody else has made?
//!
//! Three processes: ours watches; its child plays the host of the experiment, in namespaces that
//! hold whatever goes wrong; and the child's child is the inside, with a copy of that host's view.
//! Each of the two mounts something below a directory that both have, and looks for the other's.

use std::path::{Path, PathBuf};

use primitives::{
    Birth, Child, MsFlags, Namespaces, Result, Status, ToParent, mkdir, mount_change, mount_new,
    spawn, step, step_giving,
};

use crate::inside::{contained, empty_place, run_inside};
use crate::mountinfo::is_mounted;
use crate::propagation::Propagation;

/// Shows whether mounts spread, both ways.
pub(crate) fn spread(propagation: Propagation) -> Result<Status> {
    run_inside(contained(), |_| be_the_outside(propagation))
}

/// Where each of the two mounts something.
struct Places {
    inside: PathBuf,
    outside: PathBuf,
}

// ANCHOR: outside
fn be_the_outside(propagation: Propagation) -> Result<u8> {
    let place = empty_place()?;
    let places = step_giving("make two mount points", || mount_points(&place))?;
    step("share the place", || {
        mount_change(&place, MsFlags::MS_SHARED, "be a host whose mounts spread, as most are")
    })?;
    let mut inside = step_giving("make the inside", || make_inside(&places, propagation))?;
    let seen = step_giving("look from outside", || {
        inside.meet("mounted", "not look before the inside has mounted something")?;
        is_mounted(&places.inside)
    })?;
    println!("mounted inside,  seen outside: {}", yes_or_no(seen));
    step("mount outside", || mount_at(&places.outside, "see whether the inside sees it"))?;
    step("let it look", || inside.release("tell the inside that there is something to see"))?;
    let status =
        step_giving("take the inside's status", || inside.finish("wait until it has looked"))?;
    Ok(status.code())
}
// ANCHOR_END: outside

fn make_inside(places: &Places, propagation: Propagation) -> Result<Child> {
    let birth = Birth { namespaces: Namespaces::CLONE_NEWNS, cgroup: None };
    let why = "have a process that starts with a copy of our mounts";
    spawn("inside", birth, why, |parent| be_the_inside(parent, places, propagation))
}

// ANCHOR: inside
fn be_the_inside(parent: &ToParent, places: &Places, propagation: Propagation) -> Result<u8> {
    propagation.set()?;
    step("mount inside", || mount_at(&places.inside, "see whether the outside sees it"))?;
    let seen = step_giving("look from inside", || {
        parent.arrive("mounted", "let the outside look")?;
        parent.wait("not look before the outside has mounted something")?;
        is_mounted(&places.outside)
    })?;
    println!("mounted outside, seen inside:  {}", yes_or_no(seen));
    Ok(0)
}
// ANCHOR_END: inside

fn mount_points(place: &Path) -> Result<Places> {
    let places = Places { inside: place.join("inside"), outside: place.join("outside") };
    mkdir(&places.inside, 0o755, "let the inside mount something there")?;
    mkdir(&places.outside, 0o755, "let the outside mount something there")?;
    Ok(places)
}

fn mount_at(place: &Path, why: &'static str) -> Result<()> {
    mount_new("something", place, "tmpfs", MsFlags::empty(), None, why)
}

fn yes_or_no(seen: bool) -> &'static str {
    if seen { "yes" } else { "no" }
}
