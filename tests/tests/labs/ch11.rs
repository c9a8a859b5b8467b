//! Chapter 11: wires.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use tests::places::{Place, has_program};
use tests::running::{Ran, Run, wait};
use tests::suite;

/// A test of this chapter, its name, and the program that it needs besides.
type Named = (&'static str, fn(Place), &'static str);

/// What is seen of this chapter's programs from inside, and its attack before and after its defence.
pub(crate) fn trials(place: Place) -> Vec<Trial> {
    let mut tests: Vec<Named> = vec![
        ("alone", alone, "busybox"),
        ("wire-seen-by-another-program", wire_seen, "ip"),
        ("bridge-reaches-both", bridge_reaches_both, "busybox"),
        ("exit-code-is-handed-on", exit_code, "sh"),
        ("bad-ports", bad_ports, "sh"),
        ("a-door-from-elsewhere", door_from_elsewhere, "ip"),
    ];
    if place == Place::Root {
        // Both take what only root has here: mounting over a program, and /dev/net/tun.
        tests.push(("without-nft", without_nft, "unshare"));
        tests.push(("slirp4netns", slirp, "slirp4netns"));
        tests.push(("attack-host-loopback", attack_host_loopback, "slirp4netns"));
    }
    let trial = |(name, test, program): Named| {
        let name = format!("ch11/{}/{name}", place.name());
        match has_program(program) {
            true => suite::test(name, move || test(place)),
            false => suite::skipped(name, program),
        }
    };
    tests.into_iter().map(trial).collect()
}

fn chapter11(place: Place, args: &[&str]) -> Ran {
    let ran = Run::new(place, "chapter11").args(args).go();
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
    ran
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text), "{:?} {:?} {}", ran.stdout, ran.stderr, ran.code);
}

/// lo is on and there is nothing else: it reaches itself and nobody else.
fn alone(place: Place) {
    let ping = |ip: &str| {
        chapter11(place, &["net", "run", "--", "busybox", "ping", "-c", "1", "-W", "1", ip])
    };
    assert_eq!(ping("127.0.0.1").code, 0);
    let lost = ping("10.11.0.1");
    assert_ne!(lost.code, 0);
    assert!(lost.stderr.contains("Network is unreachable"), "{}", lost.stderr);
    let ran = chapter11(place, &["net", "run"]);
    assert!(ran.stdout.starts_with("device 1 lo: on\n    address 127.0.0.1/8\n"), "{}", ran.stdout);
}

/// Read by iproute2, which knows nothing of us.
fn wire_seen(place: Place) {
    let script = "ip -o addr show dev eth0; ip route; ip -o link";
    let ran = chapter11(place, &["net", "veth", "--", "sh", "-c", script]);
    says(&ran, "inet 10.11.0.2/24 scope global eth0");
    says(&ran, "default via 10.11.0.1 dev eth0");
    says(&ran, "10.11.0.0/24 dev eth0 proto kernel scope link src 10.11.0.2");
    let links = ran.stdout.lines().filter(|line| line.contains(" link/")).count();
    assert_eq!(links, 2, "lo and one end of the wire: {}", ran.stdout);
}

fn bridge_reaches_both(place: Place) {
    let script = "for ip in 10.11.0.1 10.11.0.2; do \
                  busybox ping -c 1 -W 1 $ip | grep ' 1 packets received'; done";
    let ran = chapter11(place, &["net", "bridge", "--", "sh", "-c", script]);
    assert_eq!(ran.stdout.lines().count(), 2, "{} {}", ran.stdout, ran.stderr);
}

fn exit_code(place: Place) {
    for how in ["run", "veth", "bridge"] {
        let ran = chapter11(place, &["net", how, "--", "sh", "-c", "exit 7"]);
        assert_eq!(ran.code, 7, "{how}: {}", ran.stderr);
    }
}

fn bad_ports(place: Place) {
    for port in ["0:80", "80:0", "80:x", "65536:80", ""] {
        let ran = Run::new(place, "chapter11").args(["net", "publish", "--port", port]).go();
        assert_eq!(ran.code, 125, "{port}");
        assert!(ran.stderr.contains("write two ports, as in 8080:80"), "{}", ran.stderr);
    }
}

/// A port of this machine that nobody has at the moment.
fn free_port() -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    door.local_addr().expect("it has an address").port()
}

/// What is answered at a port of this machine, once somebody listens there.
fn call(port: u16, words: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut line = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(line) => break line,
            Err(error) => assert!(Instant::now() < deadline, "nobody listens: {error}"),
        }
        sleep(Duration::from_millis(2));
    };
    line.write_all(words.as_bytes()).expect("words can be sent");
    let mut said = String::new();
    line.read_to_string(&mut said).expect("the answer is text");
    said
}

/// The program has no network but lo, and is called from out here.
fn door_from_elsewhere(place: Place) {
    let port = free_port().to_string();
    let script = "read words; echo \"heard $words\"; ip -o link | wc -l";
    let publish = ["net", "publish", "--once", "--port", &port, "--", "sh", "-c", script];
    let run = Run::new(place, "chapter11").args(publish);
    let mut child = run.start();
    let said = call(port.parse().expect("it is a number"), "hello\n");
    assert_eq!(said, "heard hello\n1\n");
    let ran = run.look(ended(&mut child));
    assert_eq!((ran.code, ran.left_behind.len()), (0, 0), "{}", ran.stderr);
}

fn ended(child: &mut Child) -> std::process::ExitStatus {
    wait(child, Duration::from_secs(10)).expect("it ends after the call")
}

fn without_nft(place: Place) {
    let hide =
        "for nft in /usr/sbin/nft /sbin/nft; do mount --bind /dev/null $nft; done; exec \"$@\"";
    let run = Run::new(place, "chapter11").args(["net", "publish"]);
    let ran = run.under(["unshare", "--mount", "sh", "-c", hide, "sh"]).go();
    assert_eq!(ran.code, 125);
    assert!(
        ran.error().contains("could not put the rules in") || ran.error().contains("takes nft")
    );
    assert!(ran.error().contains("apt-get install nftables"), "{}", ran.stderr);
    assert!(ran.left_behind.is_empty(), "left behind: {:?}", ran.left_behind);
}

fn slirp(place: Place) {
    let script = "ip -o addr show dev tap0; ip route";
    let connected = ["net", "run", "--network", "slirp4netns", "--", "sh", "-c", script];
    let ran = chapter11(place, &connected);
    says(&ran, "inet 10.0.2.100/24");
    says(&ran, "default via 10.0.2.2 dev tap0");
}

/// A program of this machine that only this machine shall reach.
fn attack_host_loopback(place: Place) {
    let port = free_port().to_string();
    let publish = ["net", "publish", "--port", &port, "--", "echo", "secret"];
    let victim = Run::new(place, "chapter11").args(publish);
    let mut child = victim.start();
    assert_eq!(call(port.parse().expect("it is a number"), ""), "secret\n");
    let attack = |flags: &[&str]| {
        let run = ["net", "run", "--network", "slirp4netns"];
        let nc = ["--", "busybox", "nc", "-w", "2", "10.0.2.2", &port];
        chapter11(place, &[&run[..], flags, &nc].concat())
    };
    says(&attack(&["--host-loopback"]), "secret");
    let refused = attack(&[]);
    assert!(!refused.stdout.contains("secret") && refused.code != 0, "{}", refused.stdout);
    child.kill().expect("the victim can be ended");
    child.wait().expect("it has ended");
    let deadline = Instant::now() + Duration::from_secs(2);
    while !victim.processes().is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(2));
    }
    assert!(victim.processes().is_empty(), "it has left a process");
}
