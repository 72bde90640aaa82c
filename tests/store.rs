//! The example application docs/examples/store: its operations, its statistics over processes, and its scenario.

use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "serve")]
#[path = "serve/agent.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod agent;
#[path = "writer/child.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod child;
#[path = "../docs/examples/store/main.rs"]
mod example;
#[path = "store/proxies.rs"]
mod proxies;
#[cfg(feature = "push")]
#[path = "store/redis_server.rs"]
mod redis_server;
#[path = "store/scenario.rs"]
mod scenario;
#[path = "cli/screen.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod screen;
#[cfg(feature = "push")]
#[path = "push_redis/server.rs"]
#[allow(dead_code, reason = "shared with other targets")]
mod server;
#[path = "store/statistics.rs"]
mod statistics;
#[path = "store/stores.rs"]
mod stores;

use example::connector::MemoryConnector;
use example::store::{Builder, Store};

/// Returns a builder of a store with a unique name, because tests run in parallel.
fn builder() -> Builder {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    Store::builder(&format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))).cache_size(16)
}

fn in_memory() -> Store<MemoryConnector> {
    builder().build(MemoryConnector::default()).unwrap()
}
