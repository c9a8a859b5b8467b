//! Chapter 4: a view of files. What the programs say is asked of others: mount(8), findmnt(8), the
//! kernel's own lists. Both attacks succeed here; their defence is chapter 5.

use std::fs;

use libtest_mimic::Trial;
use tests::places::{Place, has_program, has_user_namespaces};
use tests::running::{Ran, Run};
use tests::suite;

/// A test of a program of this chapter, and the program of util-linux that it asks.
type Named = (&'static str, &'static str, fn(Place));

/// What is seen of this chapter's programs from outside, and its attacks before and after their defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let tests: [Named; 13] = [
        ("private-spreads-nowhere", "mount", |place| spreads(place, "private", "")),
        ("slave-spreads-inwards", "mount", |place| spreads(place, "slave", "inside ")),
        ("shared-spreads-both-ways", "mount", |place| spreads(place, "shared", "outside inside ")),
        ("uncut-spreads-to-the-outside", "mount", uncut_spreads),
        ("only-the-child-is-covered", "unshare", only_the_child_is_covered),
        ("read-only-takes-two-calls", "touch", read_only_takes_two_calls),
        ("read-only-keeps-locked-options", "unshare", read_only_keeps_locked_options),
        ("show-agrees-with-findmnt", "findmnt", show_agrees_with_findmnt),
        ("hostile-names-are-escaped", "mount", hostile_names_are_escaped),
        ("chroot-makes-a-root", "unshare", chroot_makes_a_root),
        ("out-by-an-open-directory", "cat", |place| walks_out(place, "open-directory")),
        ("out-by-a-double-chroot", "cat", |place| walks_out(place, "double-chroot")),
        ("no-user-namespace-in-a-chroot", "unshare", no_user_namespace_in_a_chroot),
    ];
    let trial = |(name, needed, test): Named| {
        let name = format!("ch04/{}/{name}", place.name());
        match (has_user_namespaces(place), has_program(needed)) {
            (true, true) => suite::test(name, move || test(place)),
            (false, _) => suite::skipped(name, "user namespaces"),
            (_, false) => suite::skipped(name, needed),
        }
    };
    tests.into_iter().map(trial).collect()
}

/// The outside of these tests: a host whose mounts spread, in a mount namespace that nobody else is
/// in. It runs `script`, which finds the program under test in `"$@"`.
fn on_a_host(script: &str) -> [&str; 8] {
    ["unshare", "-rm", "--propagation", "shared", "sh", "-ec", script, "sh"]
}

fn run(place: Place, args: &[&str]) -> Run {
    Run::new(place, "chapter4").untraced().args(["--trace", "off"]).args(args)
}

fn well(ran: &Ran) {
    assert_eq!(ran.code, 0, "{} {}", ran.stdout, ran.stderr);
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
}

/// mount(8) mounts on both sides; grep reads what the kernel says on both.
const BOTH_SIDES: &str = r#"
    mount -t tmpfs x /mnt
    mkdir /mnt/in /mnt/out
    "$@" -- sh -ec '
        mount -t tmpfs x /mnt/in
        echo > /mnt/mounted
        until [ -e /mnt/look ]; do sleep 0.01; done
        if grep -q " /mnt/out " /proc/self/mountinfo; then printf "inside "; fi' &
    until [ -e /mnt/mounted ]; do sleep 0.01; done
    if grep -q " /mnt/in " /proc/self/mountinfo; then printf "outside "; fi
    mount -t tmpfs x /mnt/out
    echo > /mnt/look
    wait $!"#;

/// `seen` names the sides that see what the other one has mounted.
fn spreads(place: Place, propagation: &str, seen: &str) {
    let args = ["mnt", "run", "--propagation", propagation];
    let ran = run(place, &args).under(on_a_host(BOTH_SIDES)).go();
    well(&ran);
    assert_eq!(ran.stdout, seen);
}

fn uncut_spreads(place: Place) {
    let args = ["mnt", "run", "--without", "make-private"];
    let ran = run(place, &args).under(on_a_host(BOTH_SIDES)).go();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "outside inside "), "{}", ran.stderr);
    // The program's own experiment says the same of the host that it brings along.
    let ran = run(place, &["mnt", "spread", "--without", "make-private"]).go();
    assert!(ran.stdout.contains("seen outside: yes"), "{}", ran.stdout);
}

fn only_the_child_is_covered(place: Place) {
    let ran = run(place, &[]).go();
    well(&ran);
    let lines: Vec<&str> = ran.stdout.lines().map(|line| &line[17..]).collect();
    let (there, not) = ("/etc/passwd is there", "/etc/passwd is not there");
    assert_eq!(lines, [there, not, there]);
    let mounts = fs::read("/proc/self/mountinfo").expect("a process may see its own mounts");
    assert!(!String::from_utf8_lossy(&mounts).contains(" - tmpfs nothing "), "it got out");
}

fn read_only_takes_two_calls(place: Place) {
    let bind = |flags: &[&str]| {
        let program = ["--", "sh", "-c", "echo x > /mnt/new; grep ' /mnt ' /proc/self/mountinfo"];
        let args = ["mnt", "bind", "--read-only", ".", "/mnt"];
        let (ran, folder) = run(place, &args).args(flags).args(program).go_and_keep();
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (folder.path().join("new").exists(), ran)
    };
    let options = |ran: &Ran| ran.stdout.split(' ').nth(5).unwrap_or_default().to_string();
    let (written, ran) = bind(&["--without", "make-it-read-only"]);
    assert!(
        written && options(&ran).starts_with("rw"),
        "one call makes nothing read-only: {ran:?}"
    );
    let (written, ran) = bind(&[]);
    assert!(!written && ran.stderr.contains("Read-only file system"), "{ran:?}");
    assert!(options(&ran).starts_with("ro"), "{ran:?}");
}

/// In a user namespace, options of the outer one cannot be dropped, so they must be named again.
fn read_only_keeps_locked_options(place: Place) {
    let script = "mount -t tmpfs -o nosuid,nodev,noexec x /mnt; mkdir /mnt/to; \
                  exec unshare --user --map-user=7 --map-group=8 \"$@\"";
    let args = ["mnt", "bind", "--read-only", "/mnt", "/mnt/to", "--"];
    let program = ["grep", " /mnt/to ", "/proc/self/mountinfo"];
    let ran = run(place, &args).args(program).under(on_a_host(script)).go();
    well(&ran);
    let options = ran.stdout.split(' ').nth(5).unwrap_or_default();
    assert!(options.starts_with("ro,nosuid,nodev,noexec"), "{}", ran.stdout);
}

/// Blanks, line feeds, backslashes, an escape that is none, a code that clears a terminal, bytes that
/// are no text.
const HOSTILE: &str = r#"
    mount -t tmpfs x /mnt
    for name in 'two words' 'a - b' 'back\040slash' "$(printf 'line\nfeed')" "$(printf 'e\033[2Jsc')" \
        "$(printf 'by\377te')"; do
        mkdir "/mnt/$name"
        mount -t tmpfs "$name" "/mnt/$name"
    done
    mount -t tmpfs -o ro,noatime over "/mnt/two words"
    "$@"
    grep -c " /mnt" /proc/self/mountinfo
"#;

fn hostile_names_are_escaped(place: Place) {
    let ran = run(place, &["mnt", "show", "--under", "/mnt"]).under(on_a_host(HOSTILE)).go();
    well(&ran);
    let shown = |text: &str| ran.stdout.lines().any(|line| line.trim_start().starts_with(text));
    for name in ["two words", "a - b", r"back\\040slash", r"line\nfeed", r"e\u{1b}[2Jsc"] {
        assert!(shown(&format!("/mnt/{name}  ")), "{name}: {}", ran.stdout);
    }
    assert!(shown(r"/mnt/by\xffte"), "{}", ran.stdout);
    assert!(!ran.stdout.chars().any(|c| c.is_control() && c != '\n'), "{:?}", ran.stdout);
    // A head and a line for each, and then what grep has counted.
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((lines.len() - 2).to_string(), lines[lines.len() - 1], "{}", ran.stdout);
}

/// The same mounts, in the same number, with the same file systems and options.
fn show_agrees_with_findmnt(place: Place) {
    let script = r#"
        mount -t tmpfs x /mnt
        mkdir '/mnt/two words' /mnt/part
        mount -t tmpfs -o ro,noatime y '/mnt/two words'
        mount --bind /mnt/part '/mnt/part'
        mount --make-unbindable /mnt/part
        "$@"
        echo ---
        findmnt --json --list --output TARGET,FSTYPE,VFS-OPTIONS"#;
    let ran = run(place, &["mnt", "show"]).under(on_a_host(script)).go();
    well(&ran);
    let (ours, theirs) = ran.stdout.split_once("---\n").expect("findmnt was run");
    let theirs: serde_json::Value = serde_json::from_str(theirs).expect("findmnt writes JSON");
    let theirs = theirs["filesystems"].as_array().expect("a list of file systems");
    assert_eq!(ours.lines().count() - 1, theirs.len(), "{ours}");
    for mount in theirs {
        let text = |field: &str| mount[field].as_str().unwrap_or_default().to_string();
        let (place, kind, options) = (text("target"), text("fstype"), text("vfs-options"));
        let same = |line: &&str| {
            let rest = line.trim_start().strip_prefix(&format!("{place}  "));
            let words: Vec<&str> = rest.unwrap_or_default().split_whitespace().collect();
            words.first() == Some(&kind.as_str()) && words.contains(&options.as_str())
        };
        assert!(ours.lines().any(|line| same(&line)), "{place} {kind} {options}: {ours}");
    }
    let line = |name: &str| ours.lines().find(|line| line.contains(name)).unwrap_or_default();
    assert!(line("/mnt/part").contains("unbindable"), "{ours}");
    assert!(line("/mnt/part").contains("x[/part]"), "{ours}");
}

/// Without a directory it brings its own, in which there is a shell and nothing of this machine.
fn chroot_makes_a_root(place: Place) {
    let script = "pwd; [ ! -e /usr/lib ] || [ ! -e /home ] && cat /etc/passwd; exit 7";
    let ran = run(place, &["chroot", "--", "sh", "-c", script]).go();
    assert_eq!(ran.code, 7, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("/\nroot:x:0:0:root:/root:/bin/sh\n"), "{}", ran.stdout);
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
}

/// The marker is this run's own and lies where only the outside is; `cat` is out there too.
fn walks_out(place: Place, by: &str) {
    let attack = run(place, &["escape", "--by", by]);
    let (marker, file) = (attack.id(), attack.folder().join("marker"));
    fs::write(&file, &marker).expect("a file can be made in one's own folder");
    let path = file.to_string_lossy().into_owned();
    let ran = attack.args(["--", "cat", &path]).go();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("in the jail: there is no /mnt/secret\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(&format!("\n{marker}")), "the attack must succeed: {ran:?}");
    // Without the way out the jail holds, or else nothing was escaped from.
    let way = if by == "open-directory" { "walk-out" } else { "climb" };
    let ran = run(place, &["escape", "--by", by, "--without", way]).go();
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.ends_with("afterwards:  there is no /mnt/secret\n"), "{}", ran.stdout);
}

/// The kernel asks whether the root of the process is that of its mount namespace
/// (`create_user_ns` in kernel/user_namespace.c), so the order is: first the namespace.
fn no_user_namespace_in_a_chroot(place: Place) {
    let ran = run(place, &["chroot", "/usr", "--", "/bin/unshare", "--user", "/bin/true"]).go();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("Operation not permitted"), "{}", ran.stderr);
    well(&run(place, &["chroot", "/", "--", "unshare", "--user", "true"]).go());
}
