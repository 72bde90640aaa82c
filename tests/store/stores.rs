//! Stores and connectors.

use std::fs;
use std::sync::Arc;

use super::example::connector::{Connector, FileConnector, MemoryConnector};
use super::example::error::Error;
use super::example::key::Key;
use super::example::store::Store;
use super::{builder, in_memory};

/// Checks what every connector does.
pub fn all_operations<C: Connector>(store: &Store<C>) {
    let key = store.set(&vec![1u32, 2, 3]).unwrap();
    assert!(store.exists(&key).unwrap());
    assert!(!store.is_cached(&key));
    let first = store.get::<Vec<u32>>(&key).unwrap().unwrap();
    assert_eq!(*first, [1, 2, 3]);
    assert!(store.is_cached(&key));
    assert!(Arc::ptr_eq(&first, &store.get(&key).unwrap().unwrap()));
    store.set_at(&key, &vec![4u32]).unwrap();
    assert_eq!(*store.get::<Vec<u32>>(&key).unwrap().unwrap(), [4]);
    assert!(store.evict(&key).unwrap());
    assert!(!store.evict(&key).unwrap());
    assert!(!store.exists(&key).unwrap() && !store.is_cached(&key));
    assert!(store.get::<Vec<u32>>(&key).unwrap().is_none());
    assert!(store.get_bytes(&key).unwrap().is_none());
    let bytes = store.set_bytes(b"\0as it is").unwrap();
    assert_eq!(*store.get_bytes(&bytes).unwrap().unwrap(), *b"\0as it is");
    let text = store.get_with(&bytes, |bytes| Ok(String::from_utf8(bytes.to_vec())?));
    assert_eq!(*text.unwrap().unwrap(), "\0as it is");
    store.evict(&bytes).unwrap();
}

#[test]
fn a_store_in_memory_and_one_in_files_do_the_same() {
    all_operations(&in_memory());
    let directory = tempfile::tempdir().unwrap();
    all_operations(
        &builder()
            .build(FileConnector::new(directory.path()).unwrap())
            .unwrap(),
    );
    // Neither objects nor temporary files are left.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_cache_keeps_what_was_used_last() {
    let store = builder()
        .cache_size(2)
        .build(MemoryConnector::default())
        .unwrap();
    let keys: Vec<Key> = (0..3).map(|n: u8| store.set(&n).unwrap()).collect();
    for key in [&keys[0], &keys[1], &keys[0], &keys[2]] {
        store.get::<u8>(key).unwrap();
    }
    let cached: Vec<bool> = keys.iter().map(|key| store.is_cached(key)).collect();
    assert_eq!(cached, [true, false, true]);
    // It has another type than before, so it is read again.
    assert_eq!(*store.get::<i8>(&keys[2]).unwrap().unwrap(), 2);
    let none = builder()
        .cache_size(0)
        .build(MemoryConnector::default())
        .unwrap();
    let key = none.set(&1u8).unwrap();
    none.get::<u8>(&key).unwrap();
    assert!(!none.is_cached(&key));
}

#[test]
fn a_damaged_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = builder()
        .cache_size(0)
        .build(FileConnector::new(directory.path()).unwrap())
        .unwrap();
    let key = Key::new("object").unwrap();
    store.set_at(&key, &"some text".to_owned()).unwrap();
    let path = directory.path().join("object");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = store.get::<String>(&key).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{cut}: {error}");
        let mut flipped = whole.clone();
        flipped[cut] ^= 1;
        fs::write(&path, flipped).unwrap();
        let error = store.get::<String>(&key).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{cut}: {error}");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(*store.get::<String>(&key).unwrap().unwrap(), "some text");
    // A directory in its place.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(store.get::<String>(&key), Err(Error::Io { .. })));
    assert!(matches!(store.set_at(&key, &1), Err(Error::Io { .. })));
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "a temporary file stays"
    );
}

#[test]
fn bytes_of_another_type_are_an_error() {
    let store = in_memory();
    let key = store.set_bytes(&[0xff; 20]).unwrap();
    assert!(matches!(
        store.get::<String>(&key),
        Err(Error::Serializer(_))
    ));
    let short = store.set(&"a text".to_owned()).unwrap();
    assert!(
        matches!(store.get::<u8>(&short), Err(Error::Serializer(_))),
        "bytes are left over"
    );
}

#[test]
fn a_panic_in_a_serializer_is_an_error() {
    let store = in_memory();
    let key = store.set(&1u8).unwrap();
    let error = store
        .set_with(&key, &2u8, |_| panic!("no more"))
        .unwrap_err();
    assert!(
        matches!(&error, Error::Panicked(text) if &**text == "no more"),
        "{error}"
    );
    let error = store
        .get_with::<u8>(&key, |_| panic!("{}", "nor back"))
        .unwrap_err();
    assert!(
        matches!(&error, Error::Panicked(text) if &**text == "nor back"),
        "{error}"
    );
    // Nothing was changed.
    assert_eq!(*store.get::<u8>(&key).unwrap().unwrap(), 1);
}

#[test]
fn there_is_one_store_of_a_name() {
    let build = || Store::builder("the-only-one").build(MemoryConnector::default());
    let store = build().unwrap();
    assert!(matches!(build().err(), Some(Error::NameTaken(name)) if name == "the-only-one"));
    store.close();
    build().unwrap().close();
}

#[test]
fn keys_cannot_leave_their_directory() {
    for bad in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        ".put-1-1",
        "a\0",
        "ä",
        &"x".repeat(129),
    ] {
        assert!(matches!(Key::new(bad), Err(Error::BadKey(_))), "{bad:?}");
        let bytes = postcard::to_stdvec(bad).unwrap();
        assert!(postcard::from_bytes::<Key>(&bytes).is_err(), "{bad:?}");
    }
    assert_ne!(Key::generate(), Key::generate());
}
