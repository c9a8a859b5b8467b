//! Do programs of the host hear of a container, and can none of them hold it up?

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bundle::Hook;
use container::hooks::{Moment, run, run_all};

fn hook(line: &str, timeout: Option<u32>) -> Hook {
    Hook {
        path: PathBuf::from("/bin/sh"),
        args: ["sh", "-c", line].map(str::to_string).to_vec(),
        env: vec!["ONLY=this".to_string()],
        timeout,
    }
}

const STATE: &str = r#"{"id":"c1","status":"created"}"#;

pub(crate) fn they_know_the_container() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("heard");
    let line =
        format!("cat > {0}; echo >> {0}; env >> {0}; ls /proc/self/fd >> {0}", file.display());
    run(Moment::CreateRuntime, &[hook(&line, Some(10))], STATE).unwrap();
    let heard = std::fs::read_to_string(&file).unwrap();
    assert!(heard.starts_with(&format!("{STATE}\n")), "{heard}");
    assert!(heard.contains("ONLY=this\n") && !heard.contains("HOME="), "{heard}");
    assert!(heard.ends_with("\n0\n1\n2\n3\n"), "{heard}");
}

pub(crate) fn one_fails() {
    let fails = hook("echo one; echo two >&2; exit 3", None);
    let error = run(Moment::Prestart, &[hook("true", None), fails], STATE).unwrap_err();
    let expected = "error running prestart hook #1 \"/bin/sh\": exit code 3; it said: one / two";
    assert_eq!(error.to_string(), expected);
    let missing = Hook { path: PathBuf::from("/no/hook"), ..hook("", Some(5)) };
    let failures = run_all(Moment::Poststop, &[missing, hook("kill -9 $$", None)], STATE);
    let said: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("poststop hook #0 \"/no/hook\"") && said[0].contains("ENOENT"));
    assert!(said[1].contains("killed by SIGKILL"), "{said:?}");
}

pub(crate) fn one_takes_too_long() {
    let start = Instant::now();
    // Numbers that no other run of this test has.
    let (one, other) = (format!("61.{}", std::process::id()), format!("62.{}", std::process::id()));
    let line = format!("sleep {one} & sleep {other}");
    let error = run(Moment::Poststart, &[hook(&line, Some(1))], STATE).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(error.to_string().contains("timed out"), "{error}");
    let is_it = |pid: &std::fs::DirEntry| {
        let line = std::fs::read(pid.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.ends_with(&format!("{one}\0")) || line.ends_with(&format!("{other}\0"))
    };
    let left = || std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(is_it).count();
    // Who was killed and is nobody's child here takes a moment to be gone.
    while left() > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "{} are left", left());
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn one_leaves_somebody_behind() {
    let start = Instant::now();
    run(Moment::CreateRuntime, &[hook("sleep 3 &", None)], STATE).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}
