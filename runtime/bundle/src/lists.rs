//! How is a list of CPUs or memory nodes written?
//!
//! As the kernel writes it in `/sys/devices/system/cpu/online`: `0-3,7`.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use crate::at::At;

/// The most that a kernel can be built for is 8192 CPUs and 1024 nodes; this is only a stop.
const LARGEST: u32 = 65_535;

/// Numbers of CPUs or memory nodes, as ranges in rising order that do not touch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NumberList(Vec<(u32, u32)>);

impl NumberList {
    /// The ranges, first and last included.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    fn parse(text: &str) -> Option<NumberList> {
        let range = |part: &str| {
            let part = part.trim();
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))
        };
        let mut ranges = text.split(',').map(range).collect::<Option<Vec<_>>>()?;
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Some(NumberList(joined))
    }
}

/// `str::parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let number = if digits { text.parse().ok()? } else { return None };
    (number <= LARGEST).then_some(number)
}

impl Display for NumberList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for NumberList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A field that holds such a list; complains when it does not.
pub(crate) fn number_list(at: &At<'_>, name: &str) -> Option<NumberList> {
    let text = at.text(name)?;
    let list = NumberList::parse(&text);
    if list.is_none() {
        at.wrong_field(name, format!("{text:?} is no list of numbers"), "ranges as in \"0-3,7\"");
    }
    list
}
