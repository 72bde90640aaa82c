//! `docs/readers/mmstats.mjs`: how to run it, in Node and, if installed, in Deno; and its use as a module.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::compare::{self, Reader, manifest};

/// Returns those that are installed. Deno is optional.
pub fn find() -> Vec<Reader> {
    let script = manifest("docs/readers/mmstats.mjs");
    let mut found = Vec::from_iter(compare::find(
        "mmstats.mjs",
        "node",
        std::slice::from_ref(&script),
    ));
    let deno = ["target/judges/node_modules/.bin/deno", "deno"].map(|deno| match deno {
        "deno" => deno.into(),
        installed => manifest(installed),
    });
    let runs = |deno: &Path| Command::new(deno).arg("--version").output().is_ok();
    match deno.into_iter().find(|deno| runs(deno)) {
        Some(deno) => found.push(Reader {
            name: "mmstats.mjs in Deno",
            command: vec![deno.into(), "run".into(), "-A".into(), script.into()],
        }),
        None => eprintln!("SKIPPED: deno cannot be run, so mmstats.mjs was not compared in it"),
    }
    found
}

/// As a module: every series has its metric, and integers lose no digits.
#[test]
fn integers_are_numbers_where_these_are_exact() {
    let root = tempfile::tempdir().unwrap();
    let module = manifest("docs/readers/mmstats.mjs");
    let text = format!(
        "import {{ read }} from {module:?};
        const [{{ series, files }}] = read({golden:?}, {{ perFile: true }}).models;
        const of = (label) => series.find((one) => one.label === label);
        const {{ value }} = of('most_u64');
        const time = of('handler.index.response_time');
        console.log([
            typeof of('requests').value, of('requests').unit, typeof value, value, of('least_i64').value,
            time.metric, time.group, time.unit, time.value.count, files[0].series.length === series.length,
        ].join());",
        golden = manifest("tests/golden/every-kind.mmstats"),
    );
    let path = root.path().join("script.mjs");
    fs::write(&path, text).unwrap();
    for Reader { command, .. } in find() {
        let runtime = &command[..command.len() - 1];
        let mut script = Command::new(&runtime[0]);
        let output = script.args(&runtime[1..]).arg(&path).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "number,requests,bigint,18446744073709551615,-9223372036854775808,\
             response_time,index,seconds,1,true",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
