//! Archives that two readers understand in two ways: here they are refused, or read as all others do.
//!
//! The cases are those of CVE-2025-62518 ("TARmageddon") and its relatives in other readers.

use std::path::Path;

use crate::archive::{Entry, add_up, archive, entry, file, fill_up, record};
use crate::bed::{Bed, words};

fn must_be_refused(what: &str, bytes: &[u8], why: &str) {
    let error = Bed::new().unpack_bytes(bytes).err();
    let words = error.as_ref().map_or_else(|| panic!("{what}: it was not refused"), words);
    assert!(words.contains(why), "{what}: {words}");
}

/// The size of the pax record counts, for what is read and for what is skipped: an archive within is
/// content, and none of its entries is one of ours.
#[test]
fn one_size_for_an_entry() {
    let within = archive(&[file("phantom", "x")]);
    let size = within.len().to_string();
    let outer = file("outer", within).size(0).pax("size", size);
    let bed = Bed::new();
    bed.unpack(&[outer, file("last", "x")]).unwrap();
    let tree = bed.tree();
    let names: Vec<_> = tree.keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(names, ["", "last", "outer"]);
}

/// A record before a long name is about the entry, and not about the header that holds the name.
#[test]
fn a_record_is_about_the_entry_alone() {
    let mut bytes = Vec::new();
    let records = record("size", b"4");
    Entry { content: records, ..entry(b'x', "pax") }.append(&mut bytes);
    Entry { content: b"a-long-name\0".to_vec(), ..entry(b'L', "././@LongLink") }.append(&mut bytes);
    file("short", "1234").append(&mut bytes);
    file("next", "").append(&mut bytes);
    bytes.resize(bytes.len() + 1024, 0);
    let bed = Bed::new();
    bed.unpack_bytes(&bytes).unwrap();
    let tree = bed.tree();
    assert!(tree[Path::new("a-long-name")].starts_with("file \"1234\""), "{tree:?}");
    assert!(tree.contains_key(Path::new("next")), "{tree:?}");
}

#[test]
fn what_can_be_understood_in_two_ways_is_refused() {
    let before = |letter: u8, content: &[u8], rest: &[Entry]| {
        let mut bytes = Vec::new();
        Entry { content: content.to_vec(), ..entry(letter, "pax") }.append(&mut bytes);
        bytes.extend(archive(rest));
        bytes
    };
    let plain = [file("f", "x")];
    for (what, records) in [
        ("no length", &b"path=x\n"[..]),
        ("a length that is too long", b"99 path=x\n"),
        ("a length that is too short", b"5 path=x\n"),
        ("no newline", b"9 path=xy"),
        ("no equals", b"7 path\n"),
        ("no key", b"5 =x\n"),
        ("a sign", b"+10 path=x\n"),
        ("a good one, and then rubbish", b"10 path=x\nrubbish"),
        ("zeros at the end", b"10 path=x\n\0\0\0"),
        ("a huge length", b"99999999999999999999 path=x\n"),
    ] {
        must_be_refused(what, &before(b'x', records, &plain), "pax record");
    }
    let twice = [record("path", b"a"), record("path", b"b")].concat();
    must_be_refused("two names", &before(b'x', &twice, &plain), "two pax records \"path\"");
    must_be_refused(
        "records for all entries",
        &before(b'g', &record("path", b"a"), &plain),
        "for all entries",
    );
    let mut two_sets = before(b'x', &record("path", b"a"), &[]);
    two_sets.truncate(1024);
    two_sets.extend(before(b'x', &record("size", b"0"), &plain));
    must_be_refused("two sets", &two_sets, "two sets");
    let mut two_names = before(b'L', b"long\0", &[]);
    two_names.truncate(1024);
    two_names.extend(before(b'x', &record("path", b"other"), &plain));
    must_be_refused("a long name and one of pax", &two_names, "two names");
    let mut nothing = before(b'x', &record("path", b"a"), &[]);
    must_be_refused("records for nothing", &nothing, "announced");
    nothing.truncate(1024);
    must_be_refused("records and the end", &nothing, "announced");
    must_be_refused("a long name that goes on", &before(b'L', b"a\0b", &plain), "goes on");
    must_be_refused("pax size", &archive(&[file("f", "x").pax("size", "-1")]), "no number");
    must_be_refused("hex", &archive(&[file("f", "x").pax("size", "0x1")]), "no number");
    must_be_refused("pax time", &archive(&[file("f", "x").pax("mtime", "now")]), "no time");
    must_be_refused("a slash", &archive(&[file("f/", "x")]), "name of a directory");
}

/// `git archive` writes the commit into a record for all entries; that changes none of them.
#[test]
fn a_remark_is_none_of_our_business() {
    let mut bytes = Vec::new();
    let remark = record("comment", b"2da2b92dd4cb16ae58d1b6d1c1c1ed27ea0f0a8a");
    Entry { content: remark, ..entry(b'g', "pax_global_header") }.append(&mut bytes);
    bytes.extend(archive(&[file("f", "x")]));
    Bed::new().unpack_bytes(&bytes).unwrap();
}

#[test]
fn headers_add_up_or_are_none() {
    let good = archive(&[file("f", "x")]);
    for place in 0..512 {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        // The sum itself has a zero and a blank at its end, which say nothing.
        if !(154..156).contains(&place) {
            must_be_refused(&format!("byte {place}"), &bytes, "");
        }
    }
    let mut lone = vec![0; 512];
    lone.extend(archive(&[file("f", "x")]));
    must_be_refused("a block of zeros, and more", &lone, "one block of zeros");
    must_be_refused("half a header", &good[..300], "in the middle");
    must_be_refused("half a file", &good[..600], "in the middle");
    must_be_refused("rubbish", &[b'r'; 2048], "checksum");
    Bed::new().unpack_bytes(&good[..1024]).expect("the end may be missing");
}

#[test]
fn numbers_are_numbers() {
    let with = |place: usize, field: &[u8]| {
        let mut block = file("f", "").header();
        block[place..place + field.len()].copy_from_slice(field);
        add_up(&mut block);
        let mut bytes = block.to_vec();
        fill_up(&mut bytes);
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    };
    must_be_refused("a size of letters", &with(124, b"0000000000x\0"), "no number");
    must_be_refused("a size of nines", &with(124, b"00000000009\0"), "no number");
    must_be_refused("a negative size", &with(124, &[0xff; 12]), "negative");
    must_be_refused("a negative owner", &with(108, &[0xff; 8]), "negative");
    let huge = [0x80, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0];
    must_be_refused("a file of 2^60 bytes", &with(124, &huge), "in the middle");
    must_be_refused("neither form", &with(257, b"ustar 00"), "neither");
    // Blanks around it are how the old ones wrote.
    Bed::new().unpack_bytes(&with(124, b"          0 ")).unwrap();
}

#[test]
fn maps_of_holes_fit() {
    let sparse = |map: &str, size: &str| {
        let sparse = file("f", [b'x'; 512]).pax("GNU.sparse.size", size);
        archive(&[sparse.pax("GNU.sparse.map", map)])
    };
    must_be_refused("half a pair", &sparse("0,512,1", "1024"), "pair");
    must_be_refused("out of order", &sparse("512,256,0,256", "1024"), "order");
    must_be_refused("one over the other", &sparse("0,512,256,0", "1024"), "order");
    must_be_refused("beyond the end", &sparse("512,512", "600"), "beyond");
    must_be_refused("beyond numbers", &sparse("18446744073709551615,512", "1024"), "beyond");
    must_be_refused("too little", &sparse("0,100", "1024"), "100 bytes");
    must_be_refused("too much", &sparse("0,1024", "1024"), "1024 bytes");
    must_be_refused("rubbish", &sparse("0;512", "1024"), "no number");
    let version = file("f", "x").pax("GNU.sparse.major", "2").pax("GNU.sparse.minor", "0");
    must_be_refused("a version to come", &archive(&[version]), "version");
    let no_map = file("f", "x").pax("GNU.sparse.realsize", "9");
    must_be_refused("a size and no map", &archive(&[no_map]), "no map");
}
