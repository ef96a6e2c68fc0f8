//! The running server: accepts connections, runs the background tasks, and ends them in order.

mod places;
mod stream;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::Service as _;

use crate::app::AppState;
use crate::http::edge::refused_head;
use crate::stop::{Stop, Stopper, stop};

use places::{Place, Places};
use stream::Stream;

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
        let settings = Settings { app: app.clone(), places: Places::new(app.config.max_connections) };
        let places = Arc::clone(&settings.places);
        app.gate.metrics.add_source(Box::new(move |text| {
            let (open, gave_way) = (places.taken(), places.gave_way());
            let _ = writeln!(text, "# TYPE jalon_connections gauge\njalon_connections {open}");
            let name = "jalon_connections_gave_way_total";
            let _ = writeln!(text, "# TYPE {name} counter\n{name} {gave_way}");
        }));
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
    app: AppState,
    places: Arc<Places>,
}

async fn listen(listener: TcpListener, router: Router, settings: Settings, stop: Stop) {
    let connections = GracefulShutdown::new();
    loop {
        // One at a time asks for a place; those behind wait in the kernel's queue, and cost us nothing.
        let accepted = async {
            let (stream, peer) = listener.accept().await?;
            Ok::<_, std::io::Error>((settings.places.take(peer).await, stream, peer))
        };
        let accepted = tokio::select! {
            () = stop.requested() => break,
            accepted = accepted => accepted,
        };
        let (place, stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, most likely; trying at once again would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection =
            connections.watch(connection(settings.app.clone(), stream, peer, router.clone(), place.clone()));
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = place.has_to_give_way() => tracing::debug!("a connection that waited gave way"),
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = tokio::time::sleep(settings.app.config.shutdown_grace) => tracing::warn!("requests were still under way when the grace ended"),
    }
}

fn connection(
    app: AppState,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    place: Place,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send {
    // Answers are small and whole: waiting to fill a packet only delays them.
    stream.set_nodelay(true).ok();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(|body| place.watch(body));
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answer, place) = (router.clone().call(request), place.clone());
        async move {
            let answer = answer.await;
            place.waits();
            answer
        }
    });
    // Also how long a connection may stay idle.
    let head = app.config.read_timeout;
    let patience = app.config.answer_timeout.max(Duration::from_secs(1));
    let stream = Stream::new(stream, patience, Box::new(move |status| refused_head(&app, status)));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), service)
}
