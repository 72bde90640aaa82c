//! What a write does not do: allocate or call the system.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Duration;

use mmstats::{MmStats, Scope};

use super::child;
use super::models::{Pool, Route, RouteRef, Web};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work; the count is a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A handle as in a scope, with one more label.
static LABELLED: LazyLock<Scope> = LazyLock::new(|| {
    let stat = mmstats::stats(|stat| Ok(stat.with(&[("host", "nl-ams")])));
    stat.unwrap()
});

/// Writes in every way, to an existing octave and existing groups.
fn write_everything(web: &Web) {
    web.requests.inc();
    web.requests.add(2);
    web.requests.set(1 << 40);
    web.in_flight.inc();
    web.in_flight.add(-2);
    web.temperature.set(1.5);
    web.body_size.record(1000);
    web.response_time.record(Duration::from_nanos(1000));
    web.pool.set(Pool {
        open: 1,
        idle: 1,
        waits: 1,
    });
    web.pool.update(|p| p.waits += 1);
    web.release
        .set("a release of more than thirty-two bytes, cut");
    web.ready.set(true);
    for value in [1.5, f64::NAN] {
        web.load.record(value);
        web.recent_load.record(value);
        web.mean_load.record(value);
        web.last_load.record(value);
    }
    web.recent_time.record(Duration::from_nanos(1000));
    web.hits.add(4);
    web.last_sizes.push(1.0);
    web.last_sizes.push_with(2.0, "a context that is known");
    web.errors.record(&std::fmt::Error);
    web.errors
        .record(&"x".parse::<u8>().unwrap_err() as &dyn std::error::Error);
    web.errors.note("timeout", "a context that is known");
    mmstats::push_stat("task", 1.0);
    let labelled = &LABELLED;
    labelled.record("task", 2.0).context("nightly");
    labelled.error(&std::fmt::Error);
    web.db.queries.inc();
    web.handlers.group("index").response_ok.inc();
    web.handlers["index"].response_bad.inc();
    for pairs in [[("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]] {
        web.handlers.group_with(&pairs).response_ok.inc();
    }
    let route = Route {
        handler: "index",
        status: 200,
    };
    web.routes.group(&route).response_ok.inc();
    web.routes[&route].response_bad.inc();
    let borrowed = RouteRef {
        handler: "index",
        status: 200,
    };
    web.routes.group_ref(&borrowed).response_ok.inc();
    Web::local(|s| {
        s.requests.inc();
        s.body_size.record(1000);
        s.handlers.group("index").response_ok.inc();
    });
}

fn prepared() -> mmstats::Stats<Web> {
    let web = Web::create().unwrap();
    web.response_time.start().stop();
    // So often that the rings have their full size.
    for _ in 0..1000 {
        write_everything(&web);
    }
    // More errors than there is space for.
    for name in 0..300 {
        web.errors.note(&name.to_string(), "");
    }
    // The evicted ones are recorded again.
    write_everything(&web);
    web.errors.note("beyond the table", "a context that is new");
    web
}

/// An error whose message has its number.
#[derive(Debug)]
struct Numbered(u64);

impl std::fmt::Display for Numbered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "number {}", self.0)
    }
}

impl std::error::Error for Numbered {}

#[test]
fn no_write_after_the_first_allocates() {
    const NAME: &str = "allocations::no_write_after_the_first_allocates";
    if !child::is_child(NAME) {
        let root = tempfile::tempdir().unwrap();
        child::run(&mut child::command(NAME, root.path()));
        return;
    }
    let web = prepared();
    let before = ALLOCATIONS.get();
    for number in 0..1000 {
        write_everything(&web);
        web.errors.note("beyond the table", "a context that is new");
        // Each of these is new to the full log. There are so many that the table is reordered repeatedly.
        for each in 0..100 {
            web.errors.record(&Numbered(100 * number + each));
        }
        // Its time may fall in a new octave: that takes file space, not memory.
        web.response_time.start().discard();
    }
    // Beyond the cap, names are counted under `_other`, also without an allocation.
    let after = ALLOCATIONS.get();
    assert_eq!(after - before, 0);
    assert!(
        ALLOCATIONS.get() < {
            drop(vec![0u8; 10]);
            ALLOCATIONS.get()
        },
        "the counting works"
    );
}

/// With this filter, any system call except exit_group ends the process.
#[cfg(target_os = "linux")]
fn forbid_system_calls() {
    let code = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut filter = [
        // The number of the call: exit_group is allowed, everything else kills.
        code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        code(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_exit_group as u32,
        ),
        code(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        code(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_KILL_PROCESS,
        ),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: constants, and a program that outlives the call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program),
            0
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_write_after_the_first_calls_the_system() {
    use std::os::unix::process::ExitStatusExt;
    const NAME: &str = "allocations::no_write_after_the_first_calls_the_system";
    if child::is_child(NAME) {
        let calls_the_system = std::env::var_os("BREAK_IT").is_some();
        let web = prepared();
        forbid_system_calls();
        for number in 0..1000 {
            write_everything(&web);
            web.errors.note("beyond the table", "a context that is new");
            web.errors.record(&Numbered(number));
            web.response_time.start().discard();
        }
        if calls_the_system {
            // A hundred groups need more space than is reserved.
            for name in 0..100 {
                for bits in 0..60 {
                    let group = web.handlers.group(&name.to_string());
                    group.response_time.record(Duration::from_nanos(1 << bits));
                }
            }
        }
        // SAFETY: `_exit` is always safe.
        unsafe { libc::_exit(0) };
    }
    let root = tempfile::tempdir().unwrap();
    let status = |break_it: bool| {
        let mut command = child::command(NAME, root.path());
        if break_it {
            command.env("BREAK_IT", "1");
        }
        command.output().unwrap().status
    };
    assert_eq!(status(false).code(), Some(0));
    // The filter works: a system call kills the process.
    assert_eq!(status(true).signal(), Some(libc::SIGSYS));
}
