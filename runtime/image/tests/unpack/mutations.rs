//! Archives with something changed in them: whatever comes of it, it is no panic, nothing that hangs,
//! and nothing outside.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

use crate::archive::{Entry, add_up, archive, device, directory, entry, file, link, symlink};
use crate::bed::{Bed, may_be_anybody};

fn everything() -> Vec<u8> {
    let sparse = file("GNUSparseFile.1/x", [b'x'; 512])
        .pax("GNU.sparse.size", "4096")
        .pax("GNU.sparse.name", "sparse")
        .pax("GNU.sparse.map", "512,512");
    let mut bytes = Vec::new();
    let long = Entry { content: b"a/long/name\0".to_vec(), ..entry(b'L', "././@LongLink") };
    long.append(&mut bytes);
    bytes.extend(archive(&[
        file("short", "x"),
        directory("d").mode(0o2755),
        file("d/f", "content").mode(0o4755),
        symlink("up", "../canary"),
        symlink("d/back", "../.."),
        file("d/back/f", "x"),
        link("hard", "d/f"),
        device(b'3', "null", 1, 3),
        entry(b'6', "fifo"),
        file("d/.wh.gone", ""),
        file("d/.wh..wh..opq", ""),
        file("precise", "x").pax("mtime", "1.5").pax("SCHILY.xattr.user.a", "b"),
        sparse,
    ]));
    bytes
}

/// Changes bytes, and lets the headers add up all the same where they lie.
fn change(bytes: &mut [u8], changes: &[(usize, u8, bool)]) {
    for (place, value, repaired) in changes {
        let place = place % bytes.len();
        bytes[place] = *value;
        let start = place / 512 * 512;
        if let (true, Some(block)) = (*repaired, bytes.get_mut(start..start + 512)) {
            add_up(block.try_into().unwrap());
        }
    }
}

#[test]
fn whatever_is_changed_nothing_gets_out() {
    if !may_be_anybody("whatever_is_changed_nothing_gets_out") {
        return;
    }
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let places = vec((any::<usize>(), any::<u8>(), proptest::bool::weighted(0.8)), 1..6);
    // Letters and signs that mean something, put where they do.
    let telling = vec(
        (0_usize..40, 0_usize..512, proptest::sample::select(b"0123456789/.xLKgS\0".to_vec())),
        0..4,
    );
    let original = everything();
    let ran = TestRunner::new(config).run(&(places, telling), |(places, telling)| {
        let mut bytes = original.clone();
        change(&mut bytes, &places);
        let telling = telling.iter().map(|(block, at, sign)| (block * 512 + at, *sign, true));
        change(&mut bytes, &telling.collect::<Vec<_>>());
        // The bed looks after its canary.
        let _ = Bed::new().unpack_bytes(&bytes);
        Ok(())
    });
    ran.unwrap();
}
