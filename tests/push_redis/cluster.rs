//! A real cluster of three nodes, and TLS.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mmstats::MmStats;
use mmstats::push::redis::{Error, Pusher};

use super::server::Server;
use super::{Tasks, snapshot};

fn once(url: &str, root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmstats"));
    command
        .args(["push", "redis", "--once", "--url", url])
        .args(arguments)
        .arg(root);
    command.output().unwrap()
}

/// Starts three primaries, each with a third of the slots.
fn cluster() -> Option<Vec<Server>> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        // A free port for the bus: the default is 10,000 above the port, which may be beyond the valid range.
        let bus = super::server::free_port().to_string();
        let words = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        nodes.push(Server::start(&words)?);
    }
    let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
    let made = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(addresses)
        .arg("--cluster-yes")
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let begin = Instant::now();
    let is_ready = |node: &Server| {
        let info: String = redis::cmd("CLUSTER")
            .arg("INFO")
            .query(&mut node.connect())
            .unwrap();
        info.contains("cluster_state:ok")
    };
    while !nodes.iter().all(is_ready) {
        assert!(begin.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    Some(nodes)
}

#[test]
fn any_node_of_a_cluster_leads_to_the_one_that_has_the_namespace() {
    let Some(nodes) = cluster() else { return };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    let count = || -> Vec<u64> {
        let get = |node: &Server| -> Option<u64> {
            let mut get = redis::cmd("GET");
            get.arg("{stats}::COUNT::requests");
            get.query(&mut node.connect()).ok()
        };
        nodes.iter().filter_map(get).collect()
    };
    for (round, node) in nodes.iter().enumerate() {
        tasks.requests.inc();
        tasks.recent.push(1.0);
        let output = once(&node.url(), root.path(), &["--namespace", "{stats}"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(count(), [round as u64 + 1], "on one node, and exactly once");
    }
    // As a library: the error names the node.
    let wrong = nodes.iter().map(|node| {
        let mut pusher = Pusher::new(node.connect()).namespace("{stats}");
        pusher.push(&[snapshot(root.path())])
    });
    let (right, moved): (Vec<_>, Vec<_>) = wrong.partition(Result::is_ok);
    assert_eq!((right.len(), moved.len()), (1, 2));
    for moved in moved {
        let Err(Error::Moved { node }) = moved else {
            panic!("{moved:?}");
        };
        let is_one = |server: &Server| node == format!("127.0.0.1:{}", server.port);
        assert!(nodes.iter().any(is_one), "{node}");
    }
    // Without braces no node has all keys.
    for node in &nodes {
        for namespace in ["stats", "{}stats", "{stats"] {
            let output = once(&node.url(), root.path(), &["--namespace", namespace]);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("must be in braces"), "{said}");
        }
    }
}

#[test]
fn a_node_that_is_gone_is_no_longer_asked() {
    let Some(mut nodes) = cluster() else { return };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.requests.inc();
    let has = |node: &Server| {
        let answer: redis::RedisResult<Option<u64>> = redis::cmd("GET")
            .arg("{stats}::COUNT::requests")
            .query(&mut node.connect());
        answer.is_ok()
    };
    let owner = nodes.iter().position(has).unwrap();
    nodes[owner].kill();
    let other = &nodes[(owner + 1) % 3];
    let output = once(&other.url(), root.path(), &["--namespace", "{stats}"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let address = format!("127.0.0.1:{}", nodes[owner].port);
    assert!(
        said.contains(&address) || said.contains("CLUSTERDOWN"),
        "{said}"
    );
}

#[test]
fn tls_is_spoken_with_the_certificates_that_are_given() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    if made.is_err() {
        assert!(
            std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
            "there is no openssl: apt-get install openssl"
        );
        eprintln!("SKIPPED: there is no openssl");
        return;
    }
    let port = super::server::free_port();
    let Some(server) = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let tasks = Tasks::builder().path(root.path()).create().unwrap();
    tasks.requests.add(3);
    let url = format!("rediss://127.0.0.1:{port}");
    let output = once(&url, root.path(), &["--cacert", &certificate]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let redis = &mut server.connect();
    assert_eq!(super::server::Stat(redis, "requests").count(), 3);
    // Nobody vouches for it, or another authority does; and a file that is not a certificate.
    let output = once(&url, root.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("certificate"), "{said}");
    for (url, file, wanted) in [
        (url.as_str(), key.as_str(), "certificates in PEM"),
        (&url, "/nowhere.pem", "cannot read /nowhere.pem"),
        (&server.url(), &certificate, "rediss://"),
    ] {
        let output = once(url, root.path(), &["--cacert", file]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(wanted), "{said}");
    }
}
