//! The driver of HTTP connections.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, http::Request};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::{
    arriving::Arriving,
    connection::Connection,
    permits::{Permit, Permits},
};

/// Connections at the same time.
const CONNECTIONS: usize = 512;
/// Most likely there are no descriptors left; some will be given back.
const BREATHER: Duration = Duration::from_millis(100);

/// Serves until `stop` is true, then answers what has begun and returns.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let permits = Permits::new(CONNECTIONS);
    let mut connections = JoinSet::new();
    let stopping = stop.clone();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Some(permit) = permits.take().await {
                        connections.spawn(connection(stream, permit, router.clone(), stopping.clone()));
                    }
                }
                Err(_) => tokio::time::sleep(BREATHER).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns once it is time to stop; that nobody is left to say so is as good.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|it| *it).await);
}

async fn connection(
    stream: TcpStream,
    permit: Arc<Permit>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    // An answer is one write; without it, it would wait for the peer's acknowledgement of the one before.
    stream.set_nodelay(true).ok();
    let io = TokioIo::new(Connection::new(stream, Arc::clone(&permit)));
    let router = TowerToHyperService::new(router);
    let at = Arc::clone(&permit);
    let service = service_fn(move |request: Request<Incoming>| {
        at.begin(!request.body().is_end_stream());
        let request = request.map(|it| axum::body::Body::new(Arriving::new(it, Arc::clone(&at))));
        let (router, at) = (router.clone(), Arc::clone(&at));
        async move {
            let answered = hyper::service::Service::call(&router, request).await;
            at.end();
            answered.map_err(|never: Infallible| never)
        }
    });
    // A peer that has sent its whole request may close its half, and still reads.
    let mut http = http1::Builder::new();
    http.half_close(true);
    let connection = http.serve_connection(io, service);
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            // A peer that breaks off or sends what is no HTTP is nobody's fault here.
            _ = &mut connection => return,
            () = permit.unwelcome() => return,
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
