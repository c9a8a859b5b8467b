//! Docker's own daemon: it loads what is saved here, and what it saves is loaded here.

use std::fs;
use std::process::Command;

use crate::bench::{has, is_root, said};
use crate::keeping::loaded;

/// A daemon in namespaces of its own, with all that it writes in memory. It ends with this script, and
/// so does everything else in there.
const SCRIPT: &str = r#"
set -e
mount --make-rprivate /
for place in "$1/work" /run /dev/shm; do mount -t tmpfs porthole "$place"; done
if [ -d /etc/docker ]; then mount -t tmpfs porthole /etc/docker; fi
mkdir /run/docker
export DOCKER_HOST="unix://$1/work/docker.sock" DOCKER_CONFIG="$1/work/client"
dockerd --host "$DOCKER_HOST" --data-root "$1/work/data" --exec-root "$1/work/exec" \
    --pidfile "$1/work/pid" --iptables=false --ip6tables=false --bridge=none \
    --storage-driver vfs >"$1/dockerd.log" 2>&1 &
for try in $(seq 600); do
    if docker version >/dev/null 2>&1; then break; fi
    sleep 0.05
done
for form in oci docker; do
    docker load --quiet --input "$1/$form.tar"
    docker image inspect --format '{{.Id}} {{.Config.Env}}' host.example/one:1
    docker image rm host.example/one:1 >/dev/null
done
docker load --quiet --input "$1/docker.tar"
docker save --output "$1/by-docker.tar" host.example/one:1
"#;

#[test]
fn docker_and_this_program_read_each_others_archives() {
    if !has("dockerd") || !has("docker") || !is_root() {
        return;
    }
    let bench = loaded();
    fs::create_dir(bench.path("work")).unwrap();
    let name = "host.example/one:1";
    bench.does(&["save", "-o", "oci.tar", name]);
    bench.does(&["save", "--format", "docker", "-o", "docker.tar", name]);
    let fence = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let output = Command::new("unshare")
        .args(fence)
        .args(["bash", "-c", SCRIPT, "docker"])
        .arg(bench.path(""))
        .output()
        .unwrap();
    let log = fs::read_to_string(bench.path("dockerd.log")).unwrap_or_default();
    let said = said(&output);
    assert!(output.status.success(), "{said}\n{log}");
    // The same configuration is the same image to Docker, in whatever form it came.
    let ids: Vec<&str> = said.lines().filter(|line| line.contains("PATH=/bin")).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{said}");
    bench.does(&["load", "by-docker.tar", "--force"]);
    assert!(bench.does(&["history", name]).contains("ADD one"));
    bench.does(&["gc"]);
    bench.is_well();
}
