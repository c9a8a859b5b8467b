//! Who am I? The answer depends on where one stands.

use primitives::{Result, Status, namespaces_of, own_ids, read_small};

/// Prints who this process is.
pub(crate) fn whoami() -> Result<Status> {
    print()?;
    let user = namespaces_of(None).unwrap_or_default();
    if let Some(namespace) = user.iter().find(|namespace| namespace.name == "user") {
        println!("user namespace: {}", namespace.inode);
    }
    Ok(Status::Exited(0))
}

// ANCHOR: print
/// Prints ids and capabilities, as the kernel shows them to this process.
pub(crate) fn print() -> Result<u8> {
    let (uid, gid) = own_ids();
    println!("user {uid}{}, group {gid}{}", remark(uid), remark(gid));
    println!("capabilities in effect: {}", capabilities());
    Ok(0)
}
// ANCHOR_END: print

fn remark(id: u32) -> &'static str {
    match id {
        0 => " (root)",
        65534 => " (nobody: this id has no name in here)",
        _ => "",
    }
}

/// How many capabilities are in effect, from the bits in `/proc/self/status`.
fn capabilities() -> String {
    let status = read_small("/proc/self/status".as_ref()).unwrap_or_default();
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or("").trim();
    match u64::from_str_radix(hex, 16).map(u64::count_ones) {
        Ok(0) => "none".to_string(),
        Ok(count) => format!("{count}"),
        Err(_) => "unknown".to_string(),
    }
}
