//! What is a process capable of? Read from outside it, where the kernel tells.

use primitives::{Error, Pid, Result, SecureBits, Status, capabilities_of, own_securebits};

/// Prints the five sets of a process, by name.
pub(crate) fn show(pid: Option<Pid>) -> Result<Status> {
    print(pid)?;
    Ok(Status::Exited(0))
}

// ANCHOR: print
/// Prints what `/proc/PID/status` says, and what only the process itself can ask for.
pub(crate) fn print(pid: Option<Pid>) -> Result<u8> {
    let who = pid.map_or("self".to_string(), |pid| pid.to_string());
    let state = capabilities_of(pid)
        .map_err(|e| Error::Unusable(format!("/proc/{who}/status cannot be read: {e}")))?;
    println!("permitted:    {}", state.sets.permitted);
    println!("effective:    {}", state.sets.effective);
    println!("inheritable:  {}", state.sets.inheritable);
    println!("bounding:     {}", state.bounding);
    println!("ambient:      {}", state.ambient);
    println!("no_new_privs: {}", if state.no_new_privs { "yes" } else { "no" });
    println!("securebits:   {}", pid.map_or_else(|| bits(own_securebits()), |_| hidden()));
    Ok(0)
}
// ANCHOR_END: print

fn hidden() -> String {
    "the kernel tells them to the process alone".to_string()
}

fn bits(bits: SecureBits) -> String {
    let names: Vec<&str> = bits.iter_names().map(|(name, _)| name).collect();
    if names.is_empty() { "none".to_string() } else { names.join("|") }
}
