//! Registries that misbehave, and registries that are real.
#![expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod bed;
mod fake;
mod fetching;
mod images;
mod indexes;
mod lists;
mod pulling;
mod real;
mod redirects;
mod tokens;
mod uploading;
mod window;

use std::time::Duration;

use image::registry::patience::Patience;
use image::registry::{Registry, Settings};

use fake::Fake;

/// Settings of nobody in particular, who does not wait long.
fn settings() -> Settings {
    let patience = Patience {
        tries: 4,
        first_wait: Duration::from_millis(2),
        longest_wait: Duration::from_secs(5),
        silence: Duration::from_secs(10),
    };
    Settings { patience, ..Settings::default() }
}

/// As [`settings`], of somebody who does not like silence.
fn impatient() -> Settings {
    let mut settings = settings();
    settings.patience.silence = Duration::from_millis(400);
    settings
}

fn open(fake: &Fake) -> Registry {
    Registry::open(&fake.name(), &settings()).unwrap()
}

/// Bytes that do not repeat, so that a wrong place is seen.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Whether a test that needs something goes without it here. Where nothing may be skipped, as in CI, it
/// fails instead.
fn may_be_skipped(what: &str, is_missing: bool) -> bool {
    let required = std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!(is_missing && required), "nothing may be skipped here, but this needs {what}");
    if is_missing {
        eprintln!("skipped: needs {what}");
    }
    is_missing
}
