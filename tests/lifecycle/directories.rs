//! Directories that others have made, locks that others hold, and modes that override an umask.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use mmstats::MmStats;
use mmstats::retire::Cleaner;

use super::rights::NOBODY;
use super::{All, child, files, is_root, root, skip, snapshot};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn mode(path: impl AsRef<Path>) -> u32 {
    path.as_ref().symlink_metadata().unwrap().mode() & 0o7777
}

/// Leaves one file of a process that has ended.
fn leave_dead(name: &str, root: &Path) {
    child::run(child::command(name, root).env("MMSTATS_KEEP", "1"));
}

fn be_the_child() {
    let all = All::builder().path(root()).create().unwrap();
    all.n.add(1);
}

#[test]
fn the_mode_is_exact_whatever_the_umask_is() {
    const NAME: &str = "directories::the_mode_is_exact_whatever_the_umask_is";
    if child::is_child(NAME) {
        // SAFETY: it affects this process only.
        unsafe { libc::umask(0o077) };
        return be_the_child();
    }
    for (wanted, of_directories) in [(0o644, 0o755), (0o666, 0o777), (0o660, 0o770)] {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("above/root");
        for fold in ["0", "1"] {
            let mut command = child::command(NAME, &root);
            command.env("MMSTATS_MODE", format!("{wanted:o}"));
            command.env("MMSTATS_FOLD", fold);
            let keep = if fold == "0" { "1" } else { "0" };
            child::run(command.env("MMSTATS_KEEP", keep));
        }
        let found = files(&root, "All");
        assert_eq!(found.len(), 2, "one that was kept, and a retired one");
        assert!(found.iter().all(|file| mode(file) == wanted), "{found:?}");
        // (The sticky bit protects it from cleaners of temporary directories.)
        assert_eq!(mode(root.join(".lock")) & 0o777, wanted);
        for directory in [&root.join("All"), &root, root.parent().unwrap()] {
            assert_eq!(mode(directory), of_directories, "{directory:?}");
        }
    }
}

#[test]
fn a_lock_that_is_no_file_costs_no_figures() {
    const NAME: &str = "directories::a_lock_that_is_no_file_costs_no_figures";
    if child::is_child(NAME) {
        return be_the_child();
    }
    for link in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let lock = root.path().join(".lock");
        match link {
            true => symlink("/nowhere", &lock).unwrap(),
            false => std::fs::create_dir(&lock).unwrap(),
        }
        leave_dead(NAME, root.path());
        assert_eq!(
            snapshot(root.path()).get("All", "n").unwrap().as_u64(),
            Some(1)
        );
    }
}

#[test]
fn a_reader_s_lock_on_the_directory_holds_nobody_up() {
    const NAME: &str = "directories::a_reader_s_lock_on_the_directory_holds_nobody_up";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    leave_dead(NAME, root.path());
    let directory = std::fs::File::open(root.path().join("All")).unwrap();
    directory.lock().unwrap();
    child::run(child::command(NAME, root.path()).env("MMSTATS_FOLD", "1"));
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert!(cleaned.problems().is_empty(), "{cleaned:?}");
    assert_eq!(files(root.path(), "All").len(), 1, "the retired file");
    let sum = snapshot(root.path()).get("All", "n").unwrap().as_u64();
    assert_eq!(sum, Some(2));
}

#[test]
fn a_fold_lock_that_is_held_costs_no_counts_and_no_start() {
    const NAME: &str = "directories::a_fold_lock_that_is_held_costs_no_counts_and_no_start";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    leave_dead(NAME, root.path());
    let lock = std::fs::File::create(root.path().join("All/.fold")).unwrap();
    lock.lock().unwrap();
    let mut command = child::command(NAME, root.path());
    command.env("MMSTATS_FOLD", "1").env("MMSTATS_CLEAN", "1");
    child::run(command.env("MMSTATS_DEAD", "0"));
    let sum = || snapshot(root.path()).get("All", "n").unwrap().as_u64();
    assert_eq!(sum(), Some(2));
    assert_eq!(files(root.path(), "All").len(), 3, "two, and the lock");
    drop(lock);
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert_eq!(cleaned.files().len(), 2, "{cleaned:?}");
    assert_eq!((sum(), files(root.path(), "All").len()), (Some(2), 1));
}

#[test]
fn a_superuser_cleans_with_the_rights_of_the_owner() {
    const NAME: &str = "directories::a_superuser_cleans_with_the_rights_of_the_owner";
    if child::is_child(NAME) {
        return be_the_child();
    }
    if !is_root() {
        return skip("act on another user's files without being root");
    }
    for fold in [false, true] {
        let root = tempfile::tempdir().unwrap();
        leave_dead(NAME, root.path());
        let model = root.path().join("All");
        let file = files(root.path(), "All").remove(0);
        for path in [root.path(), &root.path().join(".lock"), &model, &file] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        // What the owner may not do is not done.
        set_mode(&model, 0o500);
        let refused = Cleaner::new().fold(fold).clean(root.path()).unwrap();
        assert_eq!(
            (refused.files().len(), refused.problems().len()),
            (0, 1),
            "{refused:?}"
        );
        set_mode(&model, 0o700);
        let cleaned = Cleaner::new().fold(fold).clean(root.path()).unwrap();
        assert_eq!(cleaned.files().len(), 1, "{cleaned:?}");
        assert!(!file.exists());
        if fold {
            let retired = model.join("mmstats-retired").metadata().unwrap();
            assert_eq!((retired.uid(), retired.gid()), (NOBODY, NOBODY));
        }
        // And this thread has its own rights again.
        set_mode(&model, 0o700);
        std::fs::write(model.join("own"), "").unwrap();
        assert_eq!(model.join("own").metadata().unwrap().uid(), 0);
    }
}

#[test]
fn clean_follows_no_link_out_of_the_root() {
    const NAME: &str = "directories::clean_follows_no_link_out_of_the_root";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let [root, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    leave_dead(NAME, other.path());
    let inside = root.path().join("All");
    symlink(other.path().join("All"), &inside).unwrap();
    let slash = inside.join("");
    for path in [root.path(), &inside, &slash] {
        let _ = Cleaner::new().clean(path);
        let _ = Cleaner::new().fold(true).clean(path);
        assert_eq!(files(other.path(), "All").len(), 1, "{path:?}");
    }
}

#[test]
fn a_retired_file_can_never_be_executed() {
    const NAME: &str = "directories::a_retired_file_can_never_be_executed";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    leave_dead(NAME, root.path());
    set_mode(&files(root.path(), "All")[0], 0o755);
    Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert_eq!(mode(root.path().join("All/mmstats-retired")), 0o644);
}

/// Returns the command for this test's child, with default roots in its own `/dev/shm`, after running `before`.
fn in_own_shm(name: &str, before: &str) -> Option<Command> {
    if !is_root() {
        skip("mount without being root");
        return None;
    }
    let child = child::command(name, Path::new("/nowhere"));
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-e", "-c"]);
    let script = format!("mount -t tmpfs -o mode=1777 t /dev/shm; {before}; exec \"$0\" \"$@\"");
    command.arg(script);
    command.arg(child.get_program()).args(child.get_args());
    for (key, value) in child.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    for key in ["MMSTATS_PATH", "XDG_RUNTIME_DIR", "TMPDIR"] {
        command.env_remove(key);
    }
    Some(command)
}

#[test]
fn a_default_root_of_somebody_else_is_used_by_nobody() {
    const NAME: &str = "directories::a_default_root_of_somebody_else_is_used_by_nobody";
    if child::is_child(NAME) {
        let root = Path::new("/dev/shm/mmstats-0");
        let error = All::create().err().unwrap().to_string();
        assert!(error.contains("MMSTATS_PATH"), "{error}");
        // Nothing was created at the target of the link.
        assert_eq!(std::fs::read_dir("/dev/shm/elsewhere").unwrap().count(), 0);
        assert!(!mmstats::reader::roots().contains(&root.to_owned()));
        let mut reader = mmstats::reader::Reader::from_env().unwrap();
        let snapshot = reader.snapshot().unwrap();
        let told = |path: &Path| path == root;
        assert!(snapshot.errors().iter().any(|error| told(error.path())));
        let cleaned = Cleaner::new().clean_env().unwrap();
        assert!(cleaned.problems().iter().any(|error| told(error.path())));
        return;
    }
    for made in [
        "ln -s /dev/shm/elsewhere /dev/shm/mmstats-0",
        "mkdir -m 755 /dev/shm/mmstats-0; chown 65534 /dev/shm/mmstats-0",
        "mkdir /dev/shm/mmstats-0; chmod 777 /dev/shm/mmstats-0",
        "mkdir /dev/shm/mmstats-0; chmod 770 /dev/shm/mmstats-0",
        "touch /dev/shm/mmstats-0",
    ] {
        let Some(mut command) = in_own_shm(NAME, &format!("mkdir /dev/shm/elsewhere; {made}"))
        else {
            return;
        };
        child::run(&mut command);
    }
}

#[test]
fn there_are_figures_without_proc() {
    const NAME: &str = "directories::there_are_figures_without_proc";
    if child::is_child(NAME) {
        let all = All::create().unwrap();
        all.n.add(3);
        assert_eq!(files(Path::new("/dev/shm/mmstats-0"), "All").len(), 1);
        return;
    }
    if let Some(mut command) = in_own_shm(NAME, "umount -l /proc") {
        child::run(&mut command);
    }
}

#[test]
fn users_who_share_a_sticky_root_all_have_figures() {
    const NAME: &str = "directories::users_who_share_a_sticky_root_all_have_figures";
    if child::is_child(NAME) {
        return be_the_child();
    }
    if !is_root() {
        return skip("be two users without being root");
    }
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o1777);
    let as_user = |uid: u32| {
        let child = child::command(NAME, root.path());
        let mut command = Command::new("setpriv");
        command.args([
            "--clear-groups",
            &format!("--reuid={uid}"),
            &format!("--regid={uid}"),
        ]);
        command.arg(child.get_program()).args(child.get_args());
        for (key, value) in child.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        child::run(command.env("MMSTATS_KEEP", "1"));
    };
    as_user(0);
    as_user(NOBODY);
    as_user(NOBODY - 1);
    let sum = snapshot(root.path()).get("All", "n").unwrap().as_u64();
    assert_eq!(sum, Some(3));
    assert_eq!(files(root.path(), "All").len(), 1);
    assert_eq!(files(root.path(), "All-65534").len(), 1);
}

#[test]
fn a_root_that_cannot_be_written_is_an_error_that_says_what_to_do() {
    const NAME: &str =
        "directories::a_root_that_cannot_be_written_is_an_error_that_says_what_to_do";
    if child::is_child(NAME) {
        super::rights::give_up(&root().join("in"));
        for below in ["in/a", "in/a/b", "in"] {
            let path = root().join(below);
            if below == "in" {
                std::fs::create_dir(path.join("All")).unwrap();
                set_mode(&path.join("All"), 0o500);
            } else {
                set_mode(&root().join("in"), 0o500);
            }
            let error = All::builder().path(&path).create().err().unwrap();
            set_mode(&root().join("in"), 0o700);
            let error = error.to_string();
            for word in [path.to_str().unwrap(), "ermission denied", "MMSTATS_PATH"] {
                assert!(error.contains(word), "{error}");
            }
        }
        return;
    }
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o755);
    std::fs::create_dir(root.path().join("in")).unwrap();
    child::run(&mut child::command(NAME, root.path()));
}
