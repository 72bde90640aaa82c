//! Proxies.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use super::example::connector::MemoryConnector;
use super::example::error::Error;
use super::example::factory::{Factory, Fetching};
use super::example::key::{HasKey, Key};
use super::example::proxy::Proxy;
use super::example::store::Store;
use super::in_memory;

#[test]
fn a_proxy_is_resolved_once_by_all_threads() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let proxy = Proxy::new(|| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Ok(vec![1, 2, 3])
    });
    assert!(!proxy.is_resolved());
    let together = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                together.wait();
                assert_eq!(proxy.len(), 3);
            });
        }
    });
    assert!(proxy.is_resolved());
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    assert_eq!(*proxy.extract().unwrap(), [1, 2, 3]);
}

#[test]
fn a_proxy_compares_prints_and_computes_like_its_object() {
    let (six, seven) = (Proxy::new(|| Ok(6i64)), Proxy::new(|| Ok(7i64)));
    assert!(six < seven && six == 6 && six != seven && seven > 6);
    assert_eq!(
        (&six * 7, &seven - 1, -&six, &six << 1, !&six),
        (42_i64, 6_i64, -6_i64, 12_i64, -7_i64)
    );
    assert_eq!(format!("{six:>3} {seven:?}"), "  6 7");
    let list = Proxy::new(|| Ok(vec![3, 1, 2]));
    assert_eq!(
        (list[0], list.iter().max(), (&list).into_iter().count()),
        (3, Some(&3), 3)
    );
    let text = Proxy::new(|| Ok("text".to_owned()));
    assert_eq!(
        (text.to_uppercase().as_str(), AsRef::<str>::as_ref(&text)),
        ("TEXT", "text")
    );
    let state = RandomState::new();
    assert_eq!(state.hash_one(&six), state.hash_one(6i64));
}

#[test]
fn a_proxy_is_serialized_as_its_factory_only() {
    let store = in_memory();
    let proxy = store.proxy(&vec![7u8; 10_000]).unwrap();
    assert_eq!(proxy.len(), 10_000);
    let bytes = postcard::to_stdvec(&proxy).unwrap();
    assert!(bytes.len() < 100, "{}", bytes.len());
    let again: Proxy<Vec<u8>> = postcard::from_bytes(&bytes).unwrap();
    assert!(!again.is_resolved());
    assert_eq!(again, proxy);
    assert_eq!(again.key().unwrap(), proxy.key().unwrap());
    // A closure cannot be sent.
    let own = Proxy::new(|| Ok(1));
    assert!(postcard::to_stdvec(&own).is_err());
    assert!(matches!(own.key(), Err(Error::NoStore)));
    assert!(matches!(own.evict(), Err(Error::NoStore)));
}

#[test]
fn a_failure_is_kept_and_the_next_use_tries_again() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let proxy = Proxy::new(|| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => Err(Error::Refused("not yet".into())),
        1 => panic!("not now"),
        _ => Ok(5),
    });
    assert!(proxy.error().is_none());
    assert!(matches!(proxy.resolve(), Err(Error::Refused(_))));
    assert!(matches!(proxy.error(), Some(Error::Refused(_))) && !proxy.is_resolved());
    assert!(matches!(proxy.resolve(), Err(Error::Panicked(_))));
    assert_eq!(proxy, 5);
    assert!(proxy.error().is_none());
    let never = Proxy::<u8>::new(|| Err(Error::Refused("never".into())));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| *never)).unwrap_err();
    assert!(
        panic
            .downcast_ref::<String>()
            .unwrap()
            .contains("access was refused: never")
    );
}

#[test]
fn a_proxy_needs_its_store_and_its_object() {
    let store = Store::builder("of-a-proxy")
        .build(MemoryConnector::default())
        .unwrap();
    let proxy = store.proxy(&1u8).unwrap();
    let bytes = postcard::to_stdvec(&proxy).unwrap();
    let missing = store.proxy_of::<u8>(&Key::generate());
    assert!(matches!(missing.resolve(), Err(Error::Missing(_))));
    store.close();
    let again: Proxy<u8> = postcard::from_bytes(&bytes).unwrap();
    assert!(matches!(again.resolve(), Err(Error::NotRegistered(name)) if name == "of-a-proxy"));
    let store = Store::builder("of-a-proxy")
        .build(MemoryConnector::default())
        .unwrap();
    store.set_at(&proxy.key().unwrap(), &2u8).unwrap();
    assert_eq!(again, 2);
    assert!(again.evict().unwrap() && !again.evict().unwrap());
    assert_eq!(again, 2, "what is resolved stays");
    store.close();
}

#[test]
fn a_strict_proxy_sees_the_latest_version() {
    let store = in_memory();
    let key = store.set(&1u8).unwrap();
    assert_eq!(*store.get::<u8>(&key).unwrap().unwrap(), 1);
    // Like another process: past this store's cache.
    let other = super::builder().build(Past(store.erased())).unwrap();
    other.set_at(&key, &2u8).unwrap();
    assert_eq!(store.proxy_of::<u8>(&key), 1);
    assert_eq!(store.strict_proxy_of::<u8>(&key), 2);
    assert_eq!(store.proxy_of::<u8>(&key), 2, "now it is in the cache");

    // Also at every later use.
    let mut strict = store.strict_proxy_of::<u8>(&key);
    let held = strict.resolve().unwrap();
    other.set_at(&key, &3u8).unwrap();
    assert_eq!(*strict.latest().unwrap(), 3);
    other.set_at(&key, &4u8).unwrap();
    assert_eq!(*strict.latest().unwrap(), 4);
    assert_eq!((*held, *strict), (2, 2), "what was lent stays as it is");
    strict.refresh();
    assert!(!strict.is_resolved());
    assert_eq!(strict, 4);
    other.evict(&key).unwrap();
    assert!(matches!(strict.latest(), Err(Error::Missing(_))));
    assert_eq!(strict, 4);
}

/// The connector of another store.
struct Past(Store);

impl super::example::connector::Connector for Past {
    fn put(&self, key: &Key, bytes: Arc<[u8]>) -> Result<(), Error> {
        self.0.connector().put(key, bytes)
    }
    fn get(&self, key: &Key) -> Result<Option<Arc<[u8]>>, Error> {
        self.0.connector().get(key)
    }
    fn exists(&self, key: &Key) -> Result<bool, Error> {
        self.0.connector().exists(key)
    }
    fn evict(&self, key: &Key) -> Result<bool, Error> {
        self.0.connector().evict(key)
    }
}

#[test]
fn a_fetch_in_the_background_overlaps_with_work() {
    let (work_done, wait_for_work) = mpsc::channel();
    let wait_for_work = std::sync::Mutex::new(wait_for_work);
    let (begun, wait_for_begin) = mpsc::channel();
    let proxy = Proxy::new(move || {
        begun.send(()).unwrap();
        wait_for_work.lock().unwrap().recv().unwrap();
        Ok(1)
    });
    proxy.resolve_async();
    proxy.resolve_async();
    // It runs in parallel with this thread; otherwise this would never end.
    wait_for_begin.recv().unwrap();
    assert!(!proxy.is_resolved());
    work_done.send(()).unwrap();
    assert_eq!(proxy, 1);
}

#[test]
fn a_factory_may_bring_its_own_way_to_fetch() {
    struct Own;
    impl Factory<u8> for Own {
        fn fetch(&self) -> Result<Arc<u8>, Error> {
            Ok(Arc::new(1))
        }
        fn begin(self: Arc<Self>) -> Fetching<u8> {
            Box::new(|| Ok(Arc::new(2)))
        }
    }
    assert_eq!(Proxy::new(Own), 1);
    let background = Proxy::new(Own);
    background.resolve_async();
    assert_eq!(background, 2);
    let panics = Proxy::<u8>::new(|| panic!("there"));
    panics.resolve_async();
    assert!(matches!(panics.resolve(), Err(Error::Panicked(_))));
}

#[test]
fn a_part_and_a_guard_wrap_a_proxy() {
    static ALLOWED: AtomicUsize = AtomicUsize::new(0);
    let store = in_memory();
    let whole = store.proxy(&(1u8, "text".to_owned())).unwrap();
    let part = whole.part(|(_, text)| text.clone());
    assert_eq!(part.as_str(), "text");
    assert!(!whole.is_resolved());
    let guarded = whole.guarded(|| match ALLOWED.load(Ordering::Relaxed) {
        0 => Err("closed".to_owned()),
        _ => Ok(()),
    });
    assert!(matches!(guarded.resolve(), Err(Error::Refused(why)) if &*why == "closed"));
    assert!(matches!(guarded.evict(), Err(Error::Refused(_))));
    assert!(
        postcard::to_stdvec(&guarded).is_err(),
        "the check would not go with it"
    );
    ALLOWED.store(1, Ordering::Relaxed);
    assert_eq!(guarded.0, 1);
}
