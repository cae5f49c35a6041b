use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, oneshot};

use super::Token;
use super::routes::routes;
use crate::serve::{Control, ServeError, Trouble};

/// After a failure to take a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What is put up with.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections at a time.
    pub connections: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Time for a request's head to come, and between two requests.
    pub head_time: Duration,
    /// A connection is closed at this age, between two requests.
    pub life_time: Duration,
    /// And at the latest so much later, in whatever it is.
    pub last_time: Duration,
}

impl Default for HttpLimits {
    /// 64 connections, 16 KiB, 64 headers, 10 s, 60 s, 10 s.
    fn default() -> Self {
        Self {
            connections: 64,
            head_bytes: 16 << 10,
            headers: 64,
            head_time: Duration::from_secs(10),
            life_time: Duration::from_secs(60),
            last_time: Duration::from_secs(10),
        }
    }
}

/// A port that is listened on, before the service is there.
pub struct HttpDoor(TcpListener);

impl HttpDoor {
    /// Listens on `address`.
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub fn open(address: SocketAddr) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address: format!("http://{address}"), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        if !address.ip().is_loopback() {
            tracing::warn!("http://{address}: metrics and page can be read from other hosts");
        }
        Ok(Self(listener))
    }
}

/// The HTTP server, on a thread of its own; ends when it is dropped.
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Shows the service of `control`; with a token, whoever has it may reload its models and menu.
    ///
    /// # Errors
    /// The system's.
    pub fn start(
        door: HttpDoor,
        control: Arc<Control>,
        token: Option<Token>,
        limits: HttpLimits,
    ) -> io::Result<Self> {
        let address = door.0.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_name("http-reload")
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(door.0)?
        };
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.spawn(take_connections(listener, control, token, limits));
            // Either way it is time to go.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(serve)?;
        tracing::info!("live page and metrics at http://{address}/");
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, with the port that the system chose if it was to choose one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

async fn take_connections(
    listener: tokio::net::TcpListener,
    control: Arc<Control>,
    token: Option<Token>,
    limits: HttpLimits,
) {
    let router = routes(Arc::clone(&control), token);
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(taken) => taken,
            Err(error) => {
                control.monitor().trouble(Trouble::NotConnected, || format!("http: no connection: {error}"));
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            control.monitor().trouble(Trouble::NotConnected, || {
                format!("http: {peer} is refused: {} connections are the limit", limits.connections)
            });
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            converse(TokioIo::new(stream), service, limits).await;
            drop(place);
        });
    }
}

async fn converse(
    stream: TokioIo<tokio::net::TcpStream>,
    service: TowerToHyperService<Router>,
    limits: HttpLimits,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.headers)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    if tokio::time::timeout(limits.life_time, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        // Whoever has not read his answer by then does not get the rest of it.
        let _ = tokio::time::timeout(limits.last_time, connection).await;
    }
}
