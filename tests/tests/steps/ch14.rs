//! Chapter 14: images.

use crate::checks::Check::Says;
use crate::checks::{Step, step};

const UNPACKED: &str = "0644 @0 added: \"new\\n\"\n\
                        0755 @0 bin/\n\
                        0755 @0 bin/greet: \"#!/bin/sh\\necho hello\\n\"\n\
                        0777 @0 run -> bin/greet\n";

pub(super) const STEPS: &[Step] = &[
    step("put files into it", "chapter14", &["image", "unpack"], Says(UNPACKED)),
    step("put a change into it", "chapter14", &["image", "unpack"], Says(UNPACKED)),
    step("delete what the layer deletes", "chapter14", &["image", "unpack"], Says(UNPACKED)),
    step("date what the layer holds", "chapter14", &["image", "unpack"], Says(UNPACKED)),
    step(
        "delete what nobody needs",
        "chapter14",
        &["image", "gc"],
        Says("4 blobs deleted, 0 left\n"),
    ),
];
