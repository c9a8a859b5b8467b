//! Chapter 2: names are per namespace.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch2-default", "chapter2", &[]).varies(),
    case("ch2-ns-show", "chapter2", &["ns", "show"]).varies(),
    case("ch2-ns-show-other", "chapter2", &["ns", "show", "{target}"]).varies(),
    case("ch2-ns-show-missing", "chapter2", &["ns", "show", "4194304"]).exits(125),
    case("ch2-ns-tree", "chapter2", &["ns", "tree"]).varies(),
    case("ch2-ns-enter", "chapter2", &["ns", "enter", "{target}", "--", "hostname"]),
    case("ch2-unshare-nothing", "chapter2", &["unshare", "true"]),
    case(
        "ch2-unshare-uts",
        "chapter2",
        &["unshare", "--uts", "sh", "-c", "hostname box; hostname"],
    )
    .exits_as_user(125),
    case("ch2-unshare-root", "chapter2", &["unshare", "-r", "id", "-u"]),
    case("ch2-unshare-self", "chapter2", &["unshare", "-c", "true"]),
    case("ch2-unshare-pid-no-fork", "chapter2", &["unshare", "-Urp", "true"]),
    case("ch2-unshare-wd", "chapter2", &["unshare", "-w", "/proc", "pwd"]),
    case("ch2-unshare-chroot", "chapter2", &["unshare", "-r", "-R", "/", "pwd"]),
    case(
        "ch2-unshare-ids",
        "chapter2",
        &["unshare", "--map-user", "7", "--map-group", "8", "-S", "7", "sh", "-c", "id -u; id -g"],
    ),
    case("ch2-unshare-slave", "chapter2", &["unshare", "-rm", "--propagation", "slave", "true"]),
    case("ch2-unshare-killed", "chapter2", &["unshare", "-Urpf", "sh", "-c", "kill -9 $$; exit 3"])
        .exits(3),
    case(
        "ch2-unshare-all",
        "chapter2",
        &[
            "unshare",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--user",
            "--map-root",
            "--fork",
            "--mount-proc",
            "--",
            "sh",
            "-c",
            "hostname ID; hostname; echo $$; ls -d /proc/[0-9]*",
        ],
    ),
];
