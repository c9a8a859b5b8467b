//! Is what stands in the trace what the registry was asked?
//!
//! An exchange is no system call, so strace cannot say whether its record is true. The registry can: it
//! wrote down what it was asked. Both lists are held against each other, both ways.

use std::path::Path;
use std::process::{Command, Output};

use trace::{Arg, Event, Outcome, Record};

use crate::fake::{Answer, Fake, Fault};
use crate::images::put_image;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn image(root: &Path, trace: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_image"))
        .arg("--root")
        .arg(root)
        .args(more)
        .args(["--trace", "json", "--trace-file"])
        .arg(trace)
        .output()
        .unwrap()
}

fn exchanges(trace: &Path) -> Vec<Record> {
    let events = trace::json::parse_all(&std::fs::read_to_string(trace).unwrap()).unwrap();
    let requests = events.into_iter().filter_map(|event| match event {
        Event::Request(record) => Some(record),
        _ => None,
    });
    requests.filter(|record| METHODS.contains(&record.call.as_ref())).collect()
}

fn field(outcome: &Outcome, name: &str) -> Option<i64> {
    let Outcome::Result(Arg::Fields(fields)) = outcome else { return None };
    fields.iter().find_map(|(is, value)| match value {
        Arg::Number(number) if is == name => Some(*number),
        _ => None,
    })
}

/// `METHOD PATH` of each, in the order of the alphabet: several go on at once.
fn told(records: &[Record], fake: &Fake) -> Vec<String> {
    let mut lines: Vec<String> = records
        .iter()
        .filter(|record| !matches!(record.outcome, Outcome::Refused(_)))
        .map(|record| {
            let Some(Arg::Text(url)) = record.args.first() else { panic!("{record:?}") };
            format!("{} {}", record.call, url.strip_prefix(&fake.url("")).unwrap())
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_trace_and_the_registry_tell_the_same() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let layers = [vec![1; 0], vec![0; 10_240], vec![0; 1024]];
    fake.fill(|contents| put_image(contents, "t", &layers[1..]));
    fake.misbehave(|request, _| {
        let cut = request.target.contains("/blobs/") && request.before == 0;
        let busy = request.method == "HEAD" && request.before == 0;
        match (busy, cut && request.start().is_none()) {
            (true, _) => Some(Answer::new(503, "busy")),
            (_, true) => Some(Answer::new(200, vec![0; 1]).and(Fault::Reset)),
            _ => None,
        }
    });
    let trace = root.path().join("trace");
    let name = format!("{}/x:t", fake.name());
    let said = image(&root.path().join("store"), &trace, &["pull", &name]);
    assert!(said.status.success(), "{said:?}");
    let records = exchanges(&trace);
    let mut asked = fake.lines();
    asked.sort();
    assert_eq!(told(&records, &fake), asked);

    let busy = records.iter().find(|record| field(&record.outcome, "status") == Some(503));
    assert!(busy.is_some(), "{records:?}");
    let manifest = records.iter().find(|r| r.call == "GET" && r.to_url().contains("/manifests/"));
    let length = fake.fill(|contents| contents.documents["t"].1.len());
    assert_eq!(field(&manifest.unwrap().outcome, "bytes"), Some(length as i64));
    for record in &records {
        assert_eq!(record.primitive, "exchange");
        assert!(!record.why.is_empty() && !record.step.is_empty(), "{record:?}");
    }
}

trait ToUrl {
    fn to_url(&self) -> String;
}

impl ToUrl for Record {
    fn to_url(&self) -> String {
        self.args.first().map(ToString::to_string).unwrap_or_default()
    }
}

#[test]
fn an_exchange_is_refused_as_any_request_and_then_never_sent() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    fake.fill(|contents| put_image(contents, "t", &[vec![0; 10_240]]));
    let trace = root.path().join("trace");
    let store = root.path().join("store");
    let name = format!("{}/x:t", fake.name());
    // Once is as if the network had: it is asked again.
    let said = image(&store, &trace, &["pull", &name, "--fail", "GET:2=ECONNRESET"]);
    assert!(said.status.success(), "{said:?}");
    let records = exchanges(&trace);
    let refused = records.iter().filter(|record| matches!(record.outcome, Outcome::Refused(_)));
    assert_eq!(refused.count(), 1);
    let mut asked = fake.lines();
    asked.sort();
    assert_eq!(told(&records, &fake), asked, "what was refused never got there");

    let said = image(&store, &trace, &["tags", &name, "--tries", "1", "--fail", "GET=EPERM"]);
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    let says = "/tags/list\"): EPERM (refused by the window";
    assert!(!said.status.success() && errors.contains(says), "{errors}");
}

#[test]
fn nothing_secret_stands_in_a_trace() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let realm = fake.url("/token");
    fake.fill(|contents| put_image(contents, "t", &[vec![0; 10_240]]));
    fake.misbehave(move |request, _| {
        if request.target.starts_with("/token") {
            return Some(Answer::new(200, r#"{"token":"topsecret","expires_in":300}"#));
        }
        let known = request.header("authorization") == Some("Bearer topsecret");
        let challenge = format!("Bearer realm=\"{realm}\"");
        (!known).then(|| Answer::new(401, "{}").with("www-authenticate", challenge))
    });
    let keys = root.path().join("config.json");
    let auth = format!(r#"{{"auths":{{"{}":{{"auth":"bWU6aHVudGVyMg=="}}}}}}"#, fake.name());
    std::fs::write(&keys, auth).unwrap();
    let trace = root.path().join("trace");
    let said = Command::new(env!("CARGO_BIN_EXE_image"))
        .env("REGISTRY_AUTH_FILE", &keys)
        .arg("--root")
        .arg(root.path().join("store"))
        .args(["pull", &format!("{}/x:t", fake.name()), "--trace", "json", "--trace-file"])
        .arg(&trace)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    assert!(fake.saw_a_credential());
    let text = std::fs::read_to_string(&trace).unwrap() + &format!("{said:?}");
    for secret in ["topsecret", "hunter2", "bWU6aHVudGVyMg"] {
        assert!(!text.contains(secret), "{secret} stands in the trace");
    }
    assert!(text.contains("account=…"), "{text}");
}

/// The usual variables; what this machine calls itself no proxy knows.
#[test]
fn a_proxy_is_asked_where_one_is_named() {
    let (proxy, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let tags = |registry: &str, no_proxy: &str| {
        Command::new(env!("CARGO_BIN_EXE_image"))
            .env("http_proxy", proxy.url(""))
            .env("no_proxy", no_proxy)
            .arg("--root")
            .arg(root.path())
            .args(["tags", &format!("{registry}/x"), "--plain-http", registry, "--tries", "1"])
            .output()
            .unwrap()
    };
    let said = tags("registry.invalid:5000", "");
    assert!(said.status.success(), "{said:?}");
    assert_eq!(proxy.lines(), ["GET http://registry.invalid:5000/v2/x/tags/list"]);
    let direct = Fake::new();
    assert!(tags(&direct.name(), "").status.success());
    assert!(!tags("registry.invalid:5000", "invalid").status.success());
    assert_eq!((proxy.lines().len(), direct.lines().len()), (1, 1));
}
