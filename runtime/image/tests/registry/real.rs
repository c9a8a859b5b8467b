//! Debian's registry: what other tools put there is pulled, and what is pushed there other tools pull;
//! all of them see the same digest.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use image::registry::Registry;

use crate::bed::{certificates, done, free_port, missing, run, write_layout};
use crate::may_be_skipped;

/// A registry, until it goes out of scope.
struct Real {
    process: Child,
    name: String,
    dir: tempfile::TempDir,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Plain,
    /// It wants the password of `me`, which is `secret`.
    Password,
    /// It speaks TLS, with an authority of our own.
    Tls,
    /// As [`Manner::Tls`], and wants a certificate of ours.
    Certificates,
}

impl Real {
    fn start(manner: Manner) -> Real {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let (mut auth, mut tls) = (String::new(), String::new());
        if manner == Manner::Password {
            std::fs::write(at("htpasswd"), done("htpasswd", &["-Bbn", "me", "secret"])).unwrap();
            auth = format!("auth: {{ htpasswd: {{ realm: lab, path: {} }} }}\n", at("htpasswd"));
        }
        if matches!(manner, Manner::Tls | Manner::Certificates) {
            certificates(dir.path());
            let clients = match manner {
                Manner::Certificates => format!(", clientcas: [\"{}\"]", at("ca.pem")),
                _ => String::new(),
            };
            let (certificate, key) = (at("server.pem"), at("server.key"));
            tls = format!(", tls: {{ certificate: {certificate}, key: {key}{clients} }}");
        }
        let config = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: {} }} }}\n{auth}\
             http: {{ addr: \"127.0.0.1:{port}\", secret: x{tls} }}\n",
            at("data")
        );
        std::fs::write(at("config.yml"), config).unwrap();
        let process = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let real = Real { process, name: format!("127.0.0.1:{port}"), dir };
        let listens = |_: &u32| TcpStream::connect(&real.name).is_ok();
        let waited = (0..200).inspect(|_| std::thread::sleep(Duration::from_millis(50)));
        assert!(waited.into_iter().any(|nth| listens(&nth)), "the registry does not start");
        real
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Where programs are, and a helper of ours.
    fn search(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}", self.dir.path().display())
    }

    /// Runs `image` with a store and credentials of its own.
    fn image(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image"));
        command
            .env("REGISTRY_AUTH_FILE", self.path("auth.json"))
            .env("PORTHOLE_REGISTRIES", self.path("registries.json"))
            .env("PATH", self.search())
            .arg("--root")
            .arg(self.path("store"))
            .args(arguments)
            .stdin(Stdio::null());
        if !self.path("registries.json").exists() {
            std::fs::write(self.path("registries.json"), "{}").unwrap();
        }
        command.output().unwrap()
    }

    /// As [`Real::image`], and it must succeed. What it prints, without the new line.
    fn good(&self, arguments: &[&str]) -> String {
        let said = self.image(arguments);
        assert!(said.status.success(), "image {arguments:?}: {said:?}");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// As [`Real::image`], and it must fail. What it says.
    fn bad(&self, arguments: &[&str]) -> String {
        let said = self.image(arguments);
        assert!(!said.status.success(), "image {arguments:?}: {said:?}");
        String::from_utf8_lossy(&said.stderr).into_owned()
    }

    /// Puts an image there by skopeo; its digest.
    fn fill(&self, name: &str, flags: &[&str]) -> String {
        let layout = self.path("layout");
        let digest = write_layout(&layout, 3);
        let (from, to) = (format!("oci:{}:t", layout.display()), format!("docker://{name}"));
        let arguments = [&["copy", "-q", "--preserve-digests"], flags, &[&from, &to]].concat();
        done("skopeo", &arguments);
        digest.to_string()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn seen_by_skopeo(name: &str, flags: &[&str]) -> String {
    let name = format!("docker://{name}");
    let arguments = [&["inspect", "--format", "{{.Digest}}"], flags, &[&name]].concat();
    done("skopeo", &arguments).trim().to_owned()
}

#[test]
fn what_skopeo_put_there_is_pulled_and_what_is_pushed_there_all_pull() {
    if may_be_skipped("docker-registry and skopeo", missing(&["docker-registry", "skopeo"])) {
        return;
    }
    let real = Real::start(Manner::Plain);
    let (from, to) = (format!("{}/team/app:1", real.name), format!("{}/other/app:2", real.name));
    let digest = real.fill(&from, &["--dest-tls-verify=false"]);
    assert_eq!(real.good(&["pull", "-q", &from]), format!("{from}@{digest}"));
    let said = real.image(&["push", &from, &to]);
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && words.contains("taken over"), "{said:?}");
    assert_eq!(seen_by_skopeo(&to, &["--tls-verify=false"]), digest);
    assert_eq!(real.good(&["tags", &to]), "2");
    assert!(real.good(&["inspect", &to]).contains(&digest));
    assert_eq!(real.good(&["referrers", &to]), "[]");

    // Sent and not mounted, in pieces; to another registry, and into a layout.
    let other = Real::start(Manner::Plain);
    let there = format!("{}/app:3", other.name);
    real.good(&["push", "-q", &from, &there, "--chunk", "70000"]);
    assert_eq!(seen_by_skopeo(&there, &["--tls-verify=false"]), digest);
    let again = format!("{}/copied/app:4", other.name);
    real.good(&["copy", "-q", &from, &again]);
    assert_eq!(seen_by_skopeo(&again, &["--tls-verify=false"]), digest);
    let layout = format!("oci:{}:some-name", real.text("written"));
    real.good(&["copy", "-q", &again, &layout]);
    let seen = done("skopeo", &["inspect", "--format", "{{.Digest}}", &layout]);
    assert_eq!(seen.trim(), digest);
    let back = format!("{}/back:5", real.name);
    real.good(&["copy", "-q", &layout, &back]);
    assert_eq!(seen_by_skopeo(&back, &["--tls-verify=false"]), digest);

    let error = real.bad(&["pull", &format!("{}/team/app:none", real.name)]);
    assert!(error.contains("404") && error.contains("manifests/none"), "{error}");
}

#[test]
fn podman_pulls_what_is_pushed() {
    let needed = ["docker-registry", "skopeo", "podman"];
    if may_be_skipped("docker-registry and podman", missing(&needed)) {
        return;
    }
    let real = Real::start(Manner::Plain);
    let (from, to) = (format!("{}/team/app:1", real.name), format!("{}/other/app:2", real.name));
    let digest = real.fill(&from, &["--dest-tls-verify=false"]);
    real.good(&["pull", "-q", "--no-unpack", &from]);
    real.good(&["push", "-q", &from, &to]);
    let (root, run_root) = (real.text("podman"), real.text("podman-run"));
    let podman = ["--root", &root, "--runroot", &run_root, "--storage-driver", "vfs"];
    done("podman", &[&podman[..], &["pull", "-q", "--tls-verify=false", &to]].concat());
    let format = ["image", "inspect", "--format", "{{.Digest}}", &to];
    assert_eq!(done("podman", &[&podman[..], &format].concat()).trim(), digest);
}

#[test]
fn containerd_pulls_what_is_pushed() {
    let needed = ["docker-registry", "skopeo", "containerd", "ctr"];
    if may_be_skipped("docker-registry and containerd", missing(&needed)) {
        return;
    }
    let real = Real::start(Manner::Plain);
    let (from, to) = (format!("{}/team/app:1", real.name), format!("{}/other/app:2", real.name));
    let digest = real.fill(&from, &["--dest-tls-verify=false"]);
    real.good(&["pull", "-q", "--no-unpack", &from]);
    real.good(&["push", "-q", &from, &to]);
    let config = format!(
        "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = \"{}\"\n",
        real.text("containerd"),
        real.text("containerd-state"),
        real.text("sock")
    );
    std::fs::write(real.path("containerd.toml"), config).unwrap();
    let mut containerd = Command::new("containerd")
        .args(["--config", &real.text("containerd.toml")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let sock = real.text("sock");
    let ready = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        run("ctr", &["-a", &sock, "version"]).status.success()
    });
    let pulled = ready.then(|| {
        run("ctr", &["-a", &sock, "content", "fetch", "--plain-http", &to]);
        run("ctr", &["-a", &sock, "images", "ls"])
    });
    containerd.kill().unwrap();
    containerd.wait().unwrap();
    let images = String::from_utf8_lossy(&pulled.expect("containerd starts").stdout).into_owned();
    assert!(images.contains(&to) && images.contains(&digest), "{images}");
}

#[test]
fn a_registry_that_wants_a_password_gets_it_and_nobody_else_does() {
    let needed = ["docker-registry", "skopeo", "htpasswd"];
    if may_be_skipped("docker-registry and htpasswd", missing(&needed)) {
        return;
    }
    let real = Real::start(Manner::Password);
    let name = format!("{}/team/app:1", real.name);
    let digest = real.fill(&name, &["--dest-tls-verify=false", "--dest-creds", "me:secret"]);
    let error = real.bad(&["pull", &name]);
    assert!(error.contains(&format!("image login {}", real.name)), "{error}");

    let login = |password: &str| {
        let script = format!(
            "printf '%s\\n' {password} | '{}' login {} -u me --password-stdin",
            env!("CARGO_BIN_EXE_image"),
            real.name
        );
        Command::new("sh")
            .args(["-c", &script])
            .env("REGISTRY_AUTH_FILE", real.path("auth.json"))
            .env("PATH", real.search())
            .output()
            .unwrap()
    };
    let wrong = login("guess");
    let words = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && words.contains("not content"), "{words}");
    assert!(!real.path("auth.json").exists() && !words.contains("guess"), "{words}");
    let right = login("secret");
    assert!(right.status.success(), "{right:?}");
    let mode = std::fs::metadata(real.path("auth.json")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);

    assert_eq!(real.good(&["pull", "-q", &name]), format!("{name}@{digest}"));
    let other = format!("{}/other:2", real.name);
    real.good(&["push", "-q", &name, &other]);
    // Other tools read what was written.
    let auth = real.text("auth.json");
    let seen = seen_by_skopeo(&other, &["--tls-verify=false", "--authfile", &auth]);
    assert_eq!(seen, digest);
    assert!(real.good(&["logout", &real.name]).contains("forgotten"));
    assert!(real.bad(&["tags", &name]).contains("image login"));

    // Another program keeps the secret: it is in no file of ours.
    helper(&real);
    std::fs::write(real.path("auth.json"), r#"{"credsStore":"lab","kept":"as it was"}"#).unwrap();
    let right = login("secret");
    assert!(right.status.success(), "{right:?}");
    let text = std::fs::read_to_string(real.path("auth.json")).unwrap();
    assert_eq!(text, r#"{"credsStore":"lab","kept":"as it was"}"#);
    assert_eq!(real.good(&["tags", &name]), "1");
    assert!(real.good(&["logout", &real.name]).contains("forgotten"));
    assert!(real.bad(&["tags", &name]).contains("image login"));
}

/// A credential helper that keeps one secret in a file.
fn helper(real: &Real) {
    let (file, program) = (real.text("secret"), real.path("docker-credential-lab"));
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat > {file} ;;\nerase) rm {file} ;;\n\
         get) cat {file} 2>/dev/null || {{ echo 'credentials not found in native keychain'; exit 1; }} ;;\n\
         esac\n"
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
}

#[test]
fn tls_is_trusted_where_its_authority_is_named() {
    let needed = ["docker-registry", "skopeo", "openssl"];
    if may_be_skipped("docker-registry and openssl", missing(&needed)) {
        return;
    }
    let real = Real::start(Manner::Tls);
    let name = format!("{}/team/app:1", real.name);
    let digest = real.fill(&name, &["--dest-tls-verify=false"]);
    // On this machine plain HTTP is the rule: that is said, and what to do.
    let error = real.bad(&["pull", &name]);
    assert!(error.contains(&format!("--ca {}=FILE", real.name)), "{error}");
    let error = real.bad(&["pull", &name, "--ca", &format!("{}={}", real.name, "/etc/hostname")]);
    assert!(error.contains("/etc/hostname") || error.contains("EKEYREJECTED"), "{error}");

    let ca = format!("{}={}", real.name, real.text("ca.pem"));
    assert_eq!(real.good(&["pull", "-q", &name, "--ca", &ca]), format!("{name}@{digest}"));
    let other = format!("{}/other:2", real.name);
    real.good(&["push", "-q", &name, &other, "--ca", &ca]);
    assert_eq!(seen_by_skopeo(&other, &["--tls-verify=false"]), digest);

    // Without the authority it is nobody that one knows; and whoever says so takes anybody.
    let known = format!(r#"{{"{}":{{"plain_http":false}}}}"#, real.name);
    std::fs::write(real.path("registries.json"), known).unwrap();
    let error = real.bad(&["pull", &name]);
    assert!(error.contains("EKEYREJECTED") && error.contains("certificate"), "{error}");
    real.good(&["tags", &name, "--skip-verify", &real.name]);
}

#[test]
fn a_registry_may_want_a_certificate_of_ours() {
    let needed = ["docker-registry", "openssl"];
    if may_be_skipped("docker-registry and openssl", missing(&needed)) {
        return;
    }
    let real = Real::start(Manner::Certificates);
    let name = format!("{}/app:1", real.name);
    let layout = real.path("layout");
    let digest = write_layout(&layout, 1);
    let from = format!("oci:{}:t", layout.display());
    let with = |more: &str| {
        let text = format!(r#"{{"{}":{{"ca":"ca.pem"{more}}}}}"#, real.name);
        std::fs::write(real.path("registries.json"), text).unwrap();
    };
    with("");
    let error = real.bad(&["copy", &from, &name, "--tries", "2"]);
    assert!(error.contains("error: "), "{error}");
    with(r#","certificate":"client.pem","key":"client.key""#);
    assert_eq!(real.good(&["copy", "-q", &from, &name]), format!("{name}@{digest}"));
    assert_eq!(real.good(&["pull", "-q", &name]), format!("{name}@{digest}"));

    // As Docker has it, in a folder with the registry's name.
    let folder = real.path("certs.d").join(&real.name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut settings = crate::settings();
    settings.hosts.certificates_in(&real.path("certs.d"));
    for (from, to) in [("ca.pem", "ca.crt"), ("client.pem", "me.cert"), ("client.key", "me.key")] {
        let before = Registry::open(&real.name, &settings).map(|registry| registry.check());
        assert!(!matches!(before, Ok(Ok(()))), "without {to}");
        std::fs::copy(real.path(from), folder.join(to)).unwrap();
    }
    Registry::open(&real.name, &settings).unwrap().check().unwrap();
}
