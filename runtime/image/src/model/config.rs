//! What did the maker of the image want to be run?

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{MOST_OF_A_DOCUMENT, Manifest, Platform, Refused, null_is_empty};
use crate::digest::Digest;

/// The configuration of an image (image-spec, "Image Configuration"), with what Docker has beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ImageConfig {
    /// The architecture, by Go's names.
    #[serde(default)]
    pub architecture: String,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// Which of the architecture's variants.
    #[serde(default)]
    pub variant: Option<String>,
    /// The version of the operating system.
    #[serde(rename = "os.version", default)]
    pub os_version: Option<String>,
    /// When the image was made, in the words of RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// Who has made it.
    #[serde(default)]
    pub author: Option<String>,
    /// How its program is run.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub config: RunConfig,
    /// What its root is made of.
    pub rootfs: RootFs,
    /// How it came about, the oldest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub history: Vec<History>,
}

/// How an image's program is run, if nobody says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// `USER[:GROUP]`, names or numbers.
    #[serde(default)]
    pub user: String,
    /// `NAME=VALUE`.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub env: Vec<String>,
    /// The program, and its first arguments.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub entrypoint: Vec<String>,
    /// More arguments, or the program, where there is no entrypoint.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub cmd: Vec<String>,
    /// The directory that it starts in.
    #[serde(default)]
    pub working_dir: String,
    /// `PORT/PROTOCOL`.
    #[serde(default, deserialize_with = "names")]
    pub exposed_ports: Vec<String>,
    /// Directories whose content should outlive the container.
    #[serde(default, deserialize_with = "names")]
    pub volumes: Vec<String>,
    /// How it wants to be ended.
    #[serde(default)]
    pub stop_signal: Option<String>,
    /// After how many seconds it may be killed; Docker's.
    #[serde(default)]
    pub stop_timeout: Option<i64>,
    /// What its maker wants to say about it.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How to find out whether it is well; Docker's.
    #[serde(default)]
    pub healthcheck: Option<HealthCheck>,
    /// The shell of `RUN` and `CMD` in a Dockerfile; Docker's.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub shell: Vec<String>,
    /// Instructions for whoever builds upon it; Docker's.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub on_build: Vec<String>,
}

/// How to find out whether a container is well; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheck {
    /// `NONE`, or `CMD` and a program, or `CMD-SHELL` and a line for the shell.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub test: Vec<String>,
    /// How often.
    #[serde(default)]
    pub interval: i64,
    /// How long it may take.
    #[serde(default)]
    pub timeout: i64,
    /// How long it may be unwell at the beginning.
    #[serde(default)]
    pub start_period: i64,
    /// How often at the beginning.
    #[serde(default)]
    pub start_interval: i64,
    /// How often in a row it must be unwell to be ill.
    #[serde(default)]
    pub retries: i64,
}

/// What an image's root is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digest of each layer's tar archive, unpacked; the lowest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub diff_ids: Vec<Digest>,
}

/// One step of how an image came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct History {
    /// When, in the words of RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// By which instruction.
    #[serde(default)]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(default)]
    pub author: Option<String>,
    /// What they want to say about it.
    #[serde(default)]
    pub comment: Option<String>,
    /// Whether there is no layer for it.
    #[serde(default)]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// It is too large, or not what it should be.
    pub fn read(bytes: &[u8]) -> Result<ImageConfig, Refused> {
        let (what, size) = ("an image's configuration", bytes.len() as u64);
        if size > MOST_OF_A_DOCUMENT {
            return Err(Refused::TooLarge { what, size, most: MOST_OF_A_DOCUMENT });
        }
        let config: ImageConfig =
            serde_json::from_slice(bytes).map_err(|why| Refused::Unreadable { what, why })?;
        match config.rootfs.kind.as_str() {
            "layers" => Ok(config),
            other => Err(Refused::Kind(format!("a root of {other:?} is not made of layers"))),
        }
    }

    /// What it runs on.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
            os_version: self.os_version.clone(),
            os_features: Vec::new(),
        }
    }

    /// Whether this is the configuration of the image that a manifest describes.
    ///
    /// # Errors
    /// They have not the same number of layers.
    pub fn fits(&self, manifest: &Manifest) -> Result<(), Refused> {
        let (packed, unpacked) = (manifest.layers.len(), self.rootfs.diff_ids.len());
        match packed == unpacked {
            true => Ok(()),
            false => Err(Refused::DoNotFit(format!(
                "the manifest has {packed} layers, the configuration {unpacked}"
            ))),
        }
    }
}

/// Docker writes a set as a map to empty objects.
fn names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let map = Option::<BTreeMap<String, IgnoredAny>>::deserialize(deserializer)?;
    Ok(map.unwrap_or_default().into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::ImageConfig;

    const DOCKERS: &str = r#"{"architecture":"arm64","variant":"v8","os":"linux",
        "created":"2026-01-02T03:04:05Z","docker_version":"20.10","container":"0123",
        "config":{"Hostname":"","User":"redis:redis","ExposedPorts":{"6379/tcp":{}},
            "Env":["PATH=/bin","A=b=c"],"Cmd":["redis-server"],"Entrypoint":["/entry.sh"],
            "Volumes":{"/data":{}},"WorkingDir":"/data","Labels":null,"OnBuild":["RUN x"],
            "StopSignal":"SIGINT","Shell":["/bin/bash","-c"],"ArgsEscaped":true,
            "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":1000000000,"Retries":3}},
        "rootfs":{"type":"layers","diff_ids":["sha256:DIGITS"]},
        "history":[{"created_by":"ADD file","created":"2026-01-01T00:00:00Z"},
            {"created_by":"CMD","empty_layer":true}]}"#;

    fn dockers() -> String {
        DOCKERS.replace("DIGITS", &"0".repeat(64))
    }

    #[test]
    fn dockers_fields_are_not_lost() {
        let image = ImageConfig::read(dockers().as_bytes()).unwrap();
        let run = &image.config;
        assert_eq!(image.platform().to_string(), "linux/arm64/v8");
        assert_eq!((run.user.as_str(), run.working_dir.as_str()), ("redis:redis", "/data"));
        assert_eq!(
            (&run.exposed_ports[..], &run.volumes[..]),
            (&["6379/tcp".into()][..], &["/data".into()][..])
        );
        assert_eq!(run.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!((run.on_build.len(), run.shell.len(), run.env.len()), (1, 2, 2));
        let health = run.healthcheck.as_ref().unwrap();
        assert_eq!((health.retries, health.interval, health.test.len()), (3, 1_000_000_000, 2));
        assert!(image.history[1].empty_layer && !image.history[0].empty_layer);
    }

    #[test]
    fn the_smallest_configuration_and_what_is_none() {
        let smallest = r#"{"rootfs":{"type":"layers","diff_ids":null},"config":null}"#;
        assert!(ImageConfig::read(smallest.as_bytes()).unwrap().rootfs.diff_ids.is_empty());
        for none in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"rootfs":{"type":"layers+base","diff_ids":[]}}"#,
            r#"{"rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}}"#,
            &dockers().replace("\"User\"", "\"User\":\"root\",\"User\""),
        ] {
            assert!(ImageConfig::read(none.as_bytes()).is_err(), "{none} was taken");
        }
    }
}
