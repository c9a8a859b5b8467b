//! Chapter 14: images.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch14-default", "chapter14", &[]),
    case("ch14-ls", "chapter14", &["image", "ls"]),
    case("ch14-inspect", "chapter14", &["image", "inspect"]),
    case("ch14-nobody", "chapter14", &["image", "inspect", "--name", "nobody"]).exits(125),
    case("ch14-unpack", "chapter14", &["image", "unpack"]),
    case("ch14-pack", "chapter14", &["image", "pack"]),
    case("ch14-pack-zstd", "chapter14", &["image", "pack", "--compression", "zstd"]),
    case("ch14-gc", "chapter14", &["image", "gc"]),
    case("ch14-flip", "chapter14", &["image", "flip"]).exits(125),
    case("ch14-flip-config", "chapter14", &["image", "flip", "config"]).exits(125),
    case("ch14-flip-manifest", "chapter14", &["image", "flip", "manifest"]).exits(125),
    case("ch14-flip-trusted", "chapter14", &["image", "flip", "--trust-blobs"]),
    case("ch14-attack", "chapter14", &["image", "attack"]).exits(125),
    case("ch14-attack-out", "chapter14", &["image", "attack", "--defenceless"]),
    case("ch14-link", "chapter14", &["image", "attack", "link"]),
    case("ch14-link-out", "chapter14", &["image", "attack", "link", "--defenceless"]),
    case("ch14-device", "chapter14", &["image", "attack", "device"]).exits(125),
    case("ch14-device-out", "chapter14", &["image", "attack", "device", "--defenceless"])
        .exits_as_user(125),
    case("ch14-bomb", "chapter14", &["image", "attack", "bomb"]).exits(125),
];
