//! What does one block of 512 bytes say of an entry?
//!
//! POSIX ustar, GNU's own form and the old one of Version 7 share it; they differ in what lies at its
//! end (tar(5), IEEE Std 1003.1 "pax", "ustar Interchange Format").

use super::Kind;

/// The unit of which a tar consists.
pub(super) const BLOCK: usize = 512;

/// The fields that are needed before it is known whose they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// What kind of entry it is.
    pub(super) letter: u8,
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) owner: (i64, i64),
    pub(super) seconds: i64,
    form: Form,
}

/// Who has laid down what stands at the end of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// Nobody: it is from before there was anything.
    Old,
    /// POSIX: the beginning of a name that is too long, in so many bytes.
    Posix(usize),
    Gnu,
}

impl Header {
    pub(super) fn read(block: &[u8; BLOCK]) -> Result<Header, String> {
        must_add_up(block)?;
        let form = form(block)?;
        let size = u64::try_from(number(&block[124..136], "size")?);
        Ok(Header {
            letter: block[156],
            size: size.map_err(|_| "its size is negative")?,
            // Some writers put the kind in as well, as the kernel does.
            mode: number(&block[100..108], "mode")? as u32 & 0o7777,
            owner: (number(&block[108..116], "owner")?, number(&block[116..124], "group")?),
            seconds: number(&block[136..148], "time")?,
            form,
        })
    }

    /// Appends the name.
    pub(super) fn name(&self, block: &[u8; BLOCK], name: &mut Vec<u8>) {
        if let Form::Posix(length) = self.form {
            let prefix = text(&block[345..345 + length]);
            if !prefix.is_empty() {
                name.extend_from_slice(prefix);
                name.push(b'/');
            }
        }
        name.extend_from_slice(text(&block[..100]));
    }

    /// The target of a link.
    pub(super) fn link<'a>(&self, block: &'a [u8; BLOCK]) -> &'a [u8] {
        text(&block[157..257])
    }

    /// What the entry is.
    pub(super) fn kind(&self, block: &[u8; BLOCK], name: &[u8]) -> Result<Kind, String> {
        let named_as_directory = name.last() == Some(&b'/');
        match self.letter {
            // So directories were written before there was a letter for them.
            0 if named_as_directory => Ok(Kind::Directory),
            0 | b'0' | b'7' | b'S' if named_as_directory => {
                Err("it is a file with the name of a directory: there is a slash at its end".into())
            }
            0 | b'0' | b'7' | b'S' => Ok(Kind::File),
            b'1' => Ok(Kind::Link),
            b'2' => Ok(Kind::Symlink),
            b'3' => device(block).map(|(major, minor)| Kind::Character(major, minor)),
            b'4' => device(block).map(|(major, minor)| Kind::Block(major, minor)),
            b'5' => Ok(Kind::Directory),
            b'6' => Ok(Kind::Fifo),
            other => Err(format!(
                "entries of the type {:?} are not known here",
                char::from(other).escape_default().to_string()
            )),
        }
    }
}

/// The sum of all bytes, with blanks where the sum itself stands. Once it was made of signed ones.
fn must_add_up(block: &[u8; BLOCK]) -> Result<(), String> {
    let stated = number(&block[148..156], "checksum")?;
    let rest = || block[..148].iter().chain(&block[156..]);
    let blanks = i64::from(b' ') * 8;
    let unsigned: i64 = rest().map(|byte| i64::from(*byte)).sum::<i64>() + blanks;
    if stated == unsigned {
        return Ok(());
    }
    let signed: i64 = rest().map(|byte| i64::from(*byte as i8)).sum::<i64>() + blanks;
    match stated == signed {
        true => Ok(()),
        false => Err("its header does not add up: this is no tar, or it was changed".into()),
    }
}

fn form(block: &[u8; BLOCK]) -> Result<Form, String> {
    const WITHOUT_TIMES: usize = 131;
    match &block[257..265] {
        b"ustar\x0000" if &block[508..] == b"tar\0" => Ok(Form::Posix(WITHOUT_TIMES)),
        b"ustar\x0000" => Ok(Form::Posix(155)),
        b"ustar  \0" => {
            // A program that was wrong about it wrote the beginning of the name there.
            number(&block[345..357], "time of reading")?;
            Ok(Form::Gnu)
        }
        magic if magic.starts_with(b"ustar") => {
            Err("its header is neither of POSIX's form nor of GNU's".into())
        }
        _ => Ok(Form::Old),
    }
}

fn device(block: &[u8; BLOCK]) -> Result<(u32, u32), String> {
    let number = |field: &[u8], what| {
        u32::try_from(number(field, what)?).map_err(|_| format!("its {what} is no number of one"))
    };
    Ok((number(&block[329..337], "driver")?, number(&block[337..345], "device")?))
}

/// A field of text: it ends with a zero byte, if it is not full.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// A field of a number: octal digits, or, where they do not suffice, the number itself behind a bit.
pub(super) fn number(field: &[u8], what: &str) -> Result<i64, String> {
    let wrong = || format!("its {what} is no number");
    if field[0] & 0x80 != 0 {
        return binary(field).ok_or_else(wrong);
    }
    let text = text(field);
    let start = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|byte| *byte != b' ').map_or(start, |last| last + 1);
    let mut value: i64 = 0;
    for digit in &text[start..end] {
        match digit {
            b'0'..=b'7' => value = value << 3 | i64::from(digit - b'0'),
            _ => return Err(wrong()),
        }
    }
    // Twelve digits of three bits fit.
    Ok(value)
}

/// The highest bit says that it is one, the next is its sign.
fn binary(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let mut value: i128 = if negative { -1 } else { 0 };
    for byte in std::iter::once(first).chain(field[1..].iter().copied()) {
        value = value << 8 | i128::from(byte);
    }
    i64::try_from(value).ok()
}
