//! Is a value that a record claims the one that strace shows?

use primitives::LandlockAccess;
use trace::Arg;

use super::netlink;

/// Whether a structure in strace's form has this field with this value.
pub(super) fn has(structure: &str, field: &str, value: &str) -> bool {
    // What the kernel has written into the structure follows after an arrow.
    let asked = structure.split(" => ").next().unwrap_or(structure);
    // Where strace has put a call together that another process interrupted, blanks are left over.
    let inside = asked.trim().trim_start_matches(['[', '{']).trim_end_matches(['}', ']']);
    inside.split(", ").any(|part| {
        let Some((name, seen)) = part.split_once('=') else {
            return false;
        };
        // strace may add a translation in a comment, as for numbers of processes.
        let seen = seen.split(" /*").next().unwrap_or(seen).trim_end_matches('}');
        // A flag of a network device is set beside those that it has.
        let is_set = || field == "ifr_flags" && seen.split('|').any(|flag| flag == value);
        name.trim_start_matches('{') == field && (same_flags(seen, value) || is_set())
    })
}

/// Whether a claimed value is what strace shows.
pub(super) fn same(claimed: &Arg, seen: &str) -> bool {
    match claimed {
        Arg::Pid(number) | Arg::Fd(number) => seen.split(' ').next() == Some(&number.to_string()),
        Arg::Number(number) => seen == number.to_string(),
        // The environment is not spelt out in a record.
        Arg::Word(word) if word == "environ" => true,
        Arg::Word(word) if word == "~0U" => seen == u32::MAX.to_string(),
        Arg::Word(word) if word.starts_with("makedev(") => device(word) == device(seen),
        Arg::Word(word) if seen.starts_with("KEY_") => same_rights(seen, word),
        // A request for a terminal's other end has flags that strace does not know by name.
        Arg::Word(word) if word.starts_with("O_") && seen.starts_with("0x") => {
            same_open_flags(seen, word)
        }
        // A mode of a terminal that is taken away, or given back.
        Arg::Word(word) if word.starts_with(['-', '+']) => same_mode(seen, word),
        Arg::Word(word) if word == super::expected::FOR_WRITING => {
            seen.split('|').any(|flag| flag == "O_WRONLY")
        }
        Arg::Word(word) => same_flags(seen, word),
        Arg::Fields(fields) if netlink::is_message(fields) => netlink::same(fields, seen),
        Arg::Fields(fields) => fields.iter().all(|(name, value)| match value {
            Arg::Word(word) => has(seen, name, word),
            Arg::Fd(number) => has(seen, name, &number.to_string()),
            Arg::Number(number) => has(seen, name, &number.to_string()),
            Arg::Path(_) | Arg::Text(_) => has(seen, name, &value.to_string()),
            _ => false,
        }),
        // A long text is cut in the record, and a very long one by strace too.
        Arg::Cut { text, .. } if seen.ends_with("...") => {
            let shown = Arg::Text(text.clone()).to_string();
            seen.starts_with(shown.trim_end_matches('"'))
        }
        // One process in brackets; strace may add a translation in a comment.
        Arg::List(items) if matches!(items.as_slice(), [Arg::Pid(_)]) => {
            let seen = seen.trim_start_matches('[').trim_end_matches(']');
            same(&items[0], seen)
        }
        text => {
            seen == text.to_string()
                || seen.starts_with(&format!("{text}..."))
                || same_bytes(text, seen)
        }
    }
}

/// Whether a text is the same byte by byte: strace writes what is not ASCII in octal.
fn same_bytes(claimed: &Arg, seen: &str) -> bool {
    let Some(seen) = unquoted(seen) else {
        return false;
    };
    match claimed {
        Arg::Text(text) | Arg::Path(text) => seen == text.as_bytes(),
        Arg::Bytes(bytes) => seen == *bytes,
        Arg::Cut { text, bytes } => seen.len() == *bytes && seen.starts_with(text.as_bytes()),
        _ => false,
    }
}

/// The bytes that strace shows as a string in C.
fn unquoted(seen: &str) -> Option<Vec<u8>> {
    let mut rest = seen.strip_prefix('"')?.strip_suffix('"')?.bytes().peekable();
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'f' => 12,
            b'v' => 11,
            digit @ b'0'..=b'7' => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    let Some(next) = rest.next_if(|byte| (b'0'..=b'7').contains(byte)) else {
                        break;
                    };
                    value = value * 8 + u32::from(next - b'0');
                }
                u8::try_from(value).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

fn same_flags(seen: &str, claimed: &str) -> bool {
    let set = |text: &str| {
        // O_RDONLY is no bit: it is there when no other way to open is. A file may always be large on
        // 64 bits, and some libraries say so.
        let no_bit = ["O_RDONLY", "O_LARGEFILE"];
        let names = text.split('|').filter(|name| !no_bit.contains(name));
        let mut names: Vec<String> = names.flat_map(|name| spelt_out(text, name)).collect();
        names.sort();
        names
    };
    set(seen) == set(claimed)
}

/// Names that stand for several bits, and bits that this strace does not know by name.
fn spelt_out(all: &str, name: &str) -> Vec<String> {
    // All that says how access times are kept.
    if name == "MOUNT_ATTR__ATIME" {
        return ["MOUNT_ATTR_NOATIME", "MOUNT_ATTR_STRICTATIME", "0x40"].map(String::from).to_vec();
    }
    let hex = name.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    match hex {
        Some(bits) if all.contains("LANDLOCK_ACCESS_FS_") => {
            let rights = LandlockAccess::from_bits_truncate(bits);
            rights.iter_names().map(|(name, _)| name.to_string()).collect()
        }
        _ => vec![name.to_string()],
    }
}

fn same_open_flags(seen: &str, claimed: &str) -> bool {
    let bit = |name: &str| match name {
        "O_RDWR" => Some(0x2_u64),
        "O_NOCTTY" => Some(0x100),
        "O_CLOEXEC" => Some(0x8_0000),
        _ => None,
    };
    let bits = claimed.split('|').map(bit).try_fold(0, |all, bit| Some(all | bit?));
    let seen = seen.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    bits.is_some() && bits == seen
}

/// strace may leave fields out; a mode is only known to be off where its field is shown.
fn same_mode(seen: &str, claimed: &str) -> bool {
    let (sign, mode) = claimed.split_at(1);
    let field = if mode == "ONLCR" { "c_oflag=" } else { "c_lflag=" };
    let shown = seen.split(", ").find_map(|part| part.strip_prefix(field));
    shown.is_some_and(|modes| modes.split('|').any(|part| part == mode) == (sign == "+"))
}

/// A device's two numbers, which strace writes in hex.
fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.strip_prefix("makedev(")?.strip_suffix(')')?.split_once(", ")?;
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    Some((number(major)?, number(minor)?))
}

/// Who may do what with a key: a number in the record, as in `/proc/keys`, and names to strace.
fn same_rights(seen: &str, claimed: &str) -> bool {
    const WHO: [&str; 4] = ["OTH", "GRP", "USR", "POS"];
    const WHAT: [&str; 6] = ["VIEW", "READ", "WRITE", "SEARCH", "LINK", "SETATTR"];
    let bit = |name: &str| {
        let (who, what) = name.strip_prefix("KEY_")?.split_once('_')?;
        let who = WHO.iter().position(|known| *known == who)?;
        let what = WHAT.iter().position(|known| *known == what)?;
        Some(1_u32 << (8 * who + what))
    };
    let bits = seen.split('|').map(bit).try_fold(0, |all, bit| Some(all | bit?));
    let claimed = claimed.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
    bits.is_some() && bits == claimed
}

#[cfg(test)]
mod tests {
    use trace::Arg;

    use super::{has, same, unquoted};

    #[test]
    fn numbers_are_compared_with_the_names_that_strace_has() {
        let word = |text: &str| Arg::Word(text.to_string());
        let seen = "KEY_POS_VIEW|KEY_USR_READ|KEY_OTH_SEARCH";
        assert!(same(&word("0x1020008"), seen));
        assert!(!same(&word("0x1020000"), seen));
        assert!(same(&word("makedev(1, 10)"), "makedev(0x1, 0xa)"));
        assert!(same(&word("O_RDWR|O_NOCTTY|O_CLOEXEC"), "0x80102"));
        assert!(!same(&word("O_RDWR|O_CLOEXEC"), "0x80102"));
        assert!(same(&word("-ONLCR"), "{c_iflag=ICRNL, c_oflag=NL0|OPOST, ...}"));
        assert!(!same(&word("-ONLCR"), "{c_iflag=ICRNL, c_oflag=NL0|ONLCR|OPOST, ...}"));
        let raw = "{c_iflag=0, c_oflag=OPOST, c_lflag=ECHOE|ECHOK, ...}";
        assert!(same(&word("-ICANON"), raw) && !same(&word("+ICANON"), raw));
        assert!(!same(&word("-ICANON"), "{c_iflag=0, c_oflag=OPOST, ...}"));
        assert!(!same(&word("makedev(1, 10)"), "makedev(0x1, 0x10)"));
    }

    #[test]
    fn text_is_compared_byte_by_byte() {
        let seen = r#""a\0\13\n\303\251\\b""#;
        assert_eq!(unquoted(seen).unwrap(), b"a\0\x0b\n\xc3\xa9\\b");
        assert!(same(&Arg::Text("\u{e9}".into()), r#""\303\251""#));
        assert!(!same(&Arg::Text("\u{e8}".into()), r#""\303\251""#));
        assert!(same(&Arg::Cut { text: "ab".into(), bytes: 4 }, r#""abcd""#));
        assert!(!same(&Arg::Cut { text: "ab".into(), bytes: 5 }, r#""abcd""#));
    }

    #[test]
    fn the_last_field_is_found_also_in_a_call_that_was_interrupted() {
        for arrow in [" => ", "  => "] {
            let seen = format!("{{flags=CLONE_PIDFD, cgroup=3}}{arrow}{{pidfd=[4]}}");
            assert!(has(&seen, "cgroup", "3"), "{seen}");
            assert!(!has(&seen, "cgroup", "4"), "{seen}");
        }
    }
}
