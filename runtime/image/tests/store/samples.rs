//! Small images, made byte by byte, so that a test can make them wrong.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::digest::Digest;
use serde_json::{Value, json};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Blobs, and what stands in the index.
#[derive(Clone, Default)]
pub(crate) struct Layout {
    pub(crate) blobs: Vec<Vec<u8>>,
    pub(crate) index: Vec<Value>,
}

/// A tar archive with one file in it.
pub(crate) fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

impl Layout {
    /// Adds a blob; its descriptor.
    pub(crate) fn blob(&mut self, kind: &str, bytes: &[u8]) -> Value {
        self.blobs.push(bytes.to_vec());
        json!({ "mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len() })
    }

    pub(crate) fn document(&mut self, kind: &str, value: &Value) -> Value {
        self.blob(kind, value.to_string().as_bytes())
    }

    /// Adds an image with these files, each in a layer of its own; its descriptor.
    pub(crate) fn image(&mut self, architecture: &str, files: &[(&str, &[u8])]) -> Value {
        let plain: Vec<Vec<u8>> = files.iter().map(|(name, bytes)| tar_of(name, bytes)).collect();
        let layers: Vec<Value> = plain.iter().map(|tar| self.blob(LAYER, &gzip(tar))).collect();
        let diff_ids: Vec<Digest> = plain.iter().map(|tar| Digest::of(tar)).collect();
        let time = "2026-11-24T00:00:00Z";
        let step = |name: &str| json!({ "created": time, "created_by": format!("ADD {name}") });
        let history = files.iter().map(|(name, _)| step(name));
        let config = json!({
            "architecture": architecture, "os": "linux", "created": time,
            "config": { "Cmd": ["/bin/true"], "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history.collect::<Vec<_>>(),
        });
        let config = self.document(CONFIG, &config);
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let mut manifest = self.document(MANIFEST, &manifest);
        manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
        manifest
    }

    /// Gives something a name in the index.
    pub(crate) fn name(&mut self, mut descriptor: Value, name: &str) {
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        self.index.push(descriptor);
    }

    pub(crate) fn index_json(&self) -> Vec<u8> {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": self.index });
        index.to_string().into_bytes()
    }

    /// Writes it as a directory.
    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(folder.join("index.json"), self.index_json()).unwrap();
        for blob in &self.blobs {
            fs::write(folder.join("blobs/sha256").join(Digest::of(blob).hex()), blob).unwrap();
        }
    }

    /// Its files, to be put into an archive.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![
            ("oci-layout".to_string(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_string(), self.index_json()),
        ];
        let blobs = self.blobs.iter();
        files.extend(
            blobs.map(|blob| (format!("blobs/sha256/{}", Digest::of(blob).hex()), blob.clone())),
        );
        files
    }
}

/// A tar archive of these files.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Two images that share a layer, and one for two platforms.
pub(crate) fn three() -> Layout {
    let mut layout = Layout::default();
    let shared: (&str, &[u8]) = ("shared", b"both have it");
    let one = layout.image("amd64", &[shared, ("one", b"1")]);
    let two = layout.image("amd64", &[shared, ("two", b"2")]);
    let other = layout.image("arm64", &[("arm", b"another processor")]);
    let both = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [one.clone(), other],
    });
    let both = layout.document(INDEX, &both);
    layout.name(one, "host.example/one:1");
    layout.name(two, "host.example/two:1");
    layout.name(both, "host.example/both:1");
    layout
}
