//! Images in a store, made of archives.

use std::path::{Path, PathBuf};

use image::digest::Digest;
use image::store::Store;
use image::transfer::ends::Target;
use image::transfer::layout::ToLayout;

use crate::archive::{Entry, archive};

/// A store with one image in it, called `test`.
pub(crate) struct Made {
    pub(crate) directory: tempfile::TempDir,
}

impl Made {
    /// Of these layers, the lowest first, with this as the `config` of its configuration.
    pub(crate) fn new(layers: &[Vec<Entry>], config: &str) -> Made {
        let layers: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
        Made::of_archives(&layers, config)
    }

    pub(crate) fn of_archives(layers: &[Vec<u8>], config: &str) -> Made {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        let put = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            store.put(bytes, &digest).unwrap();
            format!(r#""digest":"{digest}","size":{}"#, bytes.len())
        };
        let diff_ids: Vec<String> =
            layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
        let layers: Vec<String> = layers
            .iter()
            .map(|layer| {
                let kind = "application/vnd.oci.image.layer.v1.tar";
                format!(r#"{{"mediaType":"{kind}",{}}}"#, put(layer))
            })
            .collect();
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = put(format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{config},
                "rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        )
        .as_bytes());
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
                "config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config}}},
                "layers":[{}]}}"#,
            layers.join(",")
        );
        let document = manifest;
        let manifest = put(document.as_bytes());
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let named = format!(r#"{{"mediaType":"{kind}",{manifest}}}"#);
        // As other tools name things: umoci knows no names with a slash in them.
        let layout = ToLayout::new(&store, "test");
        let named = serde_json::from_str(&named).unwrap();
        Target::name(&layout, &named, document.as_bytes()).unwrap();
        Made { directory }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `image`, and gives its exit code and all that it has said.
    pub(crate) fn image(&self, arguments: &[&str]) -> (Option<i32>, String) {
        run(Path::new(env!("CARGO_BIN_EXE_image")), self, arguments)
    }
}

fn run(program: &Path, made: &Made, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(program);
    command.arg("--root").arg(made.store()).args(arguments).current_dir(made.directory.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}
