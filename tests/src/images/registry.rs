//! A registry that is real: Debian's docker-registry, on loopback, for as long as the value lives.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::done;

/// The user that a registry with [`Way::Basic`] knows.
pub const USER: &str = "reader";
/// And the password.
pub const PASSWORD: &str = "a secret: with a colon";

/// How a registry is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Plain HTTP, and everybody may do everything.
    Plain,
    /// Plain HTTP with a user and a password.
    Basic,
    /// HTTPS, with a certificate of an authority that only [`Registry::authority`] knows.
    Tls,
}

/// A registry that runs.
pub struct Registry {
    child: Mutex<Child>,
    folder: TempDir,
    port: u16,
    way: Way,
}

impl Registry {
    /// What a machine lacks for it; none when it can run here.
    pub fn missing() -> Option<&'static str> {
        let wanted = [
            ("docker-registry", "docker-registry"),
            ("htpasswd", "htpasswd (Debian: apache2-utils)"),
            ("openssl", "openssl"),
        ];
        wanted.into_iter().find(|(name, _)| !crate::places::has_program(name)).map(|(_, what)| what)
    }

    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer in ten seconds.
    pub fn start(way: Way) -> Registry {
        let folder = TempDir::with_prefix("porthole-registry-").expect("a folder can be made");
        let port = free_port();
        let settings = folder.path().join("config.yml");
        fs::write(&settings, written(way, folder.path(), port)).expect("a file can be written");
        let log = fs::File::create(folder.path().join("log")).expect("a file can be made");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry can be started");
        let registry = Registry { child: Mutex::new(child), folder, port, way };
        registry.answers();
        registry
    }

    /// `127.0.0.1:PORT`, what stands in front of an image's name.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The certificate of the authority that has signed its own; only with [`Way::Tls`].
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Puts an image there: what follows `skopeo copy` in front of the target.
    pub fn put(&self, from: &str, name: &str) {
        let to = format!("docker://{}/{name}", self.host());
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["copy", "--quiet", "--all", "--dest-tls-verify=false"]);
        if self.way == Way::Basic {
            skopeo.arg(format!("--dest-creds={USER}:{PASSWORD}"));
        }
        done(skopeo.args([from, &to]));
    }

    /// Ends it, and removes what it has kept.
    pub fn end(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        let _ = fs::remove_dir_all(self.folder.path());
    }

    fn answers(&self) {
        let start = Instant::now();
        while TcpStream::connect(self.host()).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(10), "no registry answers: {}", log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.end();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("a listener has an address").port()
}

fn written(way: Way, folder: &Path, port: u16) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let (mut tls, mut access) = (String::new(), String::new());
    match way {
        Way::Plain => {}
        Way::Basic => {
            let known = passwords(folder);
            access =
                format!("auth: {{htpasswd: {{realm: porthole, path: {}}}}}\n", known.display());
        }
        Way::Tls => {
            certify(folder);
            tls = format!(", tls: {{certificate: {}, key: {}}}", at("own.crt"), at("own.key"));
        }
    }
    format!(
        "version: 0.1\nlog: {{level: error}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         http: {{addr: \"127.0.0.1:{port}\"{tls}}}\n{access}",
        at("store")
    )
}

fn passwords(folder: &Path) -> PathBuf {
    let made = done(Command::new("htpasswd").args(["-nbB", USER, PASSWORD]));
    let path = folder.join("htpasswd");
    fs::write(&path, made.stdout).expect("a file can be written");
    path
}

/// Makes an authority, and a certificate of it for 127.0.0.1 and localhost.
fn certify(folder: &Path) {
    let openssl = |words: &[&str]| {
        done(Command::new("openssl").args(words).current_dir(folder).stdin(Stdio::null()));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority = ["req", "-x509", "-subj", "/CN=porthole tests", "-days", "2"];
    let files = ["-keyout", "ca.key", "-out", "ca.crt"];
    openssl(&[&authority[..], &key, &files].concat());
    let request = ["req", "-subj", "/CN=127.0.0.1", "-keyout", "own.key", "-out", "own.csr"];
    openssl(&[&request[..], &key].concat());
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        .expect("a file can be written");
    let sign = ["x509", "-req", "-in", "own.csr", "-CA", "ca.crt", "-CAkey", "ca.key"];
    let more = ["-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "own.crt"];
    openssl(&[&sign[..], &more].concat());
}
