//! Files that appear, disappear and are damaged while the agent serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mmstats::Writer;

use crate::agent::Agent;
use crate::poll;

fn golden() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        (entries.filter(|path| path.extension().is_some_and(|end| end == "mmstats"))).collect();
    files.sort();
    assert!(files.len() > 10);
    files
}

/// Returns a file in an invalid form: cut short, or with changed bytes.
fn damaged(bytes: &[u8], round: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if round.is_multiple_of(4) {
        bytes.truncate(bytes.len() * (round % 16) / 16);
        return bytes;
    }
    let mut at = round * 7919;
    for _ in 0..1 + round % 32 {
        at = (at * 31 + 17) % bytes.len();
        bytes[at] ^= 1 << (at % 8);
    }
    bytes
}

#[test]
fn damaged_files_come_and_go_while_it_serves() {
    let root = tempfile::tempdir().unwrap();
    let good = Writer::builder("good").path(root.path()).create().unwrap();
    good.counter("n").add().unwrap().add(7);
    let agent = Agent::start(root.path());
    let directory = root.path().join("golden");
    fs::create_dir(&directory).unwrap();
    let golden = golden();
    for round in 0..40 {
        for (n, path) in golden.iter().enumerate() {
            let bytes = fs::read(path).unwrap();
            let file = directory.join(format!("mmstats-{}-{}", 100 + n, 100 + n));
            match (round + n) % 3 {
                0 => fs::write(&file, damaged(&bytes, round * golden.len() + n)).unwrap(),
                1 => fs::write(&file, &bytes).unwrap(),
                _ => drop(fs::remove_file(&file)),
            }
        }
        for path in [
            "/metrics",
            "/metrics?per=file",
            "/api/v1/snapshot",
            "/api/v1/processes",
            "/stats/",
            "/api/v1/available-stats",
        ] {
            let answer = agent.get(path, &[]);
            assert_eq!(
                answer.status,
                200,
                "{path}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            if path == "/metrics" {
                // Invalid files do not hide valid ones.
                assert!(
                    answer.text().contains("\ngood_n_total 7\n"),
                    "{}",
                    answer.text()
                );
            }
        }
    }
    fs::remove_dir_all(&directory).unwrap();
    poll("the end of the bad files", Duration::from_secs(20), || {
        let answer = agent.get("/metrics", &[("Accept", "text/plain")]);
        answer
            .text()
            .contains("\nmmstats_bad_files 0\n")
            .then_some(())
    });
    drop(good);
    let (status, _) = agent.terminate();
    assert_eq!(status.code(), Some(0), "{status:?}");
}
