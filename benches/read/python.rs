//! PyPI's prometheus_client in its multiprocess mode, on the same number of values.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::directory::Directory;

/// A Python that has the package.
pub struct Python {
    program: PathBuf,
    directory: PathBuf,
}

impl Python {
    /// Finds the `python3` of this machine if it has the package, else makes an environment with the package from
    /// PyPI. If neither works, this prints why and returns `None`, or panics if `MMSTATS_REQUIRE_REAL` is set.
    pub fn find() -> Option<Python> {
        let name = format!("mmstats-bench-python-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).expect("a directory of our own");
        let mut python = Python {
            program: "python3".into(),
            directory,
        };
        let environment = python.directory.join("environment");
        let imports = ["-c", "import prometheus_client"];
        if !succeeds(&python.program, &imports) {
            let own = environment.to_string_lossy();
            let made = succeeds(&python.program, &["-m", "venv", &own]);
            python.program = environment.join("bin/python3");
            let install = ["-m", "pip", "install", "--quiet", "prometheus_client"];
            if !made || !succeeds(&python.program, &install) || !succeeds(&python.program, &imports)
            {
                eprintln!("SKIPPED: no python3 with prometheus_client, and none could be made");
                let required = std::env::var_os("MMSTATS_REQUIRE_REAL");
                assert!(required.is_none(), "MMSTATS_REQUIRE_REAL is set");
                return None;
            }
        }
        Some(python)
    }

    /// Returns the time to collect and render `files` files of `counters` counters each.
    pub fn collect(&self, files: usize, counters: usize) -> Duration {
        let data = Directory::new("python");
        let output = Command::new(&self.program)
            .args(["-c", include_str!("multiprocess.py")])
            .arg(data.path())
            .args([files.to_string(), counters.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .expect("the python that was found");
        assert!(output.status.success(), "prometheus_client failed");
        let text = String::from_utf8(output.stdout).expect("a number");
        Duration::from_nanos(text.trim().parse::<f64>().expect("a number") as u64)
    }
}

fn succeeds(program: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
