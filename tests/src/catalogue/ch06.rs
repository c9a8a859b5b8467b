//! Chapter 6: layers.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch6-default", "chapter6", &[]),
    case(
        "ch6-stack",
        "chapter6",
        &["layer", "stack", "--", "sh", "-c", "echo HELLO > greeting; rm secret; ls; exit 7"],
    )
    .exits(7),
    case("ch6-stack-true", "chapter6", &["layer", "stack", "--", "true"]),
    // One layer alone, because how several are named depends on the kernel.
    case(
        "ch6-stack-new",
        "chapter6",
        &["layer", "stack", "--api", "new", "/etc", "--", "sh", "-c", "echo new > new; cat new"],
    ),
    case("ch6-diff", "chapter6", &["layer", "diff"]),
    // How long it is depends on the time: who is made at a full second needs no record of it.
    case("ch6-commit", "chapter6", &["layer", "commit", "-o", "/mnt/layer.tar"]).varies(),
    case("ch6-commit-nowhere", "chapter6", &["layer", "commit", "-o", "/mnt/nowhere/layer.tar"])
        .exits(125),
    case("ch6-apply", "chapter6", &["layer", "apply"]),
    case("ch6-apply-overlay", "chapter6", &["layer", "apply", "--overlay"]),
    case("ch6-copy-up", "chapter6", &["layer", "copy-up"]),
    case("ch6-share", "chapter6", &["layer", "share"]),
    case("ch6-attack", "chapter6", &["layer", "attack", "symlink"]),
    case(
        "ch6-attack-out",
        "chapter6",
        &["layer", "attack", "symlink", "--without", "enter-the-layer"],
    ),
    case("ch6-attack-name", "chapter6", &["layer", "attack", "dot-dot"]).exits(125),
    case("ch6-attack-link", "chapter6", &["layer", "attack", "hardlink", "--trust-names"])
        .exits(125),
];
