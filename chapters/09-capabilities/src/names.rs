//! How is a capability called, and what if nobody is called that?
//!
//! Strictly: a name that is not understood and passed over would be a right that was not given up.

use primitives::{Capabilities, SecureBits};

// ANCHOR: capabilities
/// A capability as it is typed, with or without `CAP_` and in either case, or `all`.
pub(crate) fn capabilities(text: &str) -> Result<Capabilities, String> {
    let upper = text.to_ascii_uppercase();
    if upper == "ALL" {
        return Ok(Capabilities::all());
    }
    let name = format!("CAP_{}", upper.strip_prefix("CAP_").unwrap_or(&upper));
    let known = Capabilities::all().names();
    let wrong =
        || format!("{text:?} is no capability of this kernel{}", meant(&name, &known, "all"));
    Capabilities::named(&name).ok_or_else(wrong)
}
// ANCHOR_END: capabilities

/// A secure bit as it is typed: `noroot` is `SECBIT_NOROOT`.
pub(crate) fn secure_bit(text: &str) -> Result<SecureBits, String> {
    let upper = text.to_ascii_uppercase().replace('-', "_");
    let name = format!("SECBIT_{}", upper.strip_prefix("SECBIT_").unwrap_or(&upper));
    let known: Vec<String> =
        SecureBits::all().iter_names().map(|(name, _)| name.to_string()).collect();
    let wrong = || format!("{text:?} is no secure bit{}", meant(&name, &known, "noroot"));
    SecureBits::from_name(&name).ok_or_else(wrong)
}

/// The nearest of the known names, if one is near; else an example.
pub(crate) fn meant(name: &str, known: &[String], example: &str) -> String {
    let nearest = known.iter().min_by_key(|candidate| distance(name, candidate));
    match nearest {
        Some(near) if distance(name, near) <= 3 => format!(": do you mean {near}?"),
        _ => format!(": see capabilities(7) for the names, such as {example}"),
    }
}

/// How many letters must be changed, added or taken away to make one word the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (column, candidate) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *candidate);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use primitives::{Capabilities, SecureBits};

    use super::{capabilities, distance, secure_bit};

    #[test]
    fn capabilities_are_read_as_people_write_them() {
        let raw = Capabilities::named("CAP_NET_RAW").unwrap();
        for text in ["NET_RAW", "net_raw", "cap_net_raw", "CAP_NET_RAW"] {
            assert_eq!(capabilities(text), Ok(raw), "{text}");
        }
        assert_eq!(capabilities("all"), Ok(Capabilities::all()));
    }

    #[test]
    fn a_wrong_name_is_an_error_that_names_the_nearest() {
        let error = capabilities("NET_ROW").unwrap_err();
        assert!(error.contains("do you mean CAP_NET_RAW?"), "{error}");
        for text in ["", " NET_RAW", "CAP_", "CAP_CAP_NET_RAW", "13", "everything"] {
            assert!(capabilities(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn secure_bits_have_their_names() {
        assert_eq!(secure_bit("noroot"), Ok(SecureBits::SECBIT_NOROOT));
        let locked = secure_bit("no-setuid-fixup-locked");
        assert_eq!(locked, Ok(SecureBits::SECBIT_NO_SETUID_FIXUP_LOCKED));
        assert!(secure_bit("norot").unwrap_err().contains("SECBIT_NOROOT?"));
    }

    #[test]
    fn letters_are_counted() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("same", "same"), 0);
    }
}
