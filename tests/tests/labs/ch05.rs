//! Chapter 5: changing the floor.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use tempfile::TempDir;
use tests::places::{NOBODY, Place, has_user_namespaces};
use tests::running::{Ran, Run};
use tests::suite;

/// A test under its name.
type Named = (&'static str, fn(Place));

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let tests: [Named; 13] = [
        ("the-root-is-furnished", the_root_is_furnished),
        ("both-apis-make-the-same-mounts", both_apis_make_the_same_mounts),
        ("devices-are-the-right-ones", devices_are_the_right_ones),
        ("what-is-masked-is-empty", what_is_masked_is_empty),
        ("what-is-read-only-refuses", what_is_read_only_refuses),
        ("what-lies-below-is-read-only-too", what_lies_below_is_read_only_too),
        ("nothing-of-the-old-root-is-left", nothing_of_the_old_root_is_left),
        ("no-escape-from-the-new-root", no_escape_from_the_new_root),
        ("no-escape-by-a-leaked-descriptor", no_escape_by_a_leaked_descriptor),
        ("links-of-a-hostile-root-are-refused", links_of_a_hostile_root_are_refused),
        ("links-do-not-lead-a-mask-out", links_do_not_lead_a_mask_out),
        ("a-root-of-a-directory-and-of-a-tar", a_root_of_a_directory_and_of_a_tar),
        ("a-root-of-programs-runs-them", a_root_of_programs_runs_them),
    ];
    let trial = |(name, test): Named| {
        let name = format!("chapter5/{}/{name}", place.name());
        match has_user_namespaces(place) && Path::new("/bin/busybox").exists() {
            true => suite::test(name, move || test(place)),
            false => suite::skipped(name, "user namespaces, and busybox-static"),
        }
    };
    tests.into_iter().map(trial).collect()
}

const APIS: [&str; 2] = ["classic", "new"];

/// Runs a shell script in a root, after these words of `root run`.
fn inside(place: Place, words: &[&str], script: &str) -> Ran {
    let run = Run::new(place, "chapter5").untraced().flags(["--trace", "off"]);
    let run = run.args(["root", "run"]).args(words).args(["--", "sh", "-c", script]);
    let ran = run.go();
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
    ran
}

/// What a script printed that ended well.
fn said(place: Place, words: &[&str], script: &str) -> String {
    let ran = inside(place, words, script);
    assert_eq!(ran.code, 0, "{:?}: {:?} {:?}", words, ran.stdout, ran.stderr);
    ran.stdout
}

/// The lines of `mountinfo` without the numbers that the kernel gives in turn: what, where, options,
/// kind, source, the file system's own options.
fn table(text: &str) -> BTreeSet<Vec<String>> {
    let line = |line: &str| {
        let fields: Vec<String> = line.split(' ').skip(3).map(str::to_string).collect();
        fields.into_iter().filter(|field| field != "-").collect()
    };
    text.lines().map(line).collect()
}

fn options<'a>(table: &'a BTreeSet<Vec<String>>, at: &str) -> Vec<&'a str> {
    let found = table.iter().find(|fields| fields[1] == at);
    let found = found.unwrap_or_else(|| panic!("nothing is mounted at {at}: {table:?}"));
    found[2].split(',').collect()
}

fn the_root_is_furnished(place: Place) {
    const EXPECTED: [(&str, &str, &[&str]); 7] = [
        ("/proc", "proc", &["nosuid", "nodev", "noexec"]),
        ("/sys", "sysfs", &["ro", "nosuid", "nodev", "noexec"]),
        ("/tmp", "tmpfs", &["nosuid", "nodev"]),
        ("/dev", "tmpfs", &["nosuid", "noexec"]),
        ("/dev/pts", "devpts", &["nosuid", "noexec"]),
        ("/dev/shm", "tmpfs", &["nosuid", "nodev", "noexec"]),
        ("/dev/mqueue", "mqueue", &["nosuid", "nodev", "noexec"]),
    ];
    for api in APIS {
        let mounts = table(&said(place, &["--api", api], "cat /proc/self/mountinfo"));
        for (at, kind, flags) in EXPECTED {
            let found = options(&mounts, at);
            assert!(flags.iter().all(|flag| found.contains(flag)), "{api}: {at} is {found:?}");
            assert!(mounts.iter().any(|fields| fields[1] == at && fields[3] == kind), "{at}");
        }
    }
}

fn both_apis_make_the_same_mounts(place: Place) {
    let words = |api| {
        let limits = ["--read-only", "--mask", "/etc", "--mask", "/proc/version"];
        let paths = ["--readonly-path", "/proc/sys", "--readonly-path", "/dev"];
        [&["--api", api], &limits[..], &paths[..]].concat()
    };
    let script = "cat /proc/self/mountinfo";
    let [classic, new] = APIS.map(|api| table(&said(place, &words(api), script)));
    assert!(classic.len() > 10, "{classic:?}");
    assert_eq!(classic, new);
}

fn devices_are_the_right_ones(place: Place) {
    let devices = "/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty";
    let script = format!(
        "stat -c '%n %F %t:%T %a' {devices}; test /dev/ptmx -ef /dev/pts/ptmx && echo ptmx; \
         echo lost > /dev/null; head -c 3 /dev/zero | wc -c; echo x > /dev/full || echo full; \
         test /dev/stdin -ef /proc/self/fd/0 && echo stdin"
    );
    let nodes = [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)];
    for api in APIS {
        let said = said(place, &["--api", api], &script);
        for (name, minor) in nodes {
            let line = format!("/dev/{name} character special file 1:{minor} 666\n");
            assert!(said.contains(&line), "{api}: no {line:?} in {said:?}");
        }
        assert!(said.contains("/dev/tty character special file 5:0 666\n"), "{said:?}");
        assert!(said.ends_with("ptmx\n3\nfull\nstdin\n"), "{said:?}");
    }
}

fn what_is_masked_is_empty(place: Place) {
    let script = "ls -A /etc; cat /proc/version; touch /etc/new 2>&1; echo x > /proc/version; \
                  cat /proc/version";
    for api in APIS {
        let masks = ["--api", api, "--mask", "/etc", "--mask", "/proc/version", "--mask", "/no"];
        let said = said(place, &masks, script);
        assert_eq!(said, "touch: /etc/new: Read-only file system\n", "{api}");
        let open = self::said(place, &["--api", api], "ls -A /etc; cat /proc/version");
        assert!(open.starts_with("group\npasswd\n") && open.contains("Linux version"), "{open}");
    }
}

fn what_is_read_only_refuses(place: Place) {
    let script = "touch /new /etc/new /tmp/new 2>&1; ls /tmp";
    for api in APIS {
        let expected = "touch: /new: Read-only file system\n\
                        touch: /etc/new: Read-only file system\nnew\n";
        let ran = inside(place, &["--api", api, "--read-only"], script);
        assert_eq!(ran.stdout, expected, "{api}: {:?}", ran.stderr);
        let ran = inside(place, &["--api", api, "--readonly-path", "/etc"], script);
        assert_eq!(ran.stdout, "touch: /etc/new: Read-only file system\nnew\n", "{api}");
        // Something that belongs to the namespaces in here, so that root of them may change it.
        let script = "echo 5 2>&1 > /proc/sys/net/ipv4/ip_default_ttl; \
                      cat /proc/sys/net/ipv4/ip_default_ttl";
        let changed = said(place, &["--api", api], script);
        assert_eq!(changed, "5\n", "it can be changed when nobody protects it");
        let ran = inside(place, &["--api", api, "--readonly-path", "/proc/sys"], script);
        let refused = ran.stdout.contains("Read-only") && !ran.stdout.ends_with("\n5\n");
        assert!(refused, "{api}: {ran:?}");
    }
}

/// A mount below is another mount, with options of its own.
fn what_lies_below_is_read_only_too(place: Place) {
    for api in APIS {
        let words = ["--api", api, "--readonly-path", "/dev"];
        let ran = inside(place, &words, "touch /dev/new /dev/shm/new 2>&1; echo x > /dev/null");
        let expected = "touch: /dev/new: Read-only file system\n\
                        touch: /dev/shm/new: Read-only file system\n";
        assert_eq!(ran.stdout, expected, "{api}");
        // Its options besides are what they were.
        let mounts = table(&said(place, &words, "cat /proc/self/mountinfo"));
        let shm = mounts.iter().filter(|fields| fields[1] == "/dev/shm");
        let shm: Vec<&str> = shm.map(|fields| fields[2].as_str()).collect();
        assert!(shm.contains(&"ro,nosuid,nodev,noexec,relatime"), "{api}: {shm:?}");
    }
}

fn nothing_of_the_old_root_is_left(place: Place) {
    let script = "grep -c . /proc/self/mountinfo; ls -d /../mnt /../../mnt 2>&1";
    for api in APIS {
        let ran = inside(place, &["--api", api], script);
        assert!(ran.stdout.contains("/../mnt: No such file"), "{api}: {:?}", ran.stdout);
        let mounts: usize = ran.stdout.lines().next().unwrap_or("").parse().expect("a count");
        assert!(mounts <= 14, "{mounts} mounts are more than we have made");
        let before = inside(place, &["--api", api, "--without", "drop the old floor"], script);
        assert!(before.stdout.contains("\n/../mnt\n"), "the old root should be there: {before:?}");
    }
    // The same, as others see it.
    let run = Run::new(place, "chapter5").untraced().flags(["--trace", "off"]);
    let run = run.args(["root", "run", "--", "sh", "-c", "echo here; exec sleep 60"]);
    let mut child = run.start();
    let ready =
        || fs::read_to_string(run.folder().join("stdout")).is_ok_and(|text| text == "here\n");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !ready() {
        assert!(std::time::Instant::now() < deadline, "the program did not start");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let roots: Vec<usize> = run.processes().into_iter().map(mounts_at_the_root).collect();
    let _ = child.kill();
    let _ = child.wait();
    assert!(roots.contains(&1), "mounts at / by process: {roots:?}");
}

fn mounts_at_the_root(pid: i32) -> usize {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    // Who stands in the root of another namespace sees it as its own.
    let inside = mounts.contains(" /dev/mqueue ") && mounts.contains(" - tmpfs place ");
    if inside {
        mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/")).count()
    } else {
        0
    }
}

fn no_escape_from_the_new_root(place: Place) {
    for by in ["open-directory", "double-chroot"] {
        let escape = |from: &str| {
            let run = Run::new(place, "chapter5").untraced().flags(["--trace", "off"]);
            run.args(["escape", "--by", by, "--from", from]).go()
        };
        let before = escape("chroot");
        assert_eq!(before.code, 0, "the attack should succeed: {before:?}");
        assert!(before.stdout.ends_with("/mnt/secret says: the key is under the mat\n"));
        let after = escape("pivot-root");
        assert_eq!(after.code, 1, "the attack should fail: {after:?}");
        assert!(after.stdout.ends_with("afterwards:  there is no /mnt/secret\n"), "{after:?}");
    }
}

fn no_escape_by_a_leaked_descriptor(place: Place) {
    let leak = ["sh", "-c", "exec 3</; exec \"$@\"", "sh"];
    let look = |flags: &[&str]| {
        let run = Run::new(place, "chapter5").untraced().flags(["--trace", "off"]).flags(flags);
        let script = "cd /proc/self/fd/3 2>/dev/null && head -c 5 etc/passwd && ls -d mnt";
        run.under(leak).args(["root", "run", "--", "sh", "-c", script]).go()
    };
    let before = look(&["--without", "close-the-rest"]);
    assert_eq!(
        (before.code, before.stdout.as_str()),
        (0, "root:mnt\n"),
        "the attack should succeed"
    );
    let after = look(&[]);
    assert!(after.code != 0 && after.stdout.is_empty(), "the attack should fail: {after:?}");
}

/// A folder in which somebody in `place` can work.
fn folder(place: Place) -> TempDir {
    let folder = TempDir::with_prefix("porthole-root-").expect("a temporary folder can be made");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("one's own folder can be opened to others");
    give(place, folder.path());
    folder
}

fn give(place: Place, path: &Path) {
    if place.is_other_user() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root can give a file away");
    }
}

/// A root in `folder`, made as these words say.
fn make(place: Place, folder: &Path, name: &str, words: &[&str]) -> PathBuf {
    let root = folder.join(name);
    fs::create_dir(&root).expect("it is a name that nobody has");
    give(place, &root);
    let run = Run::new(place, "chapter5").untraced().flags(["--trace", "off"]);
    let ran = run.args(["root", "make", &root.to_string_lossy()]).args(words).go();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    root
}

fn links_of_a_hostile_root_are_refused(place: Place) {
    for (name, api) in ["proc", "sys", "tmp", "dev"].into_iter().flat_map(|n| APIS.map(|a| (n, a)))
    {
        for target in ["CANARY", "../canary", "/../../../../CANARY", "nowhere"] {
            let folder = folder(place);
            let canary = folder.path().join("canary");
            fs::create_dir(&canary).expect("a folder of our own");
            give(place, &canary);
            let root = make(place, folder.path(), "root", &[]);
            fs::remove_dir(root.join(name)).expect("it is empty");
            let target = target.replace("CANARY", &canary.to_string_lossy());
            symlink(&target, root.join(name)).expect("its name is free");
            let ran = inside(place, &["--api", api, &root.to_string_lossy()], "true");
            assert_eq!(ran.code, 125, "{name} -> {target}: {ran:?}");
            let says = format!("/{name} of the root is a link to {target}");
            assert!(ran.stderr.contains(&says), "{}", ran.stderr);
            let made = fs::read_dir(&canary).expect("it is there").count();
            assert_eq!(made, 0, "something was made in the canary by way of {name}");
        }
    }
}

fn links_do_not_lead_a_mask_out(place: Place) {
    let folder = folder(place);
    let canary = folder.path().join("canary");
    fs::create_dir(&canary).expect("a folder of our own");
    fs::write(canary.join("passwd"), "alive").expect("a file in it");
    let root = make(place, folder.path(), "root", &[]);
    fs::remove_dir_all(root.join("etc")).expect("our own");
    symlink(&canary, root.join("etc")).expect("its name is free");
    for api in APIS {
        let root = root.to_string_lossy().into_owned();
        let words = ["--api", api, "--mask", "/etc/passwd", "--readonly-path", "/etc", &root];
        let ran = inside(place, &words, "cat /etc/passwd");
        assert!(ran.code == 1 && !ran.stdout.contains("alive"), "{ran:?}");
        assert_eq!(fs::read_to_string(canary.join("passwd")).expect("it is there"), "alive");
    }
}

fn a_root_of_a_directory_and_of_a_tar(place: Place) {
    let folder = folder(place);
    let first = make(place, folder.path(), "first", &[]);
    let tar = folder.path().join("first.tar.gz");
    let packed = std::process::Command::new("tar")
        .args(["-czf", &tar.to_string_lossy(), "-C", &first.to_string_lossy(), "."])
        .status();
    assert!(packed.is_ok_and(|status| status.success()), "tar makes an archive");
    give(place, &tar);
    let copy = make(place, folder.path(), "copy", &["--from-dir", &first.to_string_lossy()]);
    let unpacked = make(place, folder.path(), "unpacked", &["--from-tar", &tar.to_string_lossy()]);
    for root in [first, copy, unpacked] {
        let said = said(place, &[&root.to_string_lossy()], "id -u; ls -l /bin/sh; stat -c %a /tmp");
        assert!(said.starts_with("0\n") && said.ends_with("1777\n"), "{said:?}");
        assert!(said.contains("/bin/sh -> busybox"), "{said:?}");
    }
}

fn a_root_of_programs_runs_them(place: Place) {
    let folder = folder(place);
    let words = ["--program", "sh", "--program", "id", "--program", "ls"];
    let root = make(place, folder.path(), "root", &words);
    let said = said(place, &[&root.to_string_lossy()], "id -u; ls -d /lib* /etc");
    assert!(said.starts_with("0\n") && said.contains("/etc\n"), "{said:?}");
}
