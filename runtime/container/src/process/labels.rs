//! What do security modules know the process as?
//!
//! They take a label for the next program. It is said to the kernel through `/proc`, and so it must be
//! seen that it is really the kernel who reads it (CVE-2019-16884, CVE-2025-52881).

use bundle::Process;
use primitives::{Error, Result, step, write_own_proc};

/// Tells AppArmor and SELinux which profile and which label the next program has. To be called in the
/// container, just before the user changes.
///
/// # Errors
/// When a label is asked for and this machine's kernel does not have the module: a program that should
/// be confined must not run unconfined.
pub fn take_on_labels(process: &Process) -> Result<()> {
    if let Some(profile) = process.apparmor_profile.as_ref().filter(|name| !name.is_empty()) {
        step("enter the AppArmor profile", || apparmor(profile))?;
    }
    if let Some(label) = process.selinux_label.as_ref().filter(|name| !name.is_empty()) {
        step("take on the SELinux label", || selinux(label))?;
    }
    Ok(())
}

fn apparmor(profile: &str) -> Result<()> {
    let why = "confine the program from its first instruction on";
    let order = format!("exec {profile}");
    // Since Linux 5.1 each module has a directory of its own; before, there was one for all.
    if std::fs::metadata("/proc/self/attr/apparmor/exec").is_ok() {
        return write_own_proc("attr/apparmor/exec", &order, why);
    }
    match std::fs::read("/sys/module/apparmor/parameters/enabled") {
        Ok(text) if text.starts_with(b"Y") => write_own_proc("attr/exec", &order, why),
        _ => Err(Error::Unusable(format!(
            "process.apparmorProfile is {profile:?}, but this kernel runs without AppArmor"
        ))),
    }
}

fn selinux(label: &str) -> Result<()> {
    let enabled = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !enabled.lines().any(|line| line.ends_with("\tselinuxfs")) {
        return Err(Error::Unusable(format!(
            "process.selinuxLabel is {label:?}, but this kernel runs without SELinux"
        )));
    }
    write_own_proc("attr/exec", label, "label the program from its first instruction on")
}
