//! Images that a test makes.

use image::digest::Digest;
use image::model::Platform;

use crate::bytes;
use crate::fake::{Contents, OCI_INDEX, OCI_MANIFEST};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A tar with one file in it.
pub(crate) fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(1_000_000);
    tar.append_data(&mut header, name, content).unwrap();
    tar.into_inner().unwrap()
}

/// An image of plain tars; its manifest's digest.
pub(crate) fn put_image(contents: &mut Contents, tag: &str, layers: &[Vec<u8>]) -> Digest {
    put_image_for(Platform::here(), contents, tag, layers)
}

/// As [`put_image`], for another platform.
pub(crate) fn put_image_for(
    platform: Platform,
    contents: &mut Contents,
    tag: &str,
    layers: &[Vec<u8>],
) -> Digest {
    let digests: Vec<Digest> = layers.iter().map(|layer| contents.blob(layer)).collect();
    let diff_ids: Vec<String> = digests.iter().map(|digest| format!("\"{digest}\"")).collect();
    let Platform { os, architecture, .. } = &platform;
    let config = format!(
        r#"{{"os":"{os}","architecture":"{architecture}","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let config_digest = contents.blob(config.as_bytes());
    let descriptors: Vec<String> = digests
        .iter()
        .zip(layers)
        .map(|(digest, layer)| descriptor(LAYER, digest, layer.len()))
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
        descriptor(CONFIG, &config_digest, config.len()),
        descriptors.join(",")
    );
    contents.document(tag, OCI_MANIFEST, &manifest)
}

fn descriptor(media_type: &str, digest: &Digest, size: usize) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

pub(crate) fn three_layers() -> Vec<Vec<u8>> {
    vec![tar("a", &bytes(400_000)), tar("b", b"small"), tar("c/d", &bytes(20_000))]
}

/// An index of these images; its digest.
pub(crate) fn put_index(contents: &mut Contents, tag: &str, of: &[(&str, Digest)]) -> Digest {
    let entry = |(platform, digest): &(&str, Digest)| {
        let (media_type, bytes) = &contents.documents[&digest.to_string()];
        let size = bytes.len();
        let (os, architecture) = platform.split_once('/').unwrap();
        format!(
            r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size},"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#
        )
    };
    let entries: Vec<String> = of.iter().map(entry).collect();
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#,
        entries.join(",")
    );
    contents.document(tag, OCI_INDEX, &index)
}
