//! Objects in Redis, for processes on many machines.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Client, Connection, RedisError, cmd};

use super::super::error::Error;
use super::super::key::Key;
use super::Connector;

/// How long an operation waits for the server.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps each object in a string `<namespace>:<key>`.
pub struct RedisConnector {
    client: Client,
    namespace: String,
    /// `None` before the first operation, and after one that failed.
    connection: Mutex<Option<Connection>>,
}

impl RedisConnector {
    /// Keeps objects on a server. The first operation connects to it.
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn new(url: &str, namespace: &str) -> Result<RedisConnector, Error> {
        Ok(RedisConnector {
            client: Client::open(url).map_err(redis_error)?,
            namespace: namespace.to_owned(),
            connection: Mutex::new(None),
        })
    }

    fn name(&self, key: &Key) -> String {
        format!("{}:{key}", self.namespace)
    }

    /// Runs `work` on a connection. A connection on which it failed is not used again: an answer may still arrive on
    /// it.
    fn with<R>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<R, RedisError>,
    ) -> Result<R, Error> {
        let mut kept = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect().map_err(redis_error)?,
        };
        let done = work(&mut connection).map_err(redis_error)?;
        *kept = Some(connection);
        Ok(done)
    }

    fn connect(&self) -> Result<Connection, RedisError> {
        let connection = self.client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }
}

fn redis_error(error: RedisError) -> Error {
    Error::Redis(Arc::new(error))
}

impl Connector for RedisConnector {
    fn put(&self, key: &Key, bytes: Arc<[u8]>) -> Result<(), Error> {
        self.with(|to| cmd("SET").arg(self.name(key)).arg(&*bytes).exec(to))
    }

    fn get(&self, key: &Key) -> Result<Option<Arc<[u8]>>, Error> {
        let bytes: Option<Vec<u8>> = self.with(|to| cmd("GET").arg(self.name(key)).query(to))?;
        Ok(bytes.map(Arc::from))
    }

    fn exists(&self, key: &Key) -> Result<bool, Error> {
        self.with(|to| cmd("EXISTS").arg(self.name(key)).query(to))
    }

    fn evict(&self, key: &Key) -> Result<bool, Error> {
        self.with(|to| cmd("DEL").arg(self.name(key)).query(to))
    }
}
