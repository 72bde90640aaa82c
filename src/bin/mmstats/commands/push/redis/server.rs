//! The server: its address, TLS, and the node of a cluster that has the namespace.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redis::{Client, Connection, ConnectionAddr, ConnectionInfo, RedisError, TlsCertificates};

/// The server to connect to.
pub struct Server {
    /// The address as it was given.
    given: ConnectionInfo,
    /// The node of a cluster that has the namespace, once another node has named it.
    node: Option<ConnectionAddr>,
}

impl Server {
    /// Parses an address. If `authority`, a file of certificates, is given, these are trusted instead of the
    /// system's.
    pub fn open(url: &str, authority: Option<&Path>) -> Result<Server, String> {
        let wrong = |error: RedisError| {
            format!(
                "no address of a Redis: {error}: write redis://HOST:PORT, rediss://HOST:PORT or \
                 unix:///PATH"
            )
        };
        let client = match authority {
            None => Client::open(url).map_err(wrong)?,
            Some(path) => {
                if !url.starts_with("rediss://") {
                    return Err("--cacert is for TLS: write rediss://HOST:PORT".to_owned());
                }
                let tls = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(certificates(path)?),
                };
                Client::build_with_tls(url, tls).map_err(wrong)?
            }
        };
        Ok(Server {
            given: client.get_connection_info().clone(),
            node: None,
        })
    }

    /// Opens a connection, on which the server has the time `patience` for each answer.
    pub fn connect(&self, patience: Duration) -> Result<Connection, String> {
        let address = self.address();
        let connect = || {
            let client = Client::open(self.given.clone().set_addr(address.clone()))?;
            let connection = client.get_connection_with_timeout(patience)?;
            connection.set_read_timeout(Some(patience))?;
            connection.set_write_timeout(Some(patience))?;
            Ok(connection)
        };
        connect().map_err(|error: RedisError| {
            format!("cannot connect to Redis at {address}: {error}: check that it runs there")
        })
    }

    /// Switches to another node of the cluster (`host:port`, or `:port` on the host that named it).
    pub fn moved(&mut self, node: &str) {
        let Some((host, port)) = node.rsplit_once(':') else {
            return;
        };
        let Ok(port) = port.parse() else { return };
        let mut address = self.address().clone();
        if let ConnectionAddr::Tcp(old, at)
        | ConnectionAddr::TcpTls {
            host: old,
            port: at,
            ..
        } = &mut address
        {
            if !host.is_empty() {
                *old = host.to_owned();
            }
            *at = port;
            self.node = Some(address);
        }
    }

    /// Returns to the address that was given, since the node may have left the cluster.
    pub fn forget_node(&mut self) {
        self.node = None;
    }

    fn address(&self) -> &ConnectionAddr {
        self.node.as_ref().unwrap_or(self.given.addr())
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    // The parser skips other contents, and without certificates no server would be trusted.
    if text.contains("-----BEGIN CERTIFICATE-----") {
        Ok(text.into_bytes())
    } else {
        Err(format!("{name} has no certificates in PEM"))
    }
}
