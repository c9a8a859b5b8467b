//! What does a program find in a root that nobody meant harm with?

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use serde_json::json;

use crate::bed::{Bed, By, ordinary, push, rootless, with, with_new, without};

/// What a mountinfo says of the mount at a path after the path: its options, with whom it shares, the
/// file system and the options of that.
pub(crate) fn options<'a>(table: &'a str, path: &str) -> &'a str {
    let at = |line: &&str| line.split(' ').nth(4) == Some(path);
    let line = table.lines().rev().find(at);
    let line = line.unwrap_or_else(|| panic!("{path} is no mount in\n{table}"));
    line.splitn(6, ' ').last().unwrap()
}

/// The mount at a path has these options, and not those.
pub(crate) fn has(table: &str, path: &str, wanted: &[&str], unwanted: &[&str]) {
    let options: Vec<&str> =
        options(table, path).trim().split(' ').next().unwrap().split(',').collect();
    for option in wanted {
        assert!(options.contains(option), "{path} lacks {option}: {options:?}");
    }
    for option in unwanted {
        assert!(!options.contains(option), "{path} has {option}: {options:?}");
    }
}

pub(crate) const TABLE: &str = "cat /proc/self/mountinfo";

pub(crate) fn the_mounts_of_runc() {
    let bed = Bed::new();
    let table = bed.run(ordinary(), TABLE).said();
    has(&table, "/", &["ro"], &[]);
    has(&table, "/proc", &["rw", "relatime"], &["nosuid"]);
    has(&table, "/dev", &["rw", "nosuid"], &["relatime", "noatime"]);
    has(&table, "/dev/pts", &["rw", "nosuid", "noexec", "relatime"], &["nodev"]);
    assert!(options(&table, "/dev/pts").ends_with("gid=5,mode=620,ptmxmode=666"), "{table}");
    has(&table, "/dev/shm", &["nosuid", "noexec", "nodev"], &[]);
    has(&table, "/dev/mqueue", &["nosuid", "noexec", "nodev"], &[]);
    has(&table, "/sys", &["ro", "nosuid", "noexec", "nodev"], &[]);
    has(&table, "/sys/fs/cgroup", &["ro", "nosuid", "noexec", "nodev"], &[]);
    for path in ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"] {
        has(&table, path, &["ro"], &[]);
    }
    let elsewhere = table.lines().filter(|line| line.contains(" shared:")).count();
    assert_eq!(elsewhere, 0, "{table}");
    assert!(!table.contains("rootfs/"), "something of the old root is left: {table}");
}

pub(crate) fn devices_and_links() {
    let bed = Bed::new();
    let look = "stat -c '%n %F %t:%T %a %u:%g' /dev/null /dev/zero /dev/full /dev/random /dev/urandom \
                /dev/tty; for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; umask; pwd";
    let said = bed.run(ordinary(), look).said();
    let expected = "/dev/null character special file 1:3 666 0:0\n\
                    /dev/zero character special file 1:5 666 0:0\n\
                    /dev/full character special file 1:7 666 0:0\n\
                    /dev/random character special file 1:8 666 0:0\n\
                    /dev/urandom character special file 1:9 666 0:0\n\
                    /dev/tty character special file 5:0 666 0:0\n\
                    /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n\
                    0022\n/\n";
    assert_eq!(said, expected);
}

pub(crate) fn devices_of_the_configuration() {
    let bed = Bed::new();
    let mut config = ordinary();
    config["linux"]["devices"] = json!([
        {"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o640, "uid": 7,
         "gid": 8},
        {"path": "/dev/disk", "type": "b", "major": 254, "minor": 0},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
    ]);
    let look = "stat -c '%F %t:%T %a %u:%g' /dev/net/tun /dev/disk; stat -c '%F %a' /dev/pipe";
    let said = bed.run(config, look).said();
    let expected =
        "character special file a:c8 640 7:8\nblock special file fe:0 666 0:0\nfifo 600\n";
    assert_eq!(said, expected);
}

pub(crate) fn covered_paths() {
    let bed = Bed::new();
    let mut config = ordinary();
    config["linux"]["maskedPaths"] =
        json!(["/proc/keys", "/proc/timer_list", "/etc", "/root", "/none"]);
    config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/tmp", "/nothing"]);
    config["root"]["readonly"] = json!(false);
    let look = "stat -c '%F %t:%T' /proc/keys /proc/timer_list; ls -A /etc /root; touch /ok; \
                touch /tmp/x /etc/x /root/x 2>&1; echo 1 2>&1 >/proc/sys/vm/swappiness";
    let said = bed.run(config, look);
    let null = "character special file 1:3\n";
    let expected = format!("{null}{null}/etc:\n\n/root:\n");
    assert!(said.out.starts_with(&expected), "{}", said.out);
    assert_eq!(said.out.matches("Read-only file system").count(), 4, "{}", said.out);
    assert!(bed.root("/ok").exists());
}

pub(crate) fn an_ordinary_user() {
    let bed = Bed::new();
    let mut config = rootless(65534, 1);
    let look = "cat /proc/self/mountinfo >&2; stat -c '%n %F %t:%T' /dev/null /dev/tty /proc/keys; \
                echo > /dev/null; id -u; echo $(cat /proc/self/uid_map)";
    config["process"]["args"] = json!(["/bin/sh", "-c", look]);
    bed.write(&config);
    let seen = bed.start(By::Nobody, &[]);
    let table = seen.err.clone();
    let expected = "/dev/null character special file 1:3\n/dev/tty character special file 5:0\n\
                    /proc/keys character special file 1:3\n0\n0 65534 1\n";
    assert_eq!(seen.said(), expected);
    has(&table, "/sys", &["ro", "nosuid", "noexec", "nodev"], &[]);
    has(&table, "/proc/sys", &["ro"], &[]);
}

pub(crate) fn an_ordinary_user_without_a_network_of_its_own() {
    let bed = Bed::new();
    let mut config = without(rootless(65534, 1), "network");
    config["process"]["args"] = json!(["/bin/sh", "-c", TABLE]);
    bed.write(&config);
    let table = bed.start(By::Nobody, &[]).said();
    has(&table, "/sys", &["ro", "nosuid", "noexec", "nodev"], &[]);
    assert!(options(&table, "/sys").contains("sysfs"), "{table}");
}

pub(crate) fn sources_that_the_user_namespace_cannot_reach() {
    let bed = Bed::new();
    fs::create_dir_all(bed.path("closed/in")).unwrap();
    fs::write(bed.path("closed/in/file"), "reached\n").unwrap();
    fs::set_permissions(bed.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let config = with(rootless(100_000, 65536), "/tmp/in", &bed.path("closed/in"), &["bind", "ro"]);
    chown(bed.root("/tmp"), Some(100_000), Some(100_000)).unwrap();
    let said = bed.run(config, &format!("cat /tmp/in/file; {TABLE}")).said();
    assert!(said.starts_with("reached\n"), "{said}");
    has(&said, "/tmp/in", &["ro"], &[]);
}

/// What the host has as read-only stays that, also for root of a user namespace.
pub(crate) fn what_the_host_forbids_stays_forbidden() {
    let bed = Bed::new();
    fs::create_dir(bed.path("volume")).unwrap();
    chown(bed.root("/tmp"), Some(100_000), Some(100_000)).unwrap();
    let mut config = with(rootless(100_000, 65536), "/tmp/in", &bed.path("volume"), &["bind"]);
    let script = format!("mount -o remount,bind,rw /tmp/in; {TABLE}");
    config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    bed.write(&config);
    let runtime = bed.command(By::Root, &[]);
    let mut outer = std::process::Command::new("unshare");
    outer.args(["-m", "sh", "-c", "mount -t tmpfs -o ro x $0; \"$@\""]);
    outer.arg(bed.path("volume")).arg(runtime.get_program()).args(runtime.get_args());
    let table = bed.outcome(outer.output().unwrap()).said();
    has(&table, "/tmp/in", &["ro"], &[]);
}

pub(crate) fn binds() {
    let bed = Bed::new();
    fs::create_dir_all(bed.path("volume/sub")).unwrap();
    fs::write(bed.path("volume/file"), "of the host\n").unwrap();
    let mut config =
        with(ordinary(), "/data/deep/er", &bed.path("volume"), &["rbind", "rw", "nosuid"]);
    config = with(config, "/etc/new", &bed.path("volume/file"), &["bind", "ro", "noexec"]);
    config = with(config, "/etc/passwd", &bed.path("volume/file"), &["bind", "rslave"]);
    config = with(config, "/dev/extra", &bed.path("volume"), &["rbind", "rshared", "noatime"]);
    config = with(config, "/all", Path::new("/sys"), &["rbind", "rro", "rnosymfollow"]);
    let said =
        bed.run(config, &format!("cat /data/deep/er/file /etc/new /etc/passwd; {TABLE}")).said();
    assert!(said.starts_with("of the host\nof the host\nof the host\n"), "{said}");
    has(&said, "/data/deep/er", &["rw", "nosuid"], &["ro"]);
    has(&said, "/etc/new", &["ro", "noexec"], &[]);
    has(&said, "/dev/extra", &["noatime"], &["relatime"]);
    assert!(options(&said, "/dev/extra").contains("shared:"), "{said}");
    for line in said.lines().filter(|line| line.contains(" /all")) {
        let path = line.split(' ').nth(4).unwrap();
        has(&said, path, &["ro", "nosymfollow"], &[]);
    }
    assert!(bed.root("/data/deep/er").is_dir());
}

/// Images have `/etc/resolv.conf` as a link to what only a running system has, and engines bind onto it.
pub(crate) fn a_link_to_what_is_not_there() {
    let bed = Bed::new();
    fs::write(bed.path("resolv.conf"), "nameserver\n").unwrap();
    symlink("../run/systemd/resolve/stub.conf", bed.root("/etc/resolv.conf")).unwrap();
    symlink("/var/run", bed.root("/run")).unwrap();
    let config = with(ordinary(), "/etc/resolv.conf", &bed.path("resolv.conf"), &["bind", "ro"]);
    assert_eq!(bed.run(config, "cat /etc/resolv.conf").said(), "nameserver\n");
    assert!(bed.root("/var/run/systemd/resolve/stub.conf").is_file());
}

/// A volume whose files belong to 1000 and 1001, shown as 7 and as nobody.
fn volume_of_others(bed: &Bed) -> serde_json::Value {
    fs::create_dir(bed.path("volume")).unwrap();
    for (name, id) in [("one", 1000), ("two", 1001)] {
        fs::write(bed.path("volume").join(name), "").unwrap();
        chown(bed.path("volume").join(name), Some(id), Some(id)).unwrap();
    }
    let mut config = with(ordinary(), "/volume", &bed.path("volume"), &["bind"]);
    let map = json!([{"containerID": 1000, "hostID": 7, "size": 1}]);
    config["mounts"][7]["uidMappings"] = map.clone();
    config["mounts"][7]["gidMappings"] = map;
    config
}

/// Not every file system can: mount_setattr(2) has the list.
pub(crate) fn owners_can_be_shown() -> bool {
    let bed = Bed::new();
    !bed.run(volume_of_others(&bed), "true").err.contains("cannot show other owners")
}

pub(crate) fn other_owners() {
    let bed = Bed::new();
    let config = volume_of_others(&bed);
    let said = bed.run(config, "stat -c '%u:%g' /volume/one /volume/two").said();
    assert_eq!(said, "7:7\n65534:65534\n");

    chown(bed.path("volume/one"), Some(0), Some(0)).unwrap();
    chown(bed.root("/tmp"), Some(100_000), Some(100_000)).unwrap();
    let config = with(rootless(100_000, 65536), "/tmp/v", &bed.path("volume"), &["bind", "idmap"]);
    let said = bed.run(config, "stat -c '%u:%g' /tmp/v/one /tmp/v/two").said();
    assert_eq!(said, "0:0\n1001:1001\n");
}

pub(crate) fn a_tmpfs_that_begins_with_what_it_hides() {
    let bed = Bed::new();
    let etc = bed.root("/etc");
    fs::create_dir(etc.join("sub")).unwrap();
    fs::write(etc.join("sub/file"), "copied\n").unwrap();
    chown(etc.join("sub/file"), Some(3), Some(4)).unwrap();
    fs::set_permissions(etc.join("sub/file"), fs::Permissions::from_mode(0o4711)).unwrap();
    symlink(bed.path("canary/file"), etc.join("link")).unwrap();
    let config = with_new(ordinary(), "/etc", "tmpfs", &["tmpcopyup", "ro", "nodev"]);
    let look = "cat /etc/sub/file; stat -c '%a %u:%g' /etc/sub/file /etc; readlink /etc/link; \
                touch /etc/x || cat /proc/self/mountinfo";
    let said = bed.run(config, look).said();
    let expected = format!("copied\n4711 3:4\n755 0:0\n{}\n", bed.path("canary/file").display());
    assert!(said.starts_with(&expected), "{said}");
    has(&said, "/etc", &["ro", "nodev"], &[]);
}

pub(crate) fn a_tmpfs_has_the_mode_of_what_it_hides() {
    let bed = Bed::new();
    let mut config = with_new(ordinary(), "/tmp", "tmpfs", &[]);
    config = with_new(config, "/root", "tmpfs", &["mode=711"]);
    let said = bed.run(config, "stat -c %a /tmp /root").said();
    assert_eq!(said, "1777\n711\n");
}

pub(crate) fn what_is_filled_is_closed() {
    let bed = Bed::new();
    let mut config = ordinary();
    push(&mut config["mounts"][1]["options"], json!("ro"));
    config = with_new(config, "/run", "tmpfs", &["ro"]);
    config = with(config, "/run/in/side", &bed.path("canary"), &["bind", "ro"]);
    let said =
        bed.run(config, "touch /dev/x /run/x; cat /run/in/side/file; test -c /dev/null").said();
    assert_eq!(said, "canary\n");
}

pub(crate) fn a_second_word_on_a_mount() {
    let bed = Bed::new();
    let mut config = with(ordinary(), "/data", &bed.path("canary"), &["bind", "nosuid"]);
    config = with(config, "/data", Path::new("none"), &["bind", "remount", "ro", "nodev"]);
    config = with_new(config, "/tmp", "tmpfs", &["size=1m"]);
    config = with_new(config, "/tmp", "tmpfs", &["remount", "size=2m", "noexec"]);
    let table = bed.run(config, TABLE).said();
    has(&table, "/data", &["ro", "nosuid", "nodev"], &[]);
    has(&table, "/tmp", &["noexec"], &[]);
    assert!(options(&table, "/tmp").contains("size=2048k"), "{table}");
}

pub(crate) fn options_longer_than_fsconfig_takes() {
    let bed = Bed::new();
    let mut layers = Vec::new();
    for index in 0..6 {
        let layer = bed.path(&format!("{index}{}", "x".repeat(60)));
        fs::create_dir(&layer).unwrap();
        fs::write(layer.join(format!("file{index}")), "").unwrap();
        layers.push(layer.display().to_string());
    }
    let lower = format!("lowerdir={}", layers.join(":"));
    let config = with_new(ordinary(), "/data", "overlay", &["ro", "nodev", &lower]);
    let said = bed.run(config, &format!("echo /data/*; {TABLE}")).said();
    assert!(said.starts_with("/data/file0 /data/file1"), "{said}");
    has(&said, "/data", &["ro", "nodev"], &[]);
}

pub(crate) fn nothing_comes_over_proc() {
    let bed = Bed::new();
    symlink("proc", bed.root("/also")).unwrap();
    fs::create_dir(bed.root("/old")).unwrap();
    let canary = bed.path("canary");
    for (config, words) in [
        (with(ordinary(), "/proc/self/attr", &canary, &["bind"]), "/proc/self/attr"),
        (with(ordinary(), "/also/self/attr", &canary, &["bind"]), "/also/self/attr"),
        (with(ordinary(), "/etc/../proc/sys/kernel", &canary, &["bind"]), "/proc/sys/kernel"),
        (with(ordinary(), "/proc", &canary, &["bind"]), "only proc itself"),
        (with_new(ordinary(), "/proc", "tmpfs", &[]), "only proc itself"),
        (with_new(ordinary(), "/proc/scsi", "tmpfs", &[]), "/proc/scsi"),
    ] {
        bed.run(config, "true").refused(words);
    }
    let config = with(ordinary(), "/proc/cpuinfo", &canary.join("file"), &["bind", "ro"]);
    assert_eq!(bed.run(config, "cat /proc/cpuinfo").said(), "canary\n");
    let config = with(ordinary(), "/proc", Path::new("/proc"), &["rbind"]);
    let said = bed.run(without(config, "pid"), "test -d /proc/1 && echo there").said();
    assert_eq!(said, "there\n");
}

pub(crate) fn no_pivot() {
    let bed = Bed::new();
    let mut config = ordinary();
    let look = "ls -A /; cat /proc/self/mountinfo | wc -l";
    config["process"]["args"] = json!(["/bin/sh", "-c", look]);
    bed.write(&config);
    let said = bed.start(By::Root, &["--no-pivot"]).said();
    assert!(said.starts_with("bin\ndev\netc\nproc\n"), "{said}");
}

pub(crate) fn a_root_that_is_no_directory() {
    let bed = Bed::new();
    let mut config = ordinary();
    config["root"]["path"] = json!("config.json");
    bed.run(config.clone(), "true").refused("is no directory");
    config["root"]["path"] = json!("nowhere");
    bed.run(config, "true").refused("ENOENT");
}

pub(crate) fn a_wrong_option_is_told_in_the_words_of_the_kernel() {
    let bed = Bed::new();
    let config = with_new(ordinary(), "/tmp", "tmpfs", &["size=many"]);
    let refused = bed.run(config, "true");
    refused.refused("for /tmp");
    refused.refused("the kernel: tmpfs: Bad value for 'size'");
}

pub(crate) fn a_dev_of_the_host_is_left_alone() {
    let bed = Bed::new();
    fs::create_dir(bed.path("dev")).unwrap();
    let mut config = ordinary();
    config["mounts"] = json!([
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "source": bed.path("dev"), "options": ["rbind"]},
    ]);
    config["linux"]["maskedPaths"] = json!([]);
    bed.run(config, "true").said();
    assert_eq!(fs::read_dir(bed.path("dev")).unwrap().count(), 0);
}

/// A root without a mount on its `/dev` keeps what is made in it, so the next run finds it.
pub(crate) fn devices_stay_where_dev_is_the_roots_own() {
    let bed = Bed::new();
    let mut config = ordinary();
    config["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
    fs::write(bed.root("/dev/zero"), "").unwrap();
    for _ in 0..2 {
        let said = bed.run(config.clone(), "stat -c %t:%T /dev/null /dev/zero").said();
        assert_eq!(said, "1:3\n1:5\n");
    }
    assert_eq!(fs::metadata(bed.root("/dev/null")).unwrap().rdev(), 0x103);
    assert!(fs::metadata(bed.root("/dev/zero")).unwrap().is_file());
}
