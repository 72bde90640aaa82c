//! Objects in a real Redis.

use super::builder;
use super::example::connector::RedisConnector;
use super::example::error::Error;
use super::server::Server;
use super::stores::all_operations;

#[test]
fn objects_in_redis_and_a_redis_that_is_away() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let url = server.url();
    let store = builder()
        .build(RedisConnector::new(&url, "test").unwrap())
        .unwrap();
    all_operations(&store);
    let key = store.set(&1u8).unwrap();
    server.kill();
    assert!(matches!(store.get::<u8>(&key), Err(Error::Redis(_))));
    assert!(matches!(
        store.proxy_of::<u8>(&key).resolve(),
        Err(Error::Redis(_))
    ));
    server.run(&[]);
    // It connects again.
    assert!(store.get::<u8>(&key).unwrap().is_none());
    store.set_at(&key, &2u8).unwrap();
    assert_eq!(*store.get::<u8>(&key).unwrap().unwrap(), 2);
    assert!(matches!(
        RedisConnector::new("no url", ""),
        Err(Error::Redis(_))
    ));
}
