//! How is an amount written, and which amounts are possible?
//!
//! Everything is looked at before the first request: a container that is made half because its third
//! limit has a typing error is of no use to anybody.

/// A size in bytes as the kernel reads it: a number, with k, m or g for powers of 1024; `-1` or `max`
/// is none.
pub(crate) fn size(text: &str) -> Result<Option<u64>, String> {
    let text = text.trim();
    if matches!(text, "-1" | "max") {
        return Ok(None);
    }
    let wrong = || format!("{text:?} is no size: write bytes, or 100M, or -1 for no limit");
    let (digits, shift) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (&text[..end], 10),
        Some((end, 'm' | 'M')) => (&text[..end], 20),
        Some((end, 'g' | 'G')) => (&text[..end], 30),
        _ => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let large = || format!("{text:?} is more than any machine has (the most is 2^63 - 1 bytes)");
    let number: u64 = digits.parse().map_err(|_| large())?;
    let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes <= i64::MAX as u64);
    bytes.map(Some).ok_or_else(large)
}

/// A size that is a limit.
pub(crate) fn limit(text: &str) -> Result<u64, String> {
    match size(text)? {
        Some(0) => Err("a limit of 0 bytes lets nothing run".to_string()),
        Some(bytes) => Ok(bytes),
        None => Err("leave the flag out for no limit".to_string()),
    }
}

/// A whole number within bounds.
pub(crate) fn number(text: &str, least: u64, most: u64, what: &str) -> Result<u64, String> {
    match text.trim().parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} cannot be {what}: it is a number from {least} to {most}")),
    }
}

/// The weight of v2 for the shares of v1, as runc has it since 1.3.2 and crun since 1.23: a curve that
/// goes through the least, the most, and the default of both (1024 shares are a weight of 100).
///
/// The straight line that came before made 39 of 1024 shares: containers lost against everything
/// outside. See kubernetes issue 131216 and opencontainers/runc pull request 4785.
pub(crate) fn weight_of(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let l = (shares as f64).log2();
            10_f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0).ceil() as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{limit, number, size, weight_of};

    #[test]
    fn sizes_are_read_as_the_kernel_reads_them() {
        assert_eq!(size("100000000"), Ok(Some(100_000_000)));
        assert_eq!(size("100M"), Ok(Some(104_857_600)));
        assert_eq!(size("2g"), Ok(Some(2_147_483_648)));
        assert_eq!(size("-1"), Ok(None));
        for wrong in ["", "M", "-5", "1.5G", "10T", "0x10", "1 0"] {
            assert!(size(wrong).unwrap_err().contains("no size"), "{wrong}");
        }
        for large in ["9223372036854775808", "99999999999999999999", "8589934592G"] {
            assert!(size(large).unwrap_err().contains("more than any machine"), "{large}");
        }
        assert!(limit("0").is_err() && limit("-1").is_err());
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(number("512", 2, 262_144, "shares"), Ok(512));
        assert!(number("1", 2, 262_144, "shares").is_err());
        assert!(number("-3", 0, 9, "a count").unwrap_err().contains("0 to 9"));
    }

    #[test]
    fn shares_and_weight_have_the_same_default() {
        // The values of opencontainers/cgroups, utils_test.go.
        assert_eq!(weight_of(2), 1);
        assert_eq!(weight_of(1024), 100);
        assert_eq!(weight_of(262_144), 10_000);
        assert_eq!(weight_of(512), 59);
        assert_eq!(weight_of(2000), 170);
    }
}
