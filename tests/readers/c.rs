//! `docs/readers/mmstats.h`: how to run it, through `tests/readers/show.c`; and checks that only a compiler can make.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mmstats::MmStats;

use super::compare::{Reader, manifest};
use super::golden::names;
use super::models::{NextWeb, Web, write};

/// The warnings that the header must not cause.
const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];
/// A fault ends the program, and so fails the test.
const SANITIZED: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// Returns whether there is a compiler; otherwise reports what is skipped, or fails if it is required.
fn has(compiler: &str) -> bool {
    let Err(error) = Command::new(compiler).arg("--version").output() else {
        return true;
    };
    let required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some_and(|value| value == "1");
    assert!(!required, "{compiler} cannot be run: {error}");
    eprintln!("SKIPPED: {compiler} cannot be run ({error}), so mmstats.h was not compiled with it");
    false
}

/// Runs a compiler on one of the programs in this directory.
fn compile(compiler: &str, arguments: &[&str], program: &str, to: &Path) -> Output {
    Command::new(compiler)
        .args(arguments)
        .args(STRICT)
        .arg("-I")
        .arg(manifest("docs/readers"))
        .arg(manifest("tests/readers").join(program))
        .arg("-o")
        .arg(to)
        .arg("-lm")
        .output()
        .unwrap()
}

/// Returns the compiled program: with the sanitizers if they can be linked, and recompiled only after a change.
fn program(source: &str) -> Option<PathBuf> {
    if !has("cc") {
        return None;
    }
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.replace('.', "-"));
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    let sources = [
        manifest("docs/readers/mmstats.h"),
        manifest("tests/readers").join(source),
        file!().into(),
    ];
    let newest = sources.iter().filter_map(|path| changed(path).ok()).max();
    if changed(&to).is_ok_and(|made| Some(made) > newest) {
        return Some(to);
    }
    // Renamed when it is complete, so that no other test runs a half-written file.
    let fresh = to.with_extension(std::process::id().to_string());
    let plain = ["-std=c11", "-O0", "-g"];
    let mut output = compile("cc", &[&plain[..], &SANITIZED].concat(), source, &fresh);
    if !output.status.success() {
        let sanitized = String::from_utf8_lossy(&output.stderr).into_owned();
        output = compile("cc", &plain, source, &fresh);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        eprintln!(
            "SKIPPED: the sanitizers cannot be linked, so {source} runs without: {sanitized}"
        );
    }
    fs::rename(&fresh, &to).unwrap();
    Some(to)
}

pub fn find() -> Option<Reader> {
    let command: Vec<OsString> = vec![program("show.c")?.into()];
    Some(Reader {
        name: "mmstats.h",
        command,
    })
}

/// The settings that users have: C11 and C++17, with some optimization, which causes more warnings.
#[test]
fn the_header_compiles_without_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("show");
    for (compiler, arguments) in [
        ("gcc", &["-std=c11", "-O1"][..]),
        ("clang", &["-std=c11", "-O1"]),
        ("g++", &["-std=c++17", "-fsyntax-only", "-x", "c++"]),
    ] {
        // One of the two C compilers is enough.
        if compiler == "clang" && Command::new(compiler).arg("--version").output().is_err() {
            eprintln!("SKIPPED: there is no clang, so mmstats.h was not compiled with it");
            continue;
        }
        if has(compiler) {
            let output = compile(compiler, arguments, "show.c", &to);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{compiler}: {said}");
        }
    }
}

/// As many rounds as fit in a second or two, on golden files and on two files that have what these lack: windows of
/// all kinds, and distributions with other digits. To run more: `mutate SEED TIMES DIRECTORY FILES`, see there.
#[test]
fn random_damage_does_no_harm() {
    let Some(mutate) = program("mutate.c") else {
        return;
    };
    let (directory, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let web = Web::builder().path(root.path()).create().unwrap();
    write(&web, 2);
    let next = NextWeb::builder().path(root.path()).create().unwrap();
    next.size.record(1_000_003);
    let written = fs::read_dir(root.path().join("web")).unwrap();
    let golden = names()
        .into_iter()
        .map(|name| manifest(&format!("tests/golden/{name}.mmstats")));
    let output = Command::new(mutate)
        .args(["2026", "2000"])
        .arg(directory.path())
        .args(golden)
        .args(written.map(|entry| entry.unwrap().path()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    // No record type was left out.
    assert!(
        said.starts_with("2000 files, ") && !format!("{} ", said.trim()).contains(" 0 "),
        "{said}"
    );
}
