//! Who are we, to this registry?
//!
//! The answer stands where Docker and Podman keep it: `$REGISTRY_AUTH_FILE`, else
//! `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. There it is in the clear (`auths`), or a
//! helper keeps it: a program `docker-credential-NAME` that is asked on its standard input. A name
//! must fit exactly: credentials for one registry are never tried at another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use primitives::Status;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{Error, Result, tame};

/// What proves who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token of a registry's own, from which it makes others.
    Identity(String),
    /// A token that is shown as it is.
    Bearer(String),
}

/// Secrets are in no message and no debug output.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credentials::Password { user, .. } => write!(f, "the password of {user:?}"),
            Credentials::Identity(_) => f.write_str("an identity token"),
            Credentials::Bearer(_) => f.write_str("a bearer token"),
        }
    }
}

/// The file that says who we are, or where that is kept.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    path: Option<PathBuf>,
    /// The whole file, of which most may be nothing to us.
    file: Map<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// What helpers and we say to each other.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(rename = "ServerURL")]
    server: String,
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl Keys {
    /// Reads the file of this user, if there is one.
    ///
    /// # Errors
    /// It is there and cannot be read or understood.
    pub fn read() -> Result<Keys> {
        let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let docker = var("DOCKER_CONFIG")
            .or_else(|| var("HOME").map(|home| home.join(".docker")))
            .map(|folder| folder.join("config.json"));
        Keys::read_from(var("REGISTRY_AUTH_FILE").or(docker))
    }

    /// Reads a file of this form; one that is not there says nothing.
    ///
    /// # Errors
    /// It is there and cannot be read or understood.
    pub fn read_from(path: Option<PathBuf>) -> Result<Keys> {
        let Some(path) = path else { return Ok(Keys::default()) };
        let unusable = |why: String| Error::Unusable(format!("{}: {why}", path.display()));
        let file = match primitives::read_small(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(unusable(error.to_string())),
        };
        Ok(Keys { path: Some(path), file })
    }

    /// Who we are to this registry; none when nothing is known, and we are nobody in particular.
    ///
    /// # Errors
    /// What is kept there makes no sense, or the helper that keeps it does not work.
    pub fn of(&self, registry: &str) -> Result<Option<Credentials>> {
        if let Some(helper) = self.helper_of(registry) {
            return ask(helper, registry);
        }
        if let Some(found) = self.written_down(registry)? {
            return Ok(Some(found));
        }
        match self.file.get("credsStore").and_then(Value::as_str) {
            Some(store) if !store.is_empty() => ask(store, registry),
            _ => Ok(None),
        }
    }

    /// Keeps credentials for a registry, where those of others are kept. Gives the place.
    ///
    /// # Errors
    /// The helper or the file does not take them.
    pub fn keep(&mut self, registry: &str, credentials: &Credentials) -> Result<String> {
        if let Some(store) = self.keeper_of(registry) {
            let (user, secret) = match credentials {
                Credentials::Password { user, password } => (user.clone(), password.clone()),
                Credentials::Identity(token) | Credentials::Bearer(token) => {
                    ("<token>".to_owned(), token.clone())
                }
            };
            let kept = Kept { server: key_of(registry), user, secret };
            let question = serde_json::to_vec(&kept).expect("it holds only text");
            run(&store, "store", &question)?;
            return Ok(format!("docker-credential-{store}"));
        }
        let entry = match credentials {
            Credentials::Password { user, password } => {
                serde_json::json!({ "auth": STANDARD.encode(format!("{user}:{password}")) })
            }
            Credentials::Identity(token) => serde_json::json!({ "identitytoken": token }),
            Credentials::Bearer(token) => serde_json::json!({ "registrytoken": token }),
        };
        let auths = self.file.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        let auths = auths.as_object_mut();
        let auths = auths.ok_or_else(|| Error::Unusable("\"auths\" is no object".into()))?;
        auths.insert(key_of(registry), entry);
        self.write()
    }

    /// Forgets the credentials for a registry. Whether there were any.
    ///
    /// # Errors
    /// The helper or the file does not let go of them.
    pub fn forget(&mut self, registry: &str) -> Result<bool> {
        let mut had = false;
        if let Some(store) = self.keeper_of(registry) {
            had |= ask(&store, registry)?.is_some();
            run(&store, "erase", key_of(registry).as_bytes())?;
        }
        let auths = self.file.get_mut("auths").and_then(Value::as_object_mut);
        let before = auths.as_ref().map_or(0, |auths| auths.len());
        if let Some(auths) = auths {
            auths.retain(|key, _| name_in(key) != registry);
            if auths.len() < before {
                self.write()?;
                had = true;
            }
        }
        Ok(had)
    }

    fn helper_of(&self, registry: &str) -> Option<&str> {
        let helpers = self.file.get("credHelpers")?.as_object()?;
        let mut fitting = helpers.iter().filter(|(key, _)| name_in(key) == registry);
        fitting.next().and_then(|(_, helper)| helper.as_str())
    }

    fn keeper_of(&self, registry: &str) -> Option<String> {
        let store = || self.file.get("credsStore").and_then(Value::as_str);
        let keeper = self.helper_of(registry).or_else(store)?;
        (!keeper.is_empty()).then(|| keeper.to_owned())
    }

    fn written_down(&self, registry: &str) -> Result<Option<Credentials>> {
        let Some(auths) = self.file.get("auths").and_then(Value::as_object) else {
            return Ok(None);
        };
        let fitting: BTreeMap<&String, &Value> =
            auths.iter().filter(|(key, _)| name_in(key) == registry).collect();
        for (key, value) in fitting {
            let broken = |why: String| Error::Unusable(format!("credentials for {key:?}: {why}"));
            let entry: Entry =
                serde_json::from_value(value.clone()).map_err(|error| broken(error.to_string()))?;
            if let Some(found) = entry.credentials().map_err(broken)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Writes the file as a whole, with all in it that is nothing to us.
    fn write(&self) -> Result<String> {
        let Some(path) = &self.path else {
            return Err(Error::Unusable(
                "there is no home to keep credentials in: set HOME".into(),
            ));
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        if !folder.exists() {
            primitives::mkdir(folder, 0o700, "keep credentials where others look for them")?;
        }
        let text = serde_json::to_string_pretty(&self.file).expect("it was JSON before");
        let aside = path.with_extension(format!("json.{}", std::process::id()));
        let why = "have the new file whole before it takes the old one's place";
        primitives::create_durably(&aside, text.as_bytes(), 0o600, why)?;
        primitives::rename(&aside, path, "let nobody ever see half of it")?;
        Ok(path.display().to_string())
    }
}

impl Entry {
    fn credentials(self) -> std::result::Result<Option<Credentials>, String> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::Identity(self.identitytoken)));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::Bearer(self.registrytoken)));
        }
        if self.auth.is_empty() {
            let known = !self.username.is_empty();
            let found = Credentials::Password { user: self.username, password: self.password };
            return Ok(known.then_some(found));
        }
        let bytes = STANDARD.decode(self.auth.trim());
        let bytes = bytes.map_err(|_| "\"auth\" is not base64".to_owned())?;
        let text = String::from_utf8(bytes).map_err(|_| "\"auth\" is no text".to_owned())?;
        // Docker has written a zero byte behind some of them.
        let text = text.trim_end_matches('\0');
        match text.split_once(':') {
            Some((user, password)) => Ok(Some(Credentials::Password {
                user: user.to_owned(),
                password: password.to_owned(),
            })),
            None => Err("\"auth\" has no colon between name and password".to_owned()),
        }
    }
}

/// What a registry is called in the file: Docker Hub has kept an old name there.
fn key_of(registry: &str) -> String {
    match registry {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        other => other.to_owned(),
    }
}

/// The registry that a key of the file means. Old ones are URLs.
fn name_in(key: &str) -> &str {
    let name = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let is_url = name.len() < key.len();
    let name = if is_url { name.split('/').next().unwrap_or(name) } else { name };
    match name {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        name => name,
    }
}

fn ask(helper: &str, registry: &str) -> Result<Option<Credentials>> {
    let said = consult(helper, "get", key_of(registry).as_bytes())?;
    let program = format!("docker-credential-{helper}");
    if said.status != Status::Exited(0) {
        let text = String::from_utf8_lossy(&said.output).into_owned();
        // The protocol has no other way to say that there is nothing.
        if text.contains("credentials not found") {
            return Ok(None);
        }
        let status = said.status;
        let why = format!("{program}, which keeps the credentials for {registry}, {status}: ");
        return Err(Error::Unusable(why + &tame(&text)));
    }
    let kept: Kept = serde_json::from_slice(&said.output)
        .map_err(|_| Error::Unusable(format!("{program} has answered something else than JSON")))?;
    Ok(Some(match kept.user.as_str() {
        "<token>" => Credentials::Identity(kept.secret),
        _ => Credentials::Password { user: kept.user, password: kept.secret },
    }))
}

fn run(helper: &str, verb: &str, question: &[u8]) -> Result<()> {
    let said = consult(helper, verb, question)?;
    if said.status == Status::Exited(0) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&said.output).into_owned();
    let (status, text) = (said.status, tame(&text));
    Err(Error::Unusable(format!("docker-credential-{helper} {verb}: {status}: {text}")))
}

fn consult(helper: &str, verb: &str, question: &[u8]) -> Result<primitives::Said> {
    // The name becomes part of a program's: it must not lead elsewhere.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if helper.is_empty() || !helper.chars().all(plain) {
        return Err(Error::Unusable(format!("{helper:?} is no name of a credential helper")));
    }
    let program = format!("docker-credential-{helper}");
    let why = "ask the program that keeps the credentials";
    Ok(primitives::consult(&program, &[verb], question, why)?)
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Keys, name_in};

    fn keys(text: &str) -> Keys {
        Keys { path: None, file: serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn a_name_fits_exactly_or_not_at_all() {
        let keys = keys(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"},
                "r.example.org:5000": {"auth": "YTpiOmM="}, "empty.org": {},
                "id.org": {"identitytoken": "t"}}}"#,
        );
        let password = |user: &str, password: &str| {
            Some(Credentials::Password { user: user.into(), password: password.into() })
        };
        assert_eq!(keys.of("docker.io").unwrap(), password("me", "secret"));
        assert_eq!(keys.of("r.example.org:5000").unwrap(), password("a", "b:c"));
        assert_eq!(keys.of("id.org").unwrap(), Some(Credentials::Identity("t".into())));
        for other in ["r.example.org", "example.org:5000", "empty.org", "evil.org", "io"] {
            assert_eq!(keys.of(other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said_and_not_passed_over() {
        for auth in ["!", "bm9jb2xvbg=="] {
            let text = format!(r#"{{"auths": {{"a.org": {{"auth": "{auth}"}}}}}}"#);
            assert!(keys(&text).of("a.org").is_err(), "{auth}");
        }
        // The one who keeps the secret is not there: nobody else is asked in its place.
        let missing =
            r#"{"credHelpers": {"a.org": "of-nowhere"}, "auths": {"a.org": {"auth": "YTpi"}}}"#;
        let error = keys(missing).of("a.org").unwrap_err().to_string();
        assert!(error.contains("docker-credential-of-nowhere"), "{error}");
        let path = r#"{"credHelpers": {"a.org": "../../bin/sh"}}"#;
        assert!(keys(path).of("a.org").unwrap_err().to_string().contains("no name of a"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secret = Credentials::Password { user: "me".into(), password: "hunter2".into() };
        assert_eq!(format!("{secret:?}"), "the password of \"me\"");
    }

    #[test]
    fn keys_of_old_files_are_understood() {
        for (key, name) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("https://r.org:5000/v2/", "r.org:5000"),
            ("r.org/team", "r.org/team"),
        ] {
            assert_eq!(name_in(key), name);
        }
    }
}
