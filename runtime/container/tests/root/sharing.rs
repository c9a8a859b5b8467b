//! What does a container share with the host: mounts, and its cgroup?

use std::fs;

use serde_json::json;

use crate::bed::{Bed, By, ordinary, with, without};
use crate::ordinary::{TABLE, has, options};

/// With `rshared`, mounts go to the host and come from it, but not those that make the root.
pub(crate) fn a_root_that_is_shared() {
    let bed = Bed::new();
    fs::create_dir(bed.path("volume")).unwrap();
    let mut config = with(ordinary(), "/volume", &bed.path("volume"), &["rbind", "rshared"]);
    config["linux"]["rootfsPropagation"] = json!("rshared");
    let script = "mount -t tmpfs inner /volume && cat /proc/self/mountinfo";
    config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    bed.write(&config);
    let runtime = bed.command(By::Root, &[]);
    let mut outer = std::process::Command::new("unshare");
    outer.args(["-m", "--propagation", "shared", "sh", "-c"]);
    let before_and_after = "mount -t tmpfs own \"$0\"; cat /proc/self/mountinfo | wc -l; \"$@\" >&2; \
                            cat /proc/self/mountinfo | wc -l; cat /proc/self/mountinfo";
    outer
        .arg(before_and_after)
        .arg(bed.path("volume"))
        .arg(runtime.get_program())
        .args(runtime.get_args());
    let seen = bed.outcome(outer.output().unwrap());
    let (table, said) = (seen.err.clone(), seen.said());
    let counts: Vec<u32> = said.lines().take(2).map(|line| line.parse().unwrap()).collect();
    assert_eq!(counts[1], counts[0] + 1, "{said}{table}");
    assert!(said.contains("- tmpfs inner"), "{said}");
    assert!(options(&table, "/").contains("shared:"), "{table}");
}

pub(crate) fn other_propagations_of_the_root() {
    let bed = Bed::new();
    for (word, wanted) in [("private", ""), ("rslave", ""), ("unbindable", "unbindable")] {
        let mut config = ordinary();
        config["linux"]["rootfsPropagation"] = json!(word);
        let table = bed.run(config, TABLE).said();
        assert!(options(&table, "/").contains(wanted), "{word}: {table}");
        assert!(!table.contains("shared:"), "{word}: {table}");
    }
}

pub(crate) fn cgroups_of_version_one() {
    let bed = Bed::new();
    let mut config = ordinary();
    let look = format!(
        "ls /sys/fs/cgroup; readlink /sys/fs/cgroup/other; touch /sys/fs/cgroup/x; {TABLE}"
    );
    config["process"]["args"] = json!(["/bin/sh", "-c", look]);
    bed.write(&config);
    let table = bed.start(By::Root, &["--cgroups-v1"]).said();
    has(&table, "/sys/fs/cgroup", &["ro", "nosuid", "nodev", "noexec"], &[]);
    has(&table, "/sys/fs/cgroup/memory", &["ro", "nosuid", "nodev", "noexec"], &[]);
    assert!(options(&table, "/sys/fs/cgroup/memory").contains("cgroup cgroup"), "{table}");
    assert!(table.starts_with("cpu\nmemory\nother\ncpu\n"), "{table}");

    // Without a cgroup namespace, and without a word about it, nobody may write there.
    let mut config = without(config, "cgroup");
    config["mounts"][6]["options"] = json!(["nosuid"]);
    bed.write(&config);
    let table = bed.start(By::Root, &["--cgroups-v1"]).said();
    has(&table, "/sys/fs/cgroup", &["ro"], &[]);
    has(&table, "/sys/fs/cgroup/memory", &["ro"], &[]);
}
