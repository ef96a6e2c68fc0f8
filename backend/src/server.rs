//! The running server: accepts connections, runs the background tasks, and ends them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::Service as _;

use crate::app::AppState;
use crate::stop::{Stop, Stopper, stop};

/// A server under way. Dropping it asks it to stop; [`Server::stop`] waits until it has.
#[derive(Debug)]
pub struct Server {
    app: AppState,
    address: SocketAddr,
    /// Asks the listeners first: requests under way may still need the rest.
    listening: Stopper,
    listeners: JoinSet<()>,
    working: Stopper,
    workers: JoinSet<()>,
}

impl Server {
    /// Serves `router` on `listener`, and whatever else listens (metrics) in `more`, and starts the
    /// background tasks of [`AppState::background`].
    pub fn start(
        app: AppState,
        listener: TcpListener,
        router: Router,
        more: Vec<(TcpListener, Router)>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (listening, listeners_stop) = stop();
        let (working, workers_stop) = stop();
        let mut listeners = JoinSet::new();
        let settings = Settings {
            head: app.config.read_timeout,
            grace: app.config.shutdown_grace,
            places: Arc::new(Semaphore::new(app.config.max_connections)),
        };
        listeners.spawn(listen(listener, router, settings.clone(), listeners_stop.clone()));
        for (listener, router) in more {
            listeners.spawn(listen(listener, router, settings.clone(), listeners_stop.clone()));
        }
        let mut workers = JoinSet::new();
        for task in app.background(&workers_stop) {
            workers.spawn(task);
        }
        Ok(Self { app, address, listening, listeners, working, workers })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its handlers share.
    pub fn app(&self) -> &AppState {
        &self.app
    }

    /// Takes no more requests, finishes those under way, ends the background tasks (which hand back
    /// what they lease) and closes the database.
    pub async fn stop(mut self) {
        self.listening.stop();
        finish(&mut self.listeners).await;
        self.working.stop();
        finish(&mut self.workers).await;
        self.app.db.close().await;
    }
}

async fn finish(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task of the server ended badly");
        }
    }
}

#[derive(Clone)]
struct Settings {
    /// How long a request's head may take; also how long a connection may stay idle.
    head: Duration,
    /// How long requests under way may take at the end.
    grace: Duration,
    /// One place a connection.
    places: Arc<Semaphore>,
}

async fn listen(listener: TcpListener, router: Router, settings: Settings, stop: Stop) {
    let connections = GracefulShutdown::new();
    loop {
        // A place first: who finds none waits in the kernel's queue, and costs us nothing.
        let accepted = async {
            let place = Arc::clone(&settings.places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.requested() => break,
            accepted = accepted => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, most likely; trying at once again would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = connections.watch(connection(stream, peer, router.clone(), settings.head));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = tokio::time::sleep(settings.grace) => tracing::warn!("requests were still under way when the grace ended"),
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head: Duration,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    // Answers are small and whole: waiting to fill a packet only delays them.
    stream.set_nodelay(true).ok();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
}
