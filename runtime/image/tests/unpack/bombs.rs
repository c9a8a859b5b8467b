//! Layers that are small, and want all of the machine: each meets a limit, which the error names.

use std::io::Write;

use image::model::Compression;
use image::unpack::Budget;

use crate::archive::{Entry, archive, directory, entry, file};
use crate::bed::{Bed, words};

fn must_meet(what: &str, bytes: &[u8], compression: Compression, budget: &Budget, limit: &str) {
    let error = Bed::new().unpack_with(bytes, compression, budget).expect_err(what);
    assert!(words(&error).contains(limit), "{what}: {}", words(&error));
}

/// So many zeros, packed.
fn zeros(length: u64, packed: &mut dyn Write) {
    let block = vec![0; 1 << 20];
    for _ in 0..length >> 20 {
        packed.write_all(&block).unwrap();
    }
}

/// A hundred times as much as is allowed: nothing of it is written, for it is no content of an entry.
#[test]
fn zeros_without_end() {
    let budget = Budget { small: 1 << 20, ..Budget::default() };
    let header = entry(b'5', "d").header();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&header).unwrap();
    zeros(16 << 20, &mut gzip);
    let gzip = gzip.finish().unwrap();
    must_meet("gzip", &gzip, Compression::Gzip, &budget, "by a factor");
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.write_all(&header).unwrap();
    zeros(64 << 20, &mut zstd);
    let zstd = zstd.finish().unwrap();
    must_meet("zstd", &zstd, Compression::Zstd, &budget, "by a factor");
}

#[test]
fn more_than_is_allowed() {
    let plain = Compression::None;
    let budget = Budget { bytes: 1 << 20, entries: 100, ..Budget::default() };
    let large = archive(&[file("f", vec![1; 2 << 20])]);
    must_meet("bytes", &large, plain, &budget, "its size");
    let many: Vec<Entry> = (0..101).map(|number| entry(b'0', format!("{number}"))).collect();
    must_meet("entries", &archive(&many), plain, &budget, "the number of its entries, 101");
    let budget = Budget::default();
    let deep = archive(&[directory("d").pax("path", "d/".repeat(257))]);
    must_meet("depth", &deep, plain, &budget, "the depth of a directory, 257");
    let long = archive(&[directory("d").pax("path", "x/".repeat(2049))]);
    must_meet("names", &long, plain, &budget, "the length of a name, 4098");
    let carries = (0..5).fold(file("f", ""), |file, number| {
        file.pax(&format!("SCHILY.xattr.user.{number}"), vec![b'x'; 60 << 10])
    });
    must_meet("attributes", &archive(&[carries]), plain, &budget, "extended attributes");
    let hollow = file("f", "").pax("GNU.sparse.size", "9000000000000000000");
    let hollow = archive(&[hollow.pax("GNU.sparse.map", "")]);
    must_meet("eight exbibytes of hole", &hollow, plain, &budget, "files with holes");
    let claims = archive(&[Entry { content: vec![0; 512], ..entry(b'x', "p") }.size(1 << 40)]);
    must_meet("a terabyte of records", &claims, plain, &budget, "longer than a megabyte");
}

/// A frame that wants two gigabytes of memory before it says anything.
#[test]
fn a_window_that_is_too_wide() {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
    // No content size; the window is 2^(10 + 21) bytes.
    frame.extend_from_slice(&[0x00, 21 << 3]);
    frame.extend_from_slice(&[0x01, 0x00, 0x00]);
    must_meet("zstd", &frame, Compression::Zstd, &Budget::default(), "cannot be read");
}
