//! Serves connections with limits: how many there are, how long a request's head may take, and how long a client may
//! stop reading its answer.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

/// The maximum number of connections at a time. Others wait until one ends.
const CONNECTIONS_MOST: usize = 512;
/// How long the head of a request may take, counted from when the connection begins to wait for it.
const HEAD: Duration = Duration::from_secs(10);
/// The maximum number of bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;
/// How long a client may stop reading its answer.
const STALLED: Duration = Duration::from_secs(30);
/// How long pending requests have to finish at shutdown.
const GRACE: Duration = Duration::from_secs(1);

/// Serves a router on a listener until `stop` completes. Pending requests then have a second to finish.
///
/// ```no_run
/// use mmstats::serve::{Options, listen, router};
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:7979").await?;
/// let stop = async {
///     let _ = tokio::signal::ctrl_c().await;
/// };
/// listen(listener, router(Options::default()), stop).await
/// # }
/// ```
///
/// # Errors
/// None so far. A failed connection ends alone. If no connection can be accepted (for example because no descriptors
/// are left), it tries again.
pub async fn listen(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MOST));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            () = &mut stop => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    log::warn!("mmstats: cannot accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        // Sends small answers at once. If the option cannot be set, they are only a little later.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(STALLED));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(
                TokioIo::new(Box::pin(stream)),
                TowerToHyperService::new(router.clone()),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is not an error of the agent.
            if let Err(error) = connection.await {
                log::debug!("mmstats: a connection ended: {error}");
            }
            drop(permit);
        });
    }
    drop(listener);
    // Streams do not end on their own.
    let _ = timeout(GRACE, graceful.shutdown()).await;
    Ok(())
}
