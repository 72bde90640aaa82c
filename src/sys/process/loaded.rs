//! Keeps the shared object with this code loaded: `dlclose` waits for no thread, and removes only the handlers of
//! atexit(3).

/// Keeps the object with this code loaded until the process ends. Returns whether it will stay loaded, as the
/// program itself always does.
pub fn stay() -> bool {
    // Elsewhere, `dlclose` unloads nothing (musl), or there is no known way to prevent it.
    #[cfg(all(
        target_os = "linux",
        target_env = "gnu",
        not(target_feature = "crt-static")
    ))]
    return glibc::stay();
    #[cfg(not(all(
        target_os = "linux",
        target_env = "gnu",
        not(target_feature = "crt-static")
    )))]
    return true;
}

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    not(target_feature = "crt-static")
))]
mod glibc {
    use std::ffi::{CStr, c_void};
    use std::mem::MaybeUninit;

    /// Returns the object that contains an address.
    fn object(address: *const c_void) -> Option<libc::Dl_info> {
        let mut info = MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: `dladdr` takes any address to look up, and a struct to fill.
        let found = unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0;
        // SAFETY: the object was found, so the struct was filled.
        found.then(|| unsafe { info.assume_init() })
    }

    pub fn stay() -> bool {
        let Some(own) = object(stay as *const () as *const c_void) else {
            return false;
        };
        // SAFETY: a query has no preconditions.
        // The program headers lie in the program itself.
        let headers = unsafe { libc::getauxval(libc::AT_PHDR) } as *const c_void;
        if object(headers).is_some_and(|program| program.dli_fbase == own.dli_fbase) {
            return true;
        }
        if own.dli_fname.is_null() {
            return false;
        }
        // SAFETY: a C string of the loader, which lives as long as the object, whose code is running.
        let name = unsafe { CStr::from_ptr(own.dli_fname) };
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // The handle is never closed.
        // SAFETY: with RTLD_NOLOAD nothing is loaded, so no code runs.
        !unsafe { libc::dlopen(name.as_ptr(), flags) }.is_null()
    }
}
