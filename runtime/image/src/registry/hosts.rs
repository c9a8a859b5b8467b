//! What is known here about a registry: where it is, and whether it is trusted?
//!
//! Two places say so. `/etc/docker/certs.d/HOST:PORT/` is Docker's and Podman's: `*.crt` are
//! authorities, `NAME.cert` with `NAME.key` is a certificate of ours. Everything else stands in
//! `registries.json`, in `$PORTHOLE_REGISTRIES`, else `~/.config/porthole/`, else `/etc/porthole/`:
//!
//! ```json
//! { "docker.io": { "mirrors": ["mirror.example.org"] },
//!   "lab:5000": { "plain_http": true },
//!   "registry.example.org": { "ca": "ca.pem", "certificate": "me.pem", "key": "me.key",
//!                             "skip_verify": false, "realms": ["login.example.org"] } }
//! ```
//!
//! Without a word the connection is TLS and its certificate must be good; only a registry on this
//! machine (`localhost`, `127.…`, `[::1]`) speaks plain HTTP, unless an authority is named for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{Error, Result};

const CERTIFICATES: [&str; 2] = ["/etc/docker/certs.d", "/etc/containers/certs.d"];

/// What is known of all registries, by host and port.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    known: BTreeMap<String, Host>,
    certificates: Vec<PathBuf>,
}

/// What is known of one registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// Other registries that have the same, and are asked first.
    pub mirrors: Vec<String>,
    /// Whether it speaks plain HTTP; without a word only this machine's own does.
    pub plain_http: Option<bool>,
    /// Whether any certificate will do: then nobody knows who is there.
    pub skip_verify: bool,
    /// A file with authorities that are trusted besides the machine's own.
    pub ca: Option<PathBuf>,
    /// A file with a certificate of ours.
    pub certificate: Option<PathBuf>,
    /// The file with its key.
    pub key: Option<PathBuf>,
    /// Other hosts that may ask for its credentials.
    pub realms: Vec<String>,
}

/// Hosts that are known to hand out tokens for others.
const REALMS: [(&str, &str); 4] = [
    ("docker.io", "auth.docker.io"),
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
    ("nvcr.io", "authn.nvidia.com"),
];

impl Hosts {
    /// Reads what the machine and the user say.
    ///
    /// # Errors
    /// The file is there and is not as it must be.
    pub fn read() -> Result<Hosts> {
        let certificates = CERTIFICATES.map(PathBuf::from).to_vec();
        let known = match the_file() {
            Some(path) => read_file(&path)?,
            None => BTreeMap::new(),
        };
        Ok(Hosts { known, certificates })
    }

    /// Adds what is known of one registry.
    pub fn set(&mut self, name: &str, host: Host) {
        self.known.insert(name.to_owned(), host);
    }

    /// Adds a folder as Docker's `certs.d`.
    pub fn certificates_in(&mut self, folder: &Path) {
        self.certificates.push(folder.to_path_buf());
    }

    /// What was said of one registry, for flags of the command line to change.
    pub fn entry(&mut self, name: &str) -> &mut Host {
        self.known.entry(name.to_owned()).or_default()
    }

    /// What is known of one registry, with what Docker's folders say.
    ///
    /// # Errors
    /// A folder cannot be read, or a certificate is there without its key.
    pub(crate) fn of(&self, name: &str) -> Result<Host> {
        let mut host = self.known.get(name).cloned().unwrap_or_default();
        for folder in &self.certificates {
            take_certificates(&folder.join(name), &mut host)?;
        }
        Ok(host)
    }
}

impl Host {
    /// Whether the registry of this name is spoken to without TLS.
    pub(crate) fn is_plain(&self, name: &str) -> bool {
        self.plain_http
            .unwrap_or_else(|| is_loopback(name) && self.ca.is_none() && !self.skip_verify)
    }

    /// Whether credentials of the registry `name` may be shown to `realm`, a host name without port.
    pub(crate) fn trusts_realm(&self, name: &str, realm: &str) -> bool {
        let same = host_of(name).eq_ignore_ascii_case(realm);
        let known = REALMS.iter().any(|(registry, other)| *registry == name && *other == realm);
        same || known || self.realms.iter().any(|other| host_of(other) == realm)
    }
}

/// The host without its port.
fn host_of(name: &str) -> &str {
    match name.strip_prefix('[') {
        Some(rest) => &name[..rest.find(']').map_or(name.len(), |end| end + 2)],
        None => name.split(':').next().unwrap_or(name),
    }
}

/// Whether the name can only mean this machine.
pub(crate) fn is_loopback(name: &str) -> bool {
    let host = host_of(name);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn the_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("PORTHOLE_REGISTRIES") {
        return Some(path.into());
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let own = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
    let folders = own.into_iter().chain([PathBuf::from("/etc")]);
    folders.map(|folder| folder.join("porthole/registries.json")).find(|path| path.exists())
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Host>> {
    let unusable = |why: String| Error::Unusable(format!("{}: {why}", path.display()));
    let text = primitives::read_small(path).map_err(|error| unusable(error.to_string()))?;
    let mut known: BTreeMap<String, Host> =
        serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    // A certificate beside the file is named by its name.
    let folder = path.parent().unwrap_or(Path::new("."));
    for host in known.values_mut() {
        for file in [&mut host.ca, &mut host.certificate, &mut host.key].into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }
    Ok(known)
}

fn take_certificates(folder: &Path, host: &mut Host) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let ends = |file: &Path, ending: &str| file.extension().is_some_and(|is| is == ending);
    for file in files {
        if ends(&file, "crt") {
            host.ca.get_or_insert(file);
        } else if ends(&file, "cert") {
            let key = file.with_extension("key");
            if !key.exists() {
                let missing = format!("{}: there is no key {}", file.display(), key.display());
                return Err(Error::Unusable(missing));
            }
            host.certificate.get_or_insert(file);
            host.key.get_or_insert(key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Host, is_loopback};

    #[test]
    fn only_this_machine_speaks_plainly() {
        for name in ["localhost", "localhost:5000", "127.0.0.1:80", "127.1.2.3", "[::1]:5000"] {
            assert!(is_loopback(name) && Host::default().is_plain(name), "{name}");
        }
        for name in ["localhost.example.org", "127.0.0.1.example.org:80", "10.0.0.1", "[fe80::1]:1"]
        {
            assert!(!is_loopback(name) && !Host::default().is_plain(name), "{name}");
        }
        let told = Host { plain_http: Some(true), ..Host::default() };
        assert!(told.is_plain("10.0.0.1:5000"));
        let with_authority = Host { ca: Some("ca.pem".into()), ..Host::default() };
        assert!(!with_authority.is_plain("localhost:5000"));
    }

    #[test]
    fn credentials_are_shown_to_nobody_else() {
        let host = Host { realms: vec!["login.example.org".into()], ..Host::default() };
        assert!(host.trusts_realm("r.example.org:5000", "r.example.org"));
        assert!(host.trusts_realm("r.example.org", "login.example.org"));
        assert!(Host::default().trusts_realm("docker.io", "auth.docker.io"));
        for realm in ["evil.org", "example.org", "r.example.org.evil.org", ""] {
            assert!(!host.trusts_realm("r.example.org", realm), "{realm}");
        }
        assert!(!Host::default().trusts_realm("other.io", "auth.docker.io"));
    }
}
