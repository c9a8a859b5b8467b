//! What a layer says is what is there afterwards, to the last bit and nanosecond.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use image::model::Compression;
use image::unpack::{Budget, Devices, Manner, layer};

use crate::archive::{Entry, archive, device, directory, entry, file, link, symlink};
use crate::bed::{Bed, THEN, may_be_anybody, words};

/// A capability to bind low ports, as the kernel keeps it (version 2, permitted and effective).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn everything() -> Vec<Entry> {
    vec![
        directory("./").mode(0o750),
        directory("d").mode(0o2770).owner(10, 20),
        file("d/set-user-id", "x").mode(0o6755).owner(3_000_000, 42),
        file("d/plain", "content").owner(1, 2).mode(0o600),
        directory("d/empty").mode(0o1777),
        symlink("d/link", "../anywhere at all").owner(7, 8),
        link("d/second", "d/plain"),
        device(b'3', "null", 1, 3).mode(0o666),
        device(b'4', "disk", 259, 70000).mode(0o660).owner(0, 6),
        entry(b'6', "fifo").mode(0o622),
        file("precise", "").pax("mtime", "1234567890.123456789"),
        file("before", "").pax("mtime", "-1.25"),
        file("capable", "x").pax("SCHILY.xattr.security.capability", CAPABILITY),
        directory("carries").pax("SCHILY.xattr.user.colour", "blue").mode(0o555),
        file("carries/too", "x").pax("SCHILY.xattr.user.colour", "red\0green"),
        file("spoken", "x")
            .pax("SCHILY.xattr.trusted.overlay.opaque", "y")
            .pax("SCHILY.xattr.user.overlay.redirect", "/etc")
            .pax("SCHILY.xattr.security.selinux", "u:r:t:s0")
            .pax("SCHILY.xattr.trusted.secret", "x"),
        file("x".repeat(90) + "/" + &"y".repeat(9), ""),
        file("short", "long").pax("path", "l/".repeat(200) + "long"),
        entry(b'0', "empty"),
    ]
}

#[test]
fn everything_arrives() {
    if !may_be_anybody("everything_arrives") {
        return;
    }
    let bed = Bed::new();
    let unpacked = bed.unpack(&everything()).unwrap();
    assert_eq!(unpacked.entries, everything().len() as u64);
    assert_eq!(unpacked.diff_id, image::digest::Digest::of(&archive(&everything())));
    let tree = bed.tree();
    let then = format!("{}.{:09}", THEN.seconds, THEN.nanos);
    for (name, expected) in [
        ("", format!("directory 0750 0:0 {then}")),
        ("d", format!("directory 2770 10:20 {then}")),
        ("d/set-user-id", format!("file \"x\" 6755 3000000:42 {then}")),
        ("d/plain", format!("file \"content\" 0600 1:2 {then}")),
        ("d/empty", format!("directory 1777 0:0 {then}")),
        ("d/link", format!("-> \"../anywhere at all\" 0777 7:8 {then}")),
        ("d/second", format!("file \"content\" 0600 1:2 {then} same as d/plain")),
        ("null", format!("c 1:3 0666 0:0 {then}")),
        ("disk", format!("b 259:70000 0660 0:6 {then}")),
        ("fifo", format!("fifo 0622 0:0 {then}")),
        ("precise", "file \"\" 0644 0:0 1234567890.123456789".into()),
        ("before", "file \"\" 0644 0:0 -2.750000000".into()),
        ("carries", format!("directory 0555 0:0 {then} user.colour=\"blue\"")),
        ("carries/too", format!("file \"x\" 0644 0:0 {then} user.colour=\"red\\0green\"")),
        ("spoken", format!("file \"x\" 0644 0:0 {then}")),
        ("empty", format!("file \"\" 0644 0:0 {then}")),
    ] {
        assert_eq!(tree[Path::new(name)], expected, "{name}");
    }
    assert!(tree[Path::new("capable")].contains("security.capability"), "{tree:?}");
    assert!(tree.contains_key(Path::new(&("l/".repeat(200) + "long"))));
    assert!(!tree.contains_key(Path::new("short")));
}

/// In whatever order it comes: a directory keeps its time though something is made in it later.
#[test]
fn directories_keep_their_times() {
    let bed = Bed::new();
    let entries = [
        directory("a"),
        directory("a/b"),
        file("a/b/f", "x"),
        directory("c"),
        file("a/late", "x"),
        file("a/b/later", "x"),
        directory("c/d"),
        symlink("c/up", "../a"),
        file("c/up/by-way-of-a-link", "x"),
        directory("a").mode(0o700),
    ];
    bed.unpack(&entries).unwrap();
    let tree = bed.tree();
    for name in ["a", "a/b", "c", "c/d"] {
        assert!(tree[Path::new(name)].contains(" 1000000000.0"), "{name}: {tree:?}");
    }
    assert!(tree[Path::new("a")].starts_with("directory 0700"), "{tree:?}");
    assert!(tree.contains_key(Path::new("a/by-way-of-a-link")));
}

#[test]
fn every_packing_gives_the_same() {
    use std::io::Write;
    let plain = archive(&[file("a", "content"), directory("b")]);
    let mut gzip = Vec::new();
    // Two members, as some writers append them.
    for half in [&plain[..700], &plain[700..]] {
        let mut encoder = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::fast());
        encoder.write_all(half).unwrap();
        encoder.finish().unwrap();
    }
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    let unpack = |bytes: &[u8], compression| {
        let bed = Bed::new();
        let unpacked = bed.unpack_with(bytes, compression, &Budget::default());
        unpacked.map(|unpacked| (unpacked, bed.tree()["a".as_ref() as &Path].clone()))
    };
    let expected = unpack(&plain, Compression::None).unwrap();
    assert_eq!(unpack(&gzip, Compression::Gzip).unwrap(), expected);
    assert_eq!(unpack(&zstd, Compression::Zstd).unwrap(), expected);
    for (bytes, claimed, words_of_it) in [
        (&gzip, Compression::None, "should be a plain tar, and its bytes are packed by gzip"),
        (&plain, Compression::Gzip, "should be packed by gzip, and its bytes are a plain tar"),
        (&gzip, Compression::Zstd, "should be packed by zstd, and its bytes are packed by gzip"),
    ] {
        let error = unpack(bytes, claimed).unwrap_err();
        assert!(words(&error).contains(words_of_it), "{}", words(&error));
    }
}

/// A layer that is cut off anywhere, or has one byte changed, is an error or unpacks to another digest;
/// it never hangs, and never panics.
#[test]
fn a_stream_that_is_cut_off_is_an_error() {
    use std::io::Write;
    let plain = archive(&[file("a", vec![7; 3000]), directory("b")]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&plain).unwrap();
    let gzip = encoder.finish().unwrap();
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    for (bytes, compression) in [(&gzip, Compression::Gzip), (&zstd, Compression::Zstd)] {
        for end in 0..bytes.len() {
            let result = Bed::new().unpack_with(&bytes[..end], compression, &Budget::default());
            assert!(
                result.is_err(),
                "{compression:?} cut off after {end} bytes of {}",
                bytes.len()
            );
        }
        let whole = image::digest::Digest::of(&plain);
        for place in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[place] ^= 0x10;
            let result = Bed::new().unpack_with(&changed, compression, &Budget::default());
            if let Ok(unpacked) = result {
                // A time, a name or a flag in the header of the packing is not part of the content.
                let content = unpacked.diff_id == whole;
                assert!(content || compression == Compression::Zstd, "byte {place} was changed");
            }
        }
    }
}

#[test]
fn holes_stay_holes() {
    let bed = Bed::new();
    let block = |byte: u8| [byte; 512];
    let mut content = b"2\n0\n512\n1048576\n512\n".to_vec();
    content.resize(512, 0);
    content.extend_from_slice(&[block(b'a'), block(b'b')].concat());
    let version_one = file("GNUSparseFile.1/x", content)
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", "one")
        .pax("GNU.sparse.realsize", "2097152");
    let data = [block(b'a'), block(b'b')].concat();
    let version_zero_one = file("GNUSparseFile.1/y", &data)
        .pax("GNU.sparse.size", "2097152")
        .pax("GNU.sparse.numblocks", "2")
        .pax("GNU.sparse.name", "zero-one")
        .pax("GNU.sparse.map", "0,512,1048576,512");
    let version_zero = file("zero", &data)
        .pax("GNU.sparse.size", "2097152")
        .pax("GNU.sparse.numblocks", "2")
        .pax("GNU.sparse.offset", "0")
        .pax("GNU.sparse.numbytes", "512")
        .pax("GNU.sparse.offset", "1048576")
        .pax("GNU.sparse.numbytes", "512");
    bed.unpack(&[version_one, version_zero_one, version_zero]).unwrap();
    for name in ["one", "zero-one", "zero"] {
        let path = bed.layer().join(name);
        let is = path.metadata().unwrap();
        assert_eq!(is.len(), 2 << 20, "{name}");
        assert!(is.blocks() <= 64, "{name} has no holes: {} blocks", is.blocks());
        let bytes = std::fs::read(path).unwrap();
        assert!(bytes[..512] == block(b'a') && bytes[1 << 20..][..512] == block(b'b'), "{name}");
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 1024, "{name}");
    }
}

#[test]
fn the_later_of_two_entries_counts() {
    let bed = Bed::new();
    let entries = [
        file("a", "first"),
        symlink("a", "elsewhere"),
        directory("a"),
        file("a/in", "x"),
        directory("a").mode(0o700),
        file("b", "first").mode(0o600),
        file("b", "second"),
        entry(b'6', "b"),
    ];
    bed.unpack(&entries).unwrap();
    let tree = bed.tree();
    assert!(tree[Path::new("a")].starts_with("directory 0700"), "{tree:?}");
    assert!(tree[Path::new("a/in")].starts_with("file"), "{tree:?}");
    assert!(tree[Path::new("b")].starts_with("fifo"), "{tree:?}");
}

#[test]
fn doors_to_drivers_can_be_left_out() {
    let bed = Bed::new();
    let bytes = archive(&[device(b'3', "null", 1, 3), device(b'4', "disk", 8, 0), file("f", "")]);
    let manner = Manner { devices: Devices::LeftOut, ..Manner::of_this_process() };
    let budget = Budget::default();
    let unpacked =
        layer(bytes.as_slice(), Compression::None, &bed.layer(), &budget, &manner).unwrap();
    assert_eq!(unpacked.left_out, 2);
    assert_eq!(bed.tree().len(), 2);
}
