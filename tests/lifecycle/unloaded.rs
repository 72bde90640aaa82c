//! A shared object that counts is unloaded: its host keeps running and exits cleanly.

use std::ffi::{CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::child;

/// Returns the shared object that cargo builds from the example `plugin`.
fn plugin() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/libplugin.so")
}

/// Calls a function of the plugin on a thread that ends, and closes the plugin. Returns whether its code is still
/// loaded.
fn called(function: &str) -> bool {
    let path = CString::new(plugin().as_os_str().as_bytes()).unwrap();
    let name = CString::new(function).unwrap();
    // SAFETY: a C string; the plugin's constructors only register its handlers.
    let object = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) } as usize;
    assert_ne!(object, 0, "{path:?}");
    std::thread::spawn(move || {
        // SAFETY: an open object and a C string.
        let found = unsafe { libc::dlsym(object as *mut c_void, name.as_ptr()) };
        assert!(!found.is_null(), "{name:?}");
        // SAFETY: the plugin's functions are of this type.
        let call = unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(found) };
        call();
    })
    .join()
    .unwrap();
    // SAFETY: the object that was opened above.
    unsafe { libc::dlclose(object as *mut c_void) };
    // SAFETY: as above; it loads nothing.
    !unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) }.is_null()
}

/// Runs the test in a child, which must exit cleanly: its exit runs the handlers.
fn in_child(name: &str) -> bool {
    if child::is_child(name) {
        return true;
    }
    if !plugin().exists() {
        // `cargo test --test lifecycle` alone builds no examples.
        super::skip(
            "load the example `plugin`, which is not built: `cargo build --example plugin`",
        );
        return false;
    }
    let root = tempfile::tempdir().unwrap();
    child::run(&mut child::command(name, root.path()));
    false
}

#[test]
fn a_shared_object_with_a_panic_hook_stays_for_its_handler_at_the_exit() {
    if in_child("unloaded::a_shared_object_with_a_panic_hook_stays_for_its_handler_at_the_exit") {
        assert!(called("mmstats_test_hook"));
    }
}

#[test]
fn a_shared_object_with_a_window_stays_for_its_thread() {
    if in_child("unloaded::a_shared_object_with_a_window_stays_for_its_thread") {
        assert!(called("mmstats_test_window"));
    }
}

#[test]
fn the_host_of_a_shared_object_that_counted_ends_in_good_order() {
    if in_child("unloaded::the_host_of_a_shared_object_that_counted_ends_in_good_order") {
        called("mmstats_test_plain");
    }
}
