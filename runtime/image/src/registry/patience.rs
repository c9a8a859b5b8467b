//! When is a registry asked again, and how long is waited before?
//!
//! A registry that says "too many requests" or "not now", and a network that lets go, may be better in
//! a moment. If everybody asked again at once that moment would never come: so the waits grow, nobody
//! waits exactly as long as the others, and where the registry says how long, that is what counts.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::{Error, Result};

/// How often is tried, and how long is waited.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How often something is tried without any progress.
    pub tries: u32,
    /// The wait after the first try; it doubles each time.
    pub first_wait: Duration,
    /// No wait is longer. A registry that asks for more is not asked again.
    pub longest_wait: Duration,
    /// How long nothing at all may come from a connection.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            tries: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            silence: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// Tries until it succeeds, or it makes no sense to try on. `says` hears what is waited for.
    pub(crate) fn with<T>(
        &self,
        says: &dyn Fn(&str),
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let mut tries = 1;
        loop {
            let error = match attempt() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let wait = self.wait_after(&error, tries)?.ok_or(error)?;
            std::thread::sleep(wait.announced(says));
            tries += 1;
        }
    }

    /// How long is waited after the `tries`th try has failed like this; none when it was the last.
    ///
    /// # Errors
    /// The registry asks for a wait that nobody would wait.
    pub(crate) fn wait_after(&self, error: &Error, tries: u32) -> Result<Option<Wait>> {
        if !error.may_pass() || tries >= self.tries {
            return Ok(None);
        }
        let time = match error.retry_after() {
            Some(asked) if asked > self.longest_wait => {
                return Err(Error::Unusable(format!(
                    "{error}; it asks to be left alone for {} seconds, which is longer than is waited here",
                    asked.as_secs()
                )));
            }
            Some(asked) => asked,
            None => jittered(self.first_wait * 2u32.pow((tries - 1).min(16))),
        };
        Ok(Some(Wait { time: time.min(self.longest_wait), because: error.to_string() }))
    }
}

/// A wait that is still to come.
pub(crate) struct Wait {
    time: Duration,
    because: String,
}

impl Wait {
    /// Tells what is waited for, and gives the time.
    pub(crate) fn announced(self, says: &dyn Fn(&str)) -> Duration {
        says(&format!("waits {:.1} s: {}", self.time.as_secs_f32(), self.because));
        self.time
    }
}

/// Between half and all of `time`.
fn jittered(time: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    time / 2 + time.mul_f64(random as f64 / 2000.0)
}

/// What `Retry-After` asks for: a number of seconds, or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = UNIX_EPOCH + Duration::from_secs(seconds_of(text)?);
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of(date: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = date.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let month = (month.len() == 3).then(|| MONTHS.find(month)).flatten()? as u64 / 3;
    let clock: Vec<u64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = clock.as_slice() else { return None };
    let in_range = (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && *hours < 24
        && *minutes < 60
        && *seconds <= 60;
    in_range.then(|| days_until(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// Days since 1970, by counting years from March, so that the leap day comes last.
fn days_until(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{retry_after, seconds_of};

    #[test]
    fn dates_are_those_of_the_specification() {
        assert_eq!(seconds_of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds_of("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds_of("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        for text in
            ["", "soon", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "1,2"]
        {
            assert_eq!(seconds_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_registry_may_say_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(7)));
        let later = now + Duration::from_secs(60);
        assert_eq!(retry_after(date, later), Some(Duration::ZERO));
        assert_eq!(retry_after("-1", now), None);
    }
}
