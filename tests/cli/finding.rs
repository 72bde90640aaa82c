//! Files that are found through the processes that map them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process;
use std::time::Duration;

use tempfile::TempDir;

use super::{child, db, mmstats, path_of, show_json, text_of, web};

#[test]
fn a_process_is_a_path() {
    let (root, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (a, b) = (db(root.path()), web(other.path()));
    a.queries.add(3);
    let pid = process::id().to_string();
    let shown = show_json(&[], &[Path::new(&pid)]);
    // This process also has files of other tests.
    let paths = |model: &str| shown["models"][model]["files"].to_string();
    for (model, path) in [("Db", path_of(&a)), ("my-app", path_of(&b))] {
        assert!(paths(model).contains(path.to_str().unwrap()), "{shown}");
    }
    assert!(shown["models"]["Db"]["stats"]["queries"]["value"].as_u64() >= Some(3));
}

#[test]
fn a_file_that_is_called_like_a_process_is_a_path() {
    let directory = TempDir::new().unwrap();
    let stats = db(&directory.path().join("1"));
    let output = mmstats()
        .args(["ls", "1"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(
        shown.contains(path_of(&stats).to_str().unwrap()),
        "{output:?}"
    );
    assert_eq!(shown.lines().count(), 2);
}

#[test]
fn a_process_that_has_ended_is_found_by_its_number() {
    let root = TempDir::new().unwrap();
    let file = path_of(&db(root.path()));
    let stats = db(root.path());
    // A pid that no process can have.
    let left = file.with_file_name("mmstats-99999999-1");
    fs::copy(path_of(&stats), &left).unwrap();
    let output = mmstats()
        .args(["ls", "99999999"])
        .env("MMSTATS_PATH", root.path())
        .output()
        .unwrap();
    let shown = text_of(&output.stdout);
    assert!(shown.contains(left.to_str().unwrap()), "{output:?}");
    assert_eq!(shown.lines().count(), 2);
    let output = mmstats().args(["ls", "99999998"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text_of(&output.stderr);
    assert!(
        said.contains("no stats files in process 99999998"),
        "{said}"
    );
}

#[test]
fn all_processes_have_theirs_listed_whatever_their_root() {
    let (root, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (a, b) = (db(root.path()), web(other.path()));
    let output = mmstats().args(["ls", "--all"]).output().unwrap();
    let shown = text_of(&output.stdout);
    for path in [path_of(&a), path_of(&b)] {
        assert!(shown.contains(path.to_str().unwrap()), "{output:?}");
    }
    let output = mmstats().args(["ls", "--all", "/tmp"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn where_nothing_is_found_other_roots_are_named() {
    let (root, empty) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let _stats = db(root.path());
    let output = mmstats()
        .arg("show")
        .env("MMSTATS_PATH", empty.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text_of(&output.stderr);
    assert!(
        said.contains("running programs have some elsewhere"),
        "{said}"
    );
    // It is among the roots of other tests, of which there may be too many to name.
    let named = said.contains(root.path().to_str().unwrap());
    assert!(named || said.contains("mmstats ls --all"), "{said}");
}

#[test]
fn a_file_system_whose_server_hangs_does_not_hang_ls_all() {
    const NAME: &str = "finding::a_file_system_whose_server_hangs_does_not_hang_ls_all";
    if child::is_child(NAME) {
        let root = std::path::PathBuf::from(std::env::var_os("MMSTATS_PATH").unwrap());
        let mount = |kind: &str, options: &str| {
            let [kind, target, options] = [kind, root.to_str().unwrap(), options]
                .map(|text| std::ffi::CString::new(text).unwrap());
            let (kind, target, options) = (kind.as_ptr(), target.as_ptr(), options.as_ptr().cast());
            // SAFETY: C strings that outlive the call.
            let mounted = unsafe { libc::mount(kind, target, kind, 0, options) };
            assert_eq!(mounted, 0, "{}", std::io::Error::last_os_error());
        };
        // In a mount namespace of its own, so that its file is visible only through it. On top of it, a file system
        // whose server, this process, never answers.
        mount("tmpfs", "");
        let stats = db(&root);
        stats.queries.add(1);
        let server = fs::File::options().read(true).write(true).open("/dev/fuse");
        let server = server.unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&server);
        mount(
            "fuse",
            &format!("fd={descriptor},rootmode=40000,user_id=0,group_id=0"),
        );
        println!("\nready");
        let _ = std::io::stdin().read_line(&mut String::new());
        // Not a clean exit: that would wait for this process's own answer.
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) };
    }
    let unshare = |command: &[&str]| {
        let mut unshare = process::Command::new("unshare");
        unshare.arg("--mount").args(command);
        unshare
    };
    let made = unshare(&["true"]).status();
    if !Path::new("/dev/fuse").exists() || !made.is_ok_and(|made| made.success()) {
        let required = std::env::var_os("MMSTATS_REQUIRE_REAL").is_some();
        assert!(!required, "cannot mount FUSE");
        eprintln!("SKIPPED: cannot mount FUSE");
        return;
    }
    let root = TempDir::new().unwrap();
    let inner = child::command(NAME, root.path());
    let mut command = unshare(&[inner.get_program().to_str().unwrap()]);
    command.args(inner.get_args()).envs(
        (inner.get_envs()).filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))),
    );
    let mut writer = child::start(&mut command);
    let mut lines = BufReader::new(writer.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    // Another root, which is found.
    let other = TempDir::new().unwrap();
    let stats = db(other.path());
    let output = mmstats()
        .args(["ls", "--all"])
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap();
    let (shown, said) = (text_of(&output.stdout), text_of(&output.stderr));
    assert!(
        shown.contains(path_of(&stats).to_str().unwrap()),
        "{output:?}"
    );
    let why = format!(
        "not looked at for process {}: the path leads",
        writer.0.id()
    );
    assert!(
        said.contains(&why) && said.contains("type fuse"),
        "{output:?}"
    );
}

/// Removes the file of a child while it runs, or its whole root, and checks what the tools print.
#[test]
fn files_removed_under_a_live_process_are_named_and_root_reads_them() {
    const NAME: &str = "finding::files_removed_under_a_live_process_are_named_and_root_reads_them";
    if child::is_child(NAME) {
        let stats = db(Path::new(&std::env::var_os("MMSTATS_PATH").unwrap()));
        stats.queries.add(5);
        println!("ready");
        // Until the parent has checked.
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let root = TempDir::new().unwrap();
    let path = root.path().join("root");
    let mut child = child::command(NAME, &path)
        .stdin(process::Stdio::piped())
        .stdout(process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = lines.by_ref().map_while(Result::ok);
    assert!(said.any(|line| line.contains("ready")));
    let pid = child.id().to_string();
    let says = |arguments: [&str; 2]| {
        let output = mmstats().args(arguments).output().unwrap();
        format!("{}{}", text_of(&output.stdout), text_of(&output.stderr))
    };
    let removed = format!("1 file removed while process {pid} writes it");
    // Other files at the same place do not change that.
    let other = db(&path);
    let shown = path.to_str().unwrap();
    let model = path_of(&other).parent().unwrap().to_owned();
    for file in fs::read_dir(&model).unwrap() {
        let file = file.unwrap().path();
        if file != path_of(&other) {
            fs::remove_file(file).unwrap();
        }
    }
    for arguments in [
        ["check", &pid],
        ["show", &pid],
        ["ls", &pid],
        ["check", shown],
        ["ls", shown],
    ] {
        let said = says(arguments);
        assert!(said.contains(&removed), "{arguments:?}: {said}");
    }
    drop(other);
    for whole in [false, true] {
        if whole {
            fs::remove_dir_all(&path).unwrap();
        }
        for arguments in [
            ["check", &pid],
            ["ls", &pid],
            ["check", shown],
            ["show", shown],
        ] {
            let said = says(arguments);
            assert!(said.contains(&removed), "{arguments:?}: {said}");
            assert!(!said.contains("no stats files"), "{arguments:?}: {said}");
        }
    }
    // SAFETY: geteuid cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        let shown = show_json(&[], &[Path::new(&pid)]);
        assert_eq!(
            shown["models"]["Db"]["stats"]["queries"]["value"], 5,
            "{shown}"
        );
    } else {
        assert!(
            std::env::var_os("MMSTATS_REQUIRE_REAL").is_none(),
            "only root reads map_files"
        );
        eprintln!("SKIPPED: reading through map_files: this is not root");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
