//! Does `chapter2 unshare` do what the `unshare` of util-linux does, flag by flag?
//!
//! Both run the same small script, which says what it sees: which namespaces are its own, who it is,
//! its number, its maps, how its mounts are tied, where it is. The answers must be the same.

use std::process::Command;

use libtest_mimic::Trial;
use tests::places::{Place, has_program};
use tests::running::Run;
use tests::suite;

/// Each set of flags, long and short, and whether only root can use it.
const FLAGS: &[(&[&str], bool)] = &[
    (&["-m"], true),
    (&["--mount"], true),
    (&["-u"], true),
    (&["-i"], true),
    (&["-n"], true),
    (&["-C"], true),
    (&["-p", "-f"], true),
    (&["--pid", "--fork", "--mount-proc"], true),
    (&["-m", "--propagation", "shared"], true),
    (&["-m", "--propagation", "unchanged"], true),
    (&["-U"], false),
    (&["--user", "--map-root-user"], false),
    (&["-r"], false),
    (&["-c"], false),
    (&["--map-user=5"], false),
    (&["--map-user=5", "--map-group=6"], false),
    (&["-rm"], false),
    (&["-ru"], false),
    (&["-ri"], false),
    (&["-rn"], false),
    (&["-rC"], false),
    (&["-rT", "-f"], false),
    (&["-rpf"], false),
    (&["-rpf", "--mount-proc"], false),
    (&["-uinpUrf", "--mount-proc"], false),
    (
        &[
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--user",
            "--map-root-user",
            "--fork",
            "--mount-proc",
        ],
        false,
    ),
    (&["-rm", "--propagation", "slave"], false),
    (&["-r", "-w", "/proc"], false),
    (&["-r", "-R", "/"], false),
    (&["-U", "--setgroups", "deny"], false),
    (&["--map-user=5", "-S", "5"], false),
    (&["-S", "7"], true),
    (&["-G", "7"], true),
    (&["--kill-child", "-r"], false),
    (&["-rpf", "--kill-child=SIGTERM"], false),
];

const PROBE: &str = r#"
for kind in cgroup ipc mnt net pid time user uts; do
    now=$(readlink /proc/self/ns/$kind || echo none)
    case " $OUTSIDE " in *" $now "*) echo "$kind shared" ;; *) echo "$kind own" ;; esac
done
echo "number $(test $$ = 1 && echo 1 || echo other)"
echo "ids $(id -u) $(id -g)"
cat /proc/self/setgroups
awk '{print $1, $3}' /proc/self/uid_map /proc/self/gid_map
grep ' / / ' /proc/self/mountinfo | grep -o 'shared\|master' 
pwd | sed 's,.*/porthole-run-.*,start,'
ls -d /proc/[0-9]* 2>/dev/null | wc -l | awk '{print ($1 < 9) ? "few" : "many"}'
ip link show lo 2>/dev/null | grep -o 'state [A-Z]*'
exit 9
"#;

/// One test for each set of flags.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let possible = FLAGS.iter().filter(|(_, root)| !root || place == Place::Root);
    let trial = |(flags, _): &(&'static [&'static str], bool)| {
        let flags = *flags;
        let name = format!("agreement/{}/unshare {}", place.name(), flags.join(" "));
        match has_program("unshare") {
            true => suite::test(name, move || agree(place, flags)),
            false => suite::skipped(name, "unshare (Debian: util-linux)"),
        }
    };
    possible.map(trial).collect()
}

fn agree(place: Place, flags: &[&str]) {
    let ours = Run::new(place, "chapter2").untraced().flags(["--trace", "off"]);
    let ours = with_outside(ours.args(["unshare"]).args(flags).args(["sh", "-c", PROBE]));
    // The other program runs in the place of ours, whose name is `$0` for the script and nothing else.
    let theirs = Run::new(place, "chapter2").untraced();
    let words = ["env", &outside(), "unshare"].map(str::to_string);
    let words: Vec<String> = words.into_iter().chain(flags.iter().map(|f| f.to_string())).collect();
    let theirs = theirs.under(words.into_iter().chain(["sh", "-c", PROBE].map(str::to_string)));
    let (ours, theirs) = (ours.go(), theirs.go());
    assert_eq!(theirs.code, 9, "unshare itself fails: {}", theirs.stderr);
    assert_eq!(ours.code, 9, "{}", ours.stderr);
    assert_eq!(ours.stdout, theirs.stdout, "ours (left) and util-linux differ");
}

fn with_outside(run: Run) -> Run {
    run.under(["env", &outside()])
}

/// The namespaces that the tests are in, for the script to compare with.
fn outside() -> String {
    let output = Command::new("sh")
        .args(["-c", "for kind in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$kind; done"])
        .output()
        .expect("a shell can be run");
    let links =
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    format!("OUTSIDE={links}")
}
