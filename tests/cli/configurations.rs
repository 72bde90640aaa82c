//! Units of systemd and manifests of Kubernetes in the documents: checked by systemd and against the schemas of the
//! API; their commands are checked by mmstats.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::links::documents;
use super::{mmstats, text_of};

/// Returns the code blocks in this language from all documents.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    let mut blocks = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(document).unwrap();
        let begun = text.split(&fence).skip(1);
        blocks.extend(begun.map(|rest| rest.split("```").next().unwrap().to_owned()));
    }
    blocks
}

/// Reports a missing tool, and fails if it is required.
fn skip(missing: &str) {
    let is_required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some();
    assert!(!is_required, "{missing} is not there");
    eprintln!("SKIPPED: {missing} is not there");
}

/// Asserts that mmstats accepts these arguments.
#[track_caller]
fn assert_accepted<'a>(arguments: impl Iterator<Item = &'a str>) {
    let output = mmstats().args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output.stderr));
}

#[test]
fn systemd_takes_the_units() {
    const BINARY: &str = "/usr/local/bin/mmstats";
    let directory = TempDir::new().unwrap();
    let mut names = Vec::new();
    for unit in blocks("ini") {
        let first = unit.lines().next().unwrap();
        let name = first.strip_prefix("# /etc/systemd/system/");
        // A unit without a name is a part of another program's unit.
        let (name, start) = match name {
            Some(name) => (name.to_owned(), ""),
            None => ("my-app.service".to_owned(), "ExecStart=/bin/true\n"),
        };
        let commands = unit
            .lines()
            .filter_map(|line| line.strip_prefix("ExecStart="));
        for command in commands {
            let arguments = command.strip_prefix(BINARY).expect(command);
            assert_accepted(arguments.split_whitespace());
        }
        let unit = unit.replace(BINARY, env!("CARGO_BIN_EXE_mmstats"));
        let unit = unit.replace("[Service]\n", &format!("[Service]\n{start}"));
        fs::write(directory.path().join(&name), unit).unwrap();
        names.push(name);
    }
    names.sort();
    assert_eq!(
        names,
        ["mmstats-push.service", "mmstats.service", "my-app.service"]
    );
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    verify.args(names.iter().map(|name| directory.path().join(name)));
    match verify.output() {
        Ok(output) => {
            let said = text_of(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
        Err(_) => skip("systemd-analyze"),
    }
}

#[test]
fn kubernetes_takes_the_manifests() {
    let mut manifests = blocks("yaml");
    manifests.retain(|block| block.starts_with("apiVersion:"));
    assert_eq!(manifests.len(), 2);
    // The Python of a virtual environment, for example.
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let python = Command::new(python)
        .arg("tests/python/kubernetes_manifests.py")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut python) = python else {
        return skip("python3");
    };
    // Without its packages it exits and reads nothing.
    let mut stdin = python.stdin.take().unwrap();
    let _ = stdin.write_all(manifests.join("---\n").as_bytes());
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    if output.status.code() == Some(3) {
        return skip("python3 with kubernetes-validate (PyPI)");
    }
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    let printed = text_of(&output.stdout);
    let commands: Vec<Vec<String>> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in &commands {
        assert_eq!(command[0], "mmstats");
        assert_accepted(command[1..].iter().map(|word| &**word));
    }
}
