//! A proxy that forgets its connections, like a firewall that was restarted: neither side is notified.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards bytes to a port of this machine.
pub struct Forgetful {
    pub port: u16,
    /// The flag of the connections that are made now: set once they are forgotten.
    is_forgotten: Arc<Mutex<Arc<AtomicBool>>>,
}

impl Forgetful {
    pub fn start(to: u16) -> Forgetful {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Forgetful {
            port: listener.local_addr().unwrap().port(),
            is_forgotten: Arc::default(),
        };
        let current = proxy.is_forgotten.clone();
        thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                let is_forgotten = current.lock().unwrap().clone();
                pass(&client, &server, is_forgotten.clone());
                pass(&server, &client, is_forgotten);
            }
        });
        proxy
    }

    /// From now on nothing passes through the existing connections.
    pub fn forget(&self) {
        let mut current = self.is_forgotten.lock().unwrap();
        current.store(true, Ordering::Relaxed);
        *current = Arc::default();
    }
}

fn pass(from: &TcpStream, to: &TcpStream, is_forgotten: Arc<AtomicBool>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if !is_forgotten.load(Ordering::Relaxed) && to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
    });
}
