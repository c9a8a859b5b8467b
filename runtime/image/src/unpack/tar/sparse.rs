//! Where does the content of a file with holes lie?
//!
//! A file can be larger than what was ever written into it. GNU tar keeps only what was, and a map:
//! in the header (`S`), in pax records (versions 0.0 and 0.1), or before the content (1.0).

use super::header::{BLOCK, number};
use super::pax::decimal;
use super::{Fault, refused};

/// So many bytes from this place on are content; between segments there are holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// More than this in one file is a map that was made to fill our memory.
const MOST: usize = 1 << 20;

/// The map of GNU's own form: four segments in the header, and blocks of twenty-one if need be. Says
/// also how long the file is.
pub(super) fn gnu(
    header: [u8; BLOCK],
    mut next: impl FnMut() -> Result<[u8; BLOCK], Fault>,
) -> Result<(Vec<Segment>, u64), Fault> {
    let length = length_of(&header[483..495])?;
    let mut segments = Vec::new();
    let mut more = append(&mut segments, &header[386..482], header[482])?;
    while more {
        let block = next()?;
        more = append(&mut segments, &block[..504], block[504])?;
    }
    Ok((segments, length))
}

/// Appends what stands in these fields; says whether there are more to come.
fn append(segments: &mut Vec<Segment>, fields: &[u8], more: u8) -> Result<bool, Fault> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 || pair[12] == 0 {
            break;
        }
        push(segments, length_of(&pair[..12])?, length_of(&pair[12..])?).map_err(refused)?;
    }
    Ok(more != 0)
}

fn length_of(field: &[u8]) -> Result<u64, Fault> {
    let number = number(field, "map of holes").map_err(refused)?;
    u64::try_from(number).map_err(|_| refused("there is a negative number in the map of its holes"))
}

/// The map of version 0.1: `start,length,start,length`.
pub(super) fn in_text(map: &[u8]) -> Result<Vec<Segment>, String> {
    let numbers: Vec<u64> = match map {
        [] => Vec::new(),
        map => map.split(|byte| *byte == b',').map(decimal).collect::<Result<_, _>>()?,
    };
    in_pairs(&numbers)
}

/// The map as numbers in turn.
pub(super) fn in_pairs(numbers: &[u64]) -> Result<Vec<Segment>, String> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    let mut segments = Vec::with_capacity(pairs.len());
    for [start, length] in pairs {
        push(&mut segments, *start, *length)?;
    }
    match rest {
        [] => Ok(segments),
        _ => Err("the map of its holes ends in the middle of a pair".into()),
    }
}

/// The map of version 1.0: lines of decimal numbers, the first says how many pairs follow; the rest of
/// the last block is filled up.
pub(super) fn in_content(
    mut next: impl FnMut() -> Result<[u8; BLOCK], Fault>,
) -> Result<Vec<Segment>, Fault> {
    let mut block = next()?;
    let mut place = 0;
    let mut line = || -> Result<u64, Fault> {
        let mut digits = Vec::with_capacity(20);
        loop {
            if place == BLOCK {
                (block, place) = (next()?, 0);
            }
            let byte = block[place];
            place += 1;
            match byte {
                b'\n' => return decimal(&digits).map_err(refused),
                _ if digits.len() == 20 => return decimal(b"").map_err(refused),
                byte => digits.push(byte),
            }
        }
    };
    let count = line()?;
    let mut segments = Vec::new();
    for _ in 0..count {
        let (start, length) = (line()?, line()?);
        push(&mut segments, start, length).map_err(refused)?;
    }
    Ok(segments)
}

fn push(segments: &mut Vec<Segment>, start: u64, length: u64) -> Result<(), String> {
    if segments.len() == MOST {
        return Err("the map of its holes has more than a million lines".into());
    }
    segments.push(Segment { start, length });
    Ok(())
}

/// One after the other, none over another, all within the file, and together what is in the archive.
pub(super) fn must_fit(segments: &[Segment], length: u64, stored: u64) -> Result<(), String> {
    let (mut end, mut sum) = (0_u64, 0_u64);
    for segment in segments {
        if segment.start < end {
            return Err("the map of its holes is out of order".into());
        }
        let next = segment.start.checked_add(segment.length).filter(|next| *next <= length);
        end = next.ok_or("the map of its holes goes beyond its end")?;
        sum += segment.length;
    }
    match sum == stored {
        true => Ok(()),
        false => Err(format!("its map speaks of {sum} bytes, and there are {stored}")),
    }
}
