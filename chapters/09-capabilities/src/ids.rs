//! Which user is "1"? How are ids, masks and limits read?
//!
//! Strictly. Runtimes have run programs as root because a number was read as zero: `-u 1` by crun
//! (CVE-2026-30892), a number past the end by containerd (CVE-2024-40635), a number that was looked
//! up as a name first by runc (CVE-2016-3697).

use primitives::{Limit, Pid, Resource};

use crate::names::meant;

/// The one number that is no id: to `setresuid` it means "leave it as it is".
const UNCHANGED: u32 = u32::MAX;

// ANCHOR: id
/// A user or group: decimal digits and nothing else, so that there is one way to write each.
pub(crate) fn id(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    let number = text.parse().ok().filter(|number| *number != UNCHANGED);
    match number {
        Some(number) if digits && !padded => Ok(number),
        _ => Err(format!("{text:?} is no id: write a number from 0 to 4294967294, in digits")),
    }
}
// ANCHOR_END: id

/// A process as it is typed.
pub(crate) fn pid(text: &str) -> Result<Pid, String> {
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err("a process is named by its number, from 1 on".to_string()),
    }
}

/// A file mode creation mask in octal, as in a shell: `027`.
pub(crate) fn mask(text: &str) -> Result<u32, String> {
    let octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| octal && *mask <= 0o777);
    mask.ok_or_else(|| format!("{text:?} is no mask: write it in octal, 0 to 777"))
}

/// A limit as it is typed: `nofile=64:128`, where a part may be `unlimited`.
pub(crate) fn limit(text: &str) -> Result<(Resource, Limit), String> {
    let wrong = || format!("{text:?} is no limit: write NAME=SOFT:HARD, as in nofile=64:128");
    let (name, values) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = values.split_once(':').ok_or_else(wrong)?;
    let limit = Limit { soft: amount(soft)?, hard: amount(hard)? };
    if limit.soft.unwrap_or(u64::MAX) > limit.hard.unwrap_or(u64::MAX) {
        return Err(format!("{text:?}: the soft limit may not be above the hard one"));
    }
    Ok((resource(name)?, limit))
}

fn resource(text: &str) -> Result<Resource, String> {
    let upper = text.to_ascii_uppercase();
    let name = format!("RLIMIT_{}", upper.strip_prefix("RLIMIT_").unwrap_or(&upper));
    let known: Vec<String> = Resource::names().map(str::to_string).collect();
    let wrong = || format!("{text:?} is no resource{}", meant(&name, &known, "nofile"));
    Resource::named(&name).ok_or_else(wrong)
}

fn amount(text: &str) -> Result<Option<u64>, String> {
    if text == "unlimited" {
        return Ok(None);
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // The largest number is how the kernel says "no limit", so it is no amount.
    let number = text.parse().ok().filter(|number| digits && *number != u64::MAX);
    number.map(Some).ok_or_else(|| format!("{text:?} is no amount: write digits, or \"unlimited\""))
}

#[cfg(test)]
mod tests {
    use primitives::Resource;

    use super::{id, limit, mask};

    #[test]
    fn an_id_is_what_it_says_or_an_error() {
        for (text, number) in [("0", 0), ("1", 1), ("4294967294", 4_294_967_294)] {
            assert_eq!(id(text), Ok(number));
        }
        for text in [
            "",
            "1:",
            ":1",
            "1:1",
            "-1",
            "+1",
            " 1",
            "1 ",
            "01",
            "00",
            "0x1",
            "1e0",
            "root",
            "2147483648x",
            "4294967295",
            "4294967296",
            "18446744073709551616",
            "١",
        ] {
            assert!(id(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        for number in (0..u32::MAX).step_by(10_007) {
            assert_eq!(id(&number.to_string()), Ok(number));
        }
    }

    #[test]
    fn limits_have_two_parts() {
        let (resource, both) = limit("nofile=64:128").unwrap();
        assert_eq!(Some(resource), Resource::named("RLIMIT_NOFILE"));
        assert_eq!((both.soft, both.hard), (Some(64), Some(128)));
        assert_eq!(limit("RLIMIT_CORE=0:unlimited").unwrap().1.hard, None);
        for text in
            ["nofile", "nofile=1", "nofile=2:1", "nofile=unlimited:1", "nofile=-1:1", "x=1:1"]
        {
            assert!(limit(text).is_err(), "{text:?}");
        }
        assert!(limit("nofiles=1:1").unwrap_err().contains("RLIMIT_NOFILE?"));
    }

    #[test]
    fn masks_are_octal() {
        assert_eq!(mask("027"), Ok(0o27));
        for text in ["", "8", "1000", "0o27", "-1"] {
            assert!(mask(text).is_err(), "{text:?}");
        }
    }
}
