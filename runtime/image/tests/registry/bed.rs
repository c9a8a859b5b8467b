//! What the tests with a real registry stand on: programs, certificates, a layout.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::digest::Digest;
use image::model::Platform;

use crate::bytes;

pub(crate) fn missing(programs: &[&str]) -> bool {
    let found = |program: &&str| {
        let path = std::env::var("PATH").unwrap_or_default();
        path.split(':').any(|folder| Path::new(folder).join(program).exists())
    };
    programs.iter().any(|program| !found(program))
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

/// As [`run`], and it must succeed. What it says.
pub(crate) fn done(program: &str, arguments: &[&str]) -> String {
    let said = run(program, arguments);
    assert!(said.status.success(), "{program} {arguments:?}: {said:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// An authority, a server's certificate and a client's, in PEM.
pub(crate) fn certificates(dir: &Path) {
    let at = |name: &str| dir.join(name).display().to_string();
    std::fs::write(at("san"), "subjectAltName=IP:127.0.0.1,DNS:localhost").unwrap();
    let (days, kind) = (["-days", "2"], ["-newkey", "rsa:2048", "-nodes"]);
    let authority = ["req", "-x509", "-subj", "/CN=lab authority", "-keyout"];
    let mut arguments = authority.map(str::to_owned).to_vec();
    arguments.extend([at("ca.key"), "-out".into(), at("ca.pem")]);
    arguments.extend(days.iter().chain(&kind).map(ToString::to_string));
    done("openssl", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    for who in ["server", "client"] {
        let (key, request, pem) =
            (format!("{who}.key"), format!("{who}.csr"), format!("{who}.pem"));
        let subject = format!("/CN={who}");
        done(
            "openssl",
            &[
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                &subject,
                "-keyout",
                &at(&key),
                "-out",
                &at(&request),
            ],
        );
        done(
            "openssl",
            &[
                "x509",
                "-req",
                "-in",
                &at(&request),
                "-CA",
                &at("ca.pem"),
                "-CAkey",
                &at("ca.key"),
                "-CAcreateserial",
                "-days",
                "2",
                "-extfile",
                &at("san"),
                "-out",
                &at(&pem),
            ],
        );
    }
}

/// A layout with one image of so many layers, packed by gzip; its digest.
pub(crate) fn write_layout(dir: &Path, layers: usize) -> Digest {
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        digest
    };
    let (mut diff_ids, mut descriptors) = (Vec::new(), Vec::new());
    for nth in 0..layers {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        let content = bytes(200_000 * (nth + 1));
        header.set_size(content.len() as u64);
        header.set_mode(0o640 + nth as u32);
        header.set_mtime(1_600_000_000 + nth as u64);
        tar.append_data(&mut header, format!("file{nth}"), content.as_slice()).unwrap();
        let tar = tar.into_inner().unwrap();
        diff_ids.push(format!("\"{}\"", Digest::of(&tar)));
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&tar).unwrap();
        let gz = gz.finish().unwrap();
        descriptors.push(format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{}","size":{}}}"#,
            put(&gz),
            gz.len()
        ));
    }
    let Platform { os, architecture, .. } = Platform::here();
    let config = format!(
        r#"{{"os":"{os}","architecture":"{architecture}","config":{{"Cmd":["/file0"]}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{}]}}"#,
        put(config.as_bytes()),
        config.len(),
        descriptors.join(",")
    );
    let digest = put(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"t"}}}}]}}"#,
        manifest.len()
    );
    std::fs::write(dir.join("index.json"), index).unwrap();
    digest
}
