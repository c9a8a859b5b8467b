//! What is left of a process that may do everything, when it gives up one thing?
//!
//! The child is the master of a user namespace and of the host name in it. Nobody has said who it
//! is, so it is user 65534, "nobody": not the number of the user counts, but what it is capable of.

use primitives::{
    Birth, Capabilities, CapabilitySets, Errno, Error, Namespaces, Result, Status, capabilities_of,
    capset, hostname, own_ids, sethostname, spawn, step, step_giving,
};

/// Gives up one capability of 41, and looks what cannot be done any more.
pub(crate) fn give_one_up() -> Result<Status> {
    let namespaces = Namespaces::CLONE_NEWUSER | Namespaces::CLONE_NEWUTS;
    let child = step_giving("make a child", || {
        let birth = Birth { namespaces, cgroup: None };
        spawn("child", birth, "have a process with all capabilities", |_| live_inside())
    })?;
    step_giving("take its status", || child.finish("wait until it has tried"))
}

// ANCHOR: demonstration
fn live_inside() -> Result<u8> {
    let admin = named("CAP_SYS_ADMIN")?;
    step("take a name", || sethostname("porthole", "see what it is capable of"))?;
    say_what_it_has();
    step("give it up", || have(Capabilities::all().without(admin), "be capable of less"))?;
    say_what_it_has();
    step("try again", || try_to("change the name", sethostname("again", "see that it cannot")))?;
    step("take it back", || {
        try_to("take it back", have(Capabilities::all(), "see that what is gone is gone"))
    })?;
    Ok(0)
}

/// Has these, all of them switched on, and none to hand on.
fn have(set: Capabilities, why: &'static str) -> Result<()> {
    let inheritable = Capabilities::NONE;
    capset(CapabilitySets { effective: set, permitted: set, inheritable }, why)
}
// ANCHOR_END: demonstration

/// One of the capabilities by its name.
pub(crate) fn named(name: &str) -> Result<Capabilities> {
    let missing = || Error::Unusable(format!("this kernel has no {name}"));
    Capabilities::named(name).ok_or_else(missing)
}

fn say_what_it_has() {
    let count = capabilities_of(None).map_or(0, |state| state.sets.effective.count());
    println!("user {}, {count} capabilities: the name is {}", own_ids().0, hostname());
}

/// The kernel is expected to say EPERM. Whatever else goes wrong is an error, and so is a refusal
/// that the kernel knows nothing of.
fn try_to(what: &str, result: Result<()>) -> Result<()> {
    match result {
        Ok(()) => println!("it can still {what}"),
        Err(Error::Request(refusal)) if refusal.errno == Errno::EPERM && !refusal.here => {
            println!("it cannot {what}");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
