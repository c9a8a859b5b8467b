//! Which of the images under one name runs here?

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::null_is_empty;

/// What an image runs on: `linux/arm64/v8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The architecture, by Go's names: `amd64`, `arm64`.
    pub architecture: String,
    /// The operating system.
    pub os: String,
    /// Which of the architecture's variants: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The version of the operating system; only Windows cares.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must have.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_is_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
}

/// Why a text is no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a platform: it has to look like linux/arm64 or linux/arm/v7")]
pub struct NotAPlatform(String);

impl Platform {
    /// The platform of this machine, with the variant that its processor can do.
    pub fn here() -> Platform {
        let named = Platform {
            architecture: std::env::consts::ARCH.to_string(),
            os: std::env::consts::OS.to_string(),
            ..Platform::default()
        };
        Platform { variant: named.variant.clone().or_else(variant_here), ..named }.normal()
    }

    /// How well an image for `offered` runs where this is asked for: the smaller the better, and none
    /// when it does not run. The best is that of the same variant, then the next older one.
    pub fn rank(&self, offered: &Platform) -> Option<usize> {
        let (wanted, offered) = (self.clone().normal(), offered.clone().normal());
        let version = match (&wanted.os_version, &offered.os_version) {
            (Some(wanted), Some(offered)) => offered.starts_with(wanted.as_str()),
            _ => true,
        };
        if wanted.os != offered.os || !version {
            return None;
        }
        let theirs = (offered.architecture.as_str(), offered.variant.as_deref());
        wanted.runs().iter().position(|(architecture, variant)| {
            (architecture.as_str(), variant.as_deref()) == theirs
        })
    }

    /// What the processor runs, the best first.
    fn runs(&self) -> Vec<(String, Option<String>)> {
        let of = |architecture: &str, variant: Option<u32>| {
            (architecture.to_string(), variant.map(|number| format!("v{number}")))
        };
        let number = self.variant.as_deref().and_then(|variant| variant.strip_prefix('v'));
        let number = number.and_then(|digits| digits.parse::<u32>().ok());
        match (self.architecture.as_str(), number) {
            ("amd64", number) => {
                let newer = (2..=number.unwrap_or(1).min(9)).rev();
                let mut runs: Vec<_> = newer.map(|number| of("amd64", Some(number))).collect();
                runs.extend([of("amd64", None), of("386", None)]);
                runs
            }
            ("arm", Some(number)) => {
                (5..=number.min(8)).rev().map(|number| of("arm", Some(number))).collect()
            }
            ("arm64", number) => {
                let newer = (9..=number.unwrap_or(8).min(20)).rev();
                let mut runs: Vec<_> = newer.map(|number| of("arm64", Some(number))).collect();
                runs.push(of("arm64", None));
                runs.extend((5..=8).rev().map(|number| of("arm", Some(number))));
                runs
            }
            _ => vec![(self.architecture.clone(), self.variant.clone())],
        }
    }

    /// The same platform in the words that most images use.
    fn normal(self) -> Platform {
        let architecture = self.architecture.to_ascii_lowercase();
        let variant = self.variant.map(|variant| variant.to_ascii_lowercase());
        let variant = variant.filter(|variant| !variant.is_empty()).map(|variant| {
            match variant.starts_with(|first: char| first.is_ascii_digit()) {
                true => format!("v{variant}"),
                false => variant,
            }
        });
        let (architecture, variant) = match (architecture.as_str(), variant.as_deref()) {
            ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64", None),
            ("x86_64" | "x86-64", _) => ("amd64", variant.as_deref()),
            ("x86" | "i386" | "i486" | "i586" | "i686", _) => ("386", None),
            ("aarch64" | "arm64", None | Some("v8")) => ("arm64", None),
            ("aarch64", _) => ("arm64", variant.as_deref()),
            ("armhf", _) | ("arm", None) => ("arm", Some("v7")),
            ("armel", _) => ("arm", Some("v6")),
            ("powerpc64le", _) => ("ppc64le", None),
            ("loongarch64", _) => ("loong64", None),
            (other, variant) => (other, variant),
        };
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_string(),
            other => other.to_string(),
        };
        let (architecture, variant) = (architecture.to_string(), variant.map(str::to_string));
        Platform { architecture, os, variant, ..self }
    }
}

impl Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = NotAPlatform;

    fn from_str(text: &str) -> Result<Platform, NotAPlatform> {
        let letter = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty() || !part.chars().all(letter)) {
            return Err(NotAPlatform(text.to_string()));
        }
        let owned = |os: &str, architecture: &str, variant: Option<&str>| Platform {
            architecture: architecture.to_string(),
            os: os.to_string(),
            variant: variant.map(str::to_string),
            ..Platform::default()
        };
        let platform = match parts.as_slice() {
            [os @ ("linux" | "windows" | "freebsd" | "darwin")] => {
                Platform { os: (*os).to_string(), ..Platform::here() }
            }
            [architecture] => owned("linux", architecture, None),
            [os, architecture] => owned(os, architecture, None),
            [os, architecture, variant] => owned(os, architecture, Some(variant)),
            _ => return Err(NotAPlatform(text.to_string())),
        };
        Ok(platform.normal())
    }
}

/// The level of the x86-64 psABI that this processor reaches.
#[cfg(target_arch = "x86_64")]
fn variant_here() -> Option<String> {
    use std::arch::is_x86_feature_detected as has;
    let second = has!("sse3") && has!("ssse3") && has!("sse4.1") && has!("sse4.2");
    let second = second && has!("popcnt") && has!("cmpxchg16b");
    let third = second && has!("avx") && has!("avx2") && has!("bmi1") && has!("bmi2");
    let third = third && has!("f16c") && has!("fma") && has!("lzcnt") && has!("movbe");
    let fourth = third && has!("avx512f") && has!("avx512bw") && has!("avx512cd");
    let fourth = fourth && has!("avx512dq") && has!("avx512vl");
    let level = 1 + u32::from(second) + u32::from(third) + u32::from(fourth);
    (level > 1).then(|| format!("v{level}"))
}

#[cfg(not(target_arch = "x86_64"))]
fn variant_here() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::Platform;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn a_platform_has_one_name() {
        for (text, normal) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/i686", "linux/386"),
            ("riscv64", "linux/riscv64"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), normal, "{text}");
        }
        for text in ["", "/", "linux/", "/amd64", "a/b/c/d", "linux/arm v7", "linux/é"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?} was taken for a platform");
        }
        assert_eq!(platform("linux").os, "linux");
    }

    #[test]
    fn what_runs_where() {
        for (wanted, offered, rank) in [
            ("linux/amd64", "linux/amd64", Some(0)),
            ("linux/amd64/v3", "linux/amd64/v3", Some(0)),
            ("linux/amd64/v3", "linux/amd64/v2", Some(1)),
            ("linux/amd64/v3", "linux/amd64", Some(2)),
            ("linux/amd64", "linux/amd64/v2", None),
            ("linux/amd64", "windows/amd64", None),
            ("linux/arm/v7", "linux/arm/v6", Some(1)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm64", "linux/arm/v7", Some(2)),
            ("linux/riscv64", "linux/riscv64", Some(0)),
            ("linux/s390x", "linux/amd64", None),
        ] {
            assert_eq!(platform(wanted).rank(&platform(offered)), rank, "{offered} on {wanted}");
        }
    }

    #[test]
    fn this_machine_runs_its_own_images() {
        let bare = Platform { variant: None, ..Platform::here() };
        assert!(Platform::here().rank(&bare).is_some());
    }

    proptest::proptest! {
        /// A platform is read as it is written, and runs its own images first.
        #[test]
        fn a_platform_is_read_as_it_is_written(
            os in "[a-z]{1,8}",
            architecture in "[a-z0-9_]{1,8}",
            variant in proptest::option::of("v[0-9]{1,2}"),
        ) {
            let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
            let one: Platform = format!("{os}/{architecture}{variant}").parse().unwrap();
            let again: Platform = one.to_string().parse().unwrap();
            proptest::prop_assert_eq!(&one, &again);
            let odd = ["arm", "arm64", "amd64"].contains(&one.architecture.as_str());
            proptest::prop_assert!(odd || one.rank(&again) == Some(0), "{}", one);
        }
    }
}
