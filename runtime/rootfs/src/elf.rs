//! What does a program need to run? Its own header says it.
//!
//! An ELF file names the program that loads it (`PT_INTERP`) and the libraries that one must load
//! besides (`DT_NEEDED`), and may name places to look for them (`DT_RPATH`, `DT_RUNPATH`). `ldd` finds
//! the same by *running* the program with a variable set, which is no way to treat a file of unknown
//! origin; here it is only read, and however broken it is, the worst answer is an error.
//!
//! Source: elf(5); Tool Interface Standard, Executable and Linking Format.

/// What the header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    pub(crate) kind: Kind,
    /// The loader; none for a static program and for most libraries.
    pub(crate) interpreter: Option<String>,
    pub(crate) needed: Vec<String>,
    /// Lists with `:` between directories.
    pub(crate) rpath: Option<String>,
    pub(crate) runpath: Option<String>,
}

/// For which machines a file is: libraries must be of the same kind as the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    /// 1: 32 bits, 2: 64 bits.
    class: u8,
    /// 1: the low byte first, 2: the high byte first.
    order: u8,
    machine: u16,
}

const MACHINES: [(u16, &str); 11] = [
    (3, "i386"),
    (8, "MIPS"),
    (20, "32-bit PowerPC"),
    (21, "PowerPC"),
    (22, "s390"),
    (40, "32-bit ARM"),
    (43, "SPARC"),
    (62, "x86-64"),
    (183, "ARM (aarch64)"),
    (243, "RISC-V"),
    (258, "LoongArch"),
];

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match MACHINES.iter().find(|(number, _)| *number == self.machine) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "machine {} of elf(5)", self.machine),
        }
    }
}

impl Kind {
    /// Whether a machine of this kind runs programs of the other: its own, and 32-bit ones where the
    /// processor has that mode.
    pub(crate) fn runs(self, other: Kind) -> bool {
        const WITH_32_BITS: [(u16, u16); 2] = [(62, 3), (183, 40)];
        self == other || WITH_32_BITS.contains(&(self.machine, other.machine))
    }
}

/// Whether these bytes begin as an ELF file does.
pub(crate) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// For which machine a file is; its first twenty bytes are enough.
pub(crate) fn kind(bytes: &[u8]) -> Result<Kind, String> {
    if !is_elf(bytes) {
        return Err("it is no ELF file".into());
    }
    let (Some(&class @ 1..=2), Some(&order @ 1..=2)) = (bytes.get(4), bytes.get(5)) else {
        return Err("it is neither for 32 nor for 64 bits".into());
    };
    let machine = Reader { bytes, wide: class == 2, little: order == 1 }.half(18)?;
    Ok(Kind { class, order, machine })
}

/// Reads the header of a program or library.
pub(crate) fn read(bytes: &[u8]) -> Result<Elf, String> {
    let kind = kind(bytes)?;
    let reader = Reader { bytes, wide: kind.class == 2, little: kind.order == 1 };
    let segments = reader.segments()?;
    let interpreter = match segments.iter().find(|segment| segment.kind == PT_INTERP) {
        Some(segment) => Some(reader.text(segment.offset)?),
        None => None,
    };
    let mut elf = Elf { kind, interpreter, ..Elf::default() };
    if let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) {
        reader.dynamic(dynamic, &segments, &mut elf)?;
    }
    Ok(elf)
}

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// A part of the file that is loaded, or that tells something.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

/// The bytes, and how numbers are written in them.
struct Reader<'a> {
    bytes: &'a [u8],
    wide: bool,
    little: bool,
}

impl Reader<'_> {
    fn number(&self, offset: u64, length: usize) -> Result<u64, String> {
        let start = usize::try_from(offset).map_err(|_| cut())?;
        let end = start.checked_add(length).ok_or_else(cut)?;
        let bytes = self.bytes.get(start..end).ok_or_else(cut)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Ok(match self.little {
            true => bytes.iter().rev().fold(0, add),
            false => bytes.iter().fold(0, add),
        })
    }

    fn half(&self, offset: u64) -> Result<u16, String> {
        self.number(offset, 2).map(|number| u16::try_from(number).expect("two bytes make no more"))
    }

    /// A number of the size of an address.
    fn word(&self, offset: u64) -> Result<u64, String> {
        self.number(offset, if self.wide { 8 } else { 4 })
    }

    /// One of two offsets, by the width of addresses.
    fn at(&self, narrow: u64, wide: u64) -> u64 {
        if self.wide { wide } else { narrow }
    }

    fn segments(&self) -> Result<Vec<Segment>, String> {
        let table = self.word(self.at(28, 32))?;
        let size = u64::from(self.half(self.at(42, 54))?);
        let count = u64::from(self.half(self.at(44, 56))?);
        if count > 0 && size < self.at(32, 56) {
            return Err("its program headers are too short".into());
        }
        (0..count).map(|index| self.segment(plus(table, index * size)?)).collect()
    }

    fn segment(&self, start: u64) -> Result<Segment, String> {
        let at = |narrow, wide| plus(start, self.at(narrow, wide));
        Ok(Segment {
            kind: self.number(start, 4)?,
            offset: self.word(at(4, 8)?)?,
            address: self.word(at(8, 16)?)?,
            size: self.word(at(16, 32)?)?,
        })
    }

    /// Reads the list of what is to be linked at the start: pairs of a tag and a value.
    fn dynamic(&self, list: &Segment, all: &[Segment], elf: &mut Elf) -> Result<(), String> {
        let pair = self.at(8, 16);
        let mut entries = Vec::new();
        let mut strings = None;
        for index in 0..list.size / pair {
            let start = plus(list.offset, index * pair)?;
            let (tag, value) = (self.word(start)?, self.word(plus(start, pair / 2)?)?);
            match tag {
                DT_NULL => break,
                DT_STRTAB => strings = Some(value),
                DT_NEEDED | DT_RPATH | DT_RUNPATH => entries.push((tag, value)),
                _ => {}
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let strings = offset_of(strings.ok_or("it names libraries and has no names")?, all)?;
        for (tag, value) in entries {
            let text = self.text(plus(strings, value)?)?;
            match tag {
                DT_NEEDED => elf.needed.push(text),
                DT_RPATH => elf.rpath = Some(text),
                _ => elf.runpath = Some(text),
            }
        }
        Ok(())
    }

    /// The text that begins at `offset` and ends before the next zero.
    fn text(&self, offset: u64) -> Result<String, String> {
        let start = usize::try_from(offset).map_err(|_| cut())?;
        let rest = self.bytes.get(start..).ok_or_else(cut)?;
        let end = rest.iter().position(|byte| *byte == 0).ok_or_else(cut)?;
        String::from_utf8(rest[..end].to_vec()).map_err(|_| "a name in it is no text".to_string())
    }
}

/// Where in the file an address of the running program comes from.
fn offset_of(address: u64, segments: &[Segment]) -> Result<u64, String> {
    let holds = |segment: &&Segment| {
        segment.kind == PT_LOAD
            && address >= segment.address
            && address - segment.address < segment.size
    };
    let segment = segments.iter().find(holds).ok_or("its names are not in the file")?;
    plus(segment.offset, address - segment.address)
}

fn plus(a: u64, b: u64) -> Result<u64, String> {
    a.checked_add(b).ok_or_else(cut)
}

fn cut() -> String {
    "it ends too early, or a number in it leads out of it".to_string()
}

#[cfg(test)]
mod tests {
    use super::{is_elf, kind, read};

    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn this_program_is_read() {
        let elf = read(&own()).unwrap();
        assert!(elf.interpreter.unwrap().contains("ld"));
        assert!(elf.needed.iter().any(|name| name.starts_with("libc.")), "{:?}", elf.needed);
        assert!(elf.kind.runs(elf.kind));
    }

    #[test]
    fn no_end_of_a_file_is_a_panic() {
        let bytes = own();
        for length in (0..4096.min(bytes.len())).chain((4096..bytes.len()).step_by(9973)) {
            let _ = read(&bytes[..length]);
        }
        assert!(read(b"\x7fELF").is_err() && read(b"").is_err() && read(b"#!/bin/sh\n").is_err());
    }

    #[test]
    fn no_change_of_a_byte_is_a_panic() {
        let bytes = own();
        // Headers and the list of libraries lie in the first pages, or are led to from there.
        let mut seed: u64 = 5;
        for round in 0..20_000_usize {
            let mut broken = bytes[..bytes.len().min(1 << 16)].to_vec();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let place = usize::try_from(seed >> 40).unwrap() % 1024.min(broken.len());
                broken[place] = u8::try_from(seed >> 32 & 0xff).unwrap();
            }
            let _ = (round, read(&broken));
            if round > 2_000 {
                break;
            }
        }
    }

    #[test]
    fn the_machine_has_a_name() {
        let mut bytes = own()[..64].to_vec();
        bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
        assert_eq!(kind(&bytes).unwrap().to_string(), "ARM (aarch64)");
        bytes[18..20].copy_from_slice(&9999_u16.to_le_bytes());
        assert_eq!(kind(&bytes).unwrap().to_string(), "machine 9999 of elf(5)");
        assert!(is_elf(&bytes) && !is_elf(b"ELF"));
    }
}
