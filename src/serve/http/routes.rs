use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Response, StatusCode};
use axum::middleware::map_response;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::Serialize;
use tokio::sync::Mutex;

use super::status::Status;
use super::{Token, metrics};
use crate::serve::{Control, State, Trouble};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// Nothing from anywhere else, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files of the live page.
const ASSETS: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
    ("/charts.js", "text/javascript; charset=utf-8", include_str!("page/charts.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/uplot.css", "text/css; charset=utf-8", include_str!("page/uplot/uPlot.min.css")),
    ("/uplot.js", "text/javascript; charset=utf-8", include_str!("page/uplot/uPlot.iife.min.js")),
];

/// What a reload needs.
struct Reloading {
    control: Arc<Control>,
    token: Token,
    one_at_a_time: Mutex<()>,
}

/// All that there is to ask for.
pub(super) fn routes(control: Arc<Control>, token: Option<Token>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { answer(StatusCode::OK, TEXT, "alive\n") }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .route("/api/status", get(status))
        .route("/api/history", get(history));
    for (path, kind, content) in ASSETS {
        router = router.route(path, get(move || async move { answer(StatusCode::OK, kind, content) }));
    }
    let mut router = router.with_state(Arc::clone(&control));
    if let Some(token) = token {
        let reloading = Reloading { control, token, one_at_a_time: Mutex::default() };
        router = router.merge(Router::new().route("/reload", post(reload)).with_state(Arc::new(reloading)));
    }
    router.layer(map_response(with_policy))
}

async fn ready(Shared(control): Shared<Arc<Control>>) -> Response<Body> {
    match control.state() {
        State::Receiving => answer(StatusCode::OK, TEXT, "ready\n"),
        other => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {}\n", other.name())),
    }
}

async fn show_metrics(Shared(control): Shared<Arc<Control>>) -> Response<Body> {
    match metrics::text(&control) {
        Ok(text) => answer(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

async fn status(Shared(control): Shared<Arc<Control>>) -> Response<Body> {
    json(StatusCode::OK, &Status::of(&control))
}

async fn history(Shared(control): Shared<Arc<Control>>) -> Response<Body> {
    json(StatusCode::OK, &control.watch().history())
}

/// The deployment that a reload made.
#[derive(Serialize)]
struct Reloaded<'a> {
    generation: u64,
    models: &'a [crate::serve::ModelId],
}

async fn reload(Shared(reloading): Shared<Arc<Reloading>>, headers: HeaderMap) -> Response<Body> {
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    if !reloading.token.admits(given) {
        let monitor = reloading.control.monitor();
        monitor
            .trouble(Trouble::Unauthorised, || "http: a reload was asked for without the token".to_owned());
        let mut refused = answer(StatusCode::UNAUTHORIZED, TEXT, "the token is needed\n");
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return refused;
    }
    let Ok(_only) = reloading.one_at_a_time.try_lock() else {
        return answer(StatusCode::CONFLICT, TEXT, "a reload is under way\n");
    };
    let control = Arc::clone(&reloading.control);
    tracing::info!("reload asked for by http");
    // Loading takes seconds; in this thread it would stop the page.
    match tokio::task::spawn_blocking(move || control.reload()).await {
        Ok(Ok(deployment)) => {
            let (generation, models) = (deployment.generation, &*deployment.models);
            json(StatusCode::OK, &Reloaded { generation, models })
        }
        Ok(Err(error)) => answer(StatusCode::UNPROCESSABLE_ENTITY, TEXT, format!("{error}\n")),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

fn json(status: StatusCode, content: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(content) {
        Ok(text) => answer(status, JSON, text),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

fn answer(status: StatusCode, kind: &'static str, content: impl Into<Body>) -> Response<Body> {
    let content: Body = content.into();
    (status, [(CONTENT_TYPE, kind)], content).into_response()
}

/// What every answer carries, errors included.
async fn with_policy(mut response: Response<Body>) -> Response<Body> {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        // What is shown is what is now.
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
