//! What is answered where (contract §17).

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawPathParams, RawQuery, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use framerill_plates::store::{
    Record, StoreError,
    search::{Hit, How, Search},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    file_body,
    query::{OVERLAYS, Query, Wrong},
    render::{Maker, Refused},
    snippets::Snippet,
    source::Missing,
    turns::{Busy, Turns},
};
use crate::{
    http::loopback,
    log::{Level, log},
};

/// The API's description, as it lies in the repository.
pub(super) const OPENAPI: &str = include_str!("../../../../../schema/plates-openapi.json");
/// Seconds after which it is worth while to ask again.
const RETRY_AFTER: u32 = 2;
/// What a media process says of a file that it cannot read.
const OF_THE_FILE: [&str; 4] = [
    "source_open",
    "source_empty",
    "source_no_video",
    "source_truncated",
];

/// What handlers share.
pub(super) struct Shared {
    pub(super) maker: Maker,
    /// Of the database.
    pub(super) questions: Turns,
    /// Of media processes.
    pub(super) renders: Turns,
    /// Only this machine reaches it: pages of other sites do not.
    pub(super) is_loopback: bool,
}

type Asked = Result<RawPathParams, RawPathParamsRejection>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let routes: [(&str, MethodRouter<Arc<Shared>>); 11] = [
        ("/", get(root)),
        ("/openapi.json", get(openapi)),
        ("/search/plates", get(search_plates)),
        ("/search/global_ids", get(search_global_ids)),
        ("/vehicles/{id}", get(vehicle)),
        ("/vehicles/{id}/preview", get(vehicle_preview)),
        ("/vehicles/{id}/clip", get(vehicle_clip)),
        ("/tracks/{id}/motion", get(motion)),
        ("/global_ids/{id}", get(track)),
        ("/global_ids/{id}/preview", get(track_preview)),
        ("/global_ids/{id}/clip", get(track_clip)),
    ];
    let mut router = Router::new();
    for (path, methods) in routes {
        let methods = methods.fallback(wrong_verb);
        if path != "/" {
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(path, methods);
    }
    let guarded = middleware::from_fn_with_state(Arc::clone(&shared), guard);
    router.fallback(not_found).layer(guarded).with_state(shared)
}

/// A page of any site may ask for what lies on loopback; none is answered.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if shared.is_loopback
        && let Err(foreign) = loopback::check(request.uri(), request.headers())
    {
        return detail(StatusCode::FORBIDDEN, &foreign.to_string());
    }
    // No id has a NUL, and not every database takes the question.
    let mut response = if request.uri().path().contains("%00") {
        not_found().await
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    // Plates are nobody's business on the way.
    let private = HeaderValue::from_static("private, no-cache");
    headers.insert(header::CACHE_CONTROL, private);
    response
}

async fn wrong_verb() -> Response {
    detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

async fn not_found() -> Response {
    detail(StatusCode::NOT_FOUND, "Not Found")
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn root(State(shared): State<Arc<Shared>>) -> Response {
    let time = ask(&shared, |maker| Ok(maker.store.now()?)).await;
    told(time.map(|time| json!({"status": "ok", "time": time})))
}

async fn search_plates(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let page = match of(query).page() {
        Ok(page) => page,
        Err(wrong) => return wrong.into_response(),
    };
    let search = Search {
        text: page.q.clone(),
        how: How::Similar,
        limit: page.limit,
        offset: page.offset,
        video_id: page.video_id,
    };
    let hits = ask(&shared, move |maker| Ok(maker.store.search(&search)?)).await;
    told(hits.map(|hits| {
        let items: Vec<_> = hits.into_iter().map(found).collect();
        json!({
            "query": page.q, "count": items.len(), "limit": page.limit, "offset": page.offset,
            "items": items,
        })
    }))
}

async fn search_global_ids(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = match of(query).page() {
        Ok(page) => page,
        Err(wrong) => return wrong.into_response(),
    };
    let (limit, offset) = (page.limit, page.offset);
    let text = page.q.clone().unwrap_or_default();
    let tracks = ask(&shared, move |maker| {
        Ok(maker.store.tracks_named(text.trim(), limit, offset)?)
    });
    told(tracks.await.map(|tracks| {
        let items: Vec<_> = tracks.into_iter().map(track_linked).collect();
        json!({
            "query": page.q, "count": items.len(), "limit": limit, "offset": offset, "items": items,
        })
    }))
}

async fn vehicle(State(shared): State<Arc<Shared>>, asked: Asked) -> Response {
    let id = id_of(&asked);
    let vehicle = ask(&shared, move |maker| vehicle_of(maker, id)).await;
    told(vehicle.map(|it| Value::Object(vehicle_linked(it))))
}

async fn vehicle_preview(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    asked: Asked,
) -> Response {
    let id = id_of(&asked);
    let record = ask(&shared, move |maker| vehicle_of(maker, id)).await;
    preview(&shared, record, &headers).await
}

async fn vehicle_clip(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    asked: Asked,
) -> Response {
    let clip = match of(query).clip(false) {
        Ok(clip) => clip,
        Err(wrong) => return wrong.into_response(),
    };
    let id = id_of(&asked);
    let record = ask(&shared, move |maker| vehicle_of(maker, id)).await;
    made_clip(&shared, record, clip, &headers).await
}

async fn motion(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    asked: Asked,
) -> Response {
    let limit = match of(query).motion() {
        Ok(limit) => limit,
        Err(wrong) => return wrong.into_response(),
    };
    let id = name_of(&asked);
    let shown = id.clone();
    let rows = ask(&shared, move |maker| {
        let rows = maker.store.motion(&id, limit)?;
        if rows.is_empty() {
            maker.store.track(&id)?.ok_or(NO_TRACK)?;
        }
        Ok(rows)
    });
    told(
        rows.await
            .map(|items| json!({"global_id": shown, "items": items})),
    )
}

async fn track(State(shared): State<Arc<Shared>>, asked: Asked) -> Response {
    let id = name_of(&asked);
    let track = ask(&shared, move |maker| {
        maker.store.track(&id)?.ok_or(NO_TRACK)
    });
    told(track.await.map(|it| Value::Object(track_linked(it))))
}

async fn track_preview(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    asked: Asked,
) -> Response {
    let id = name_of(&asked);
    let record = ask(&shared, move |maker| newest(maker, &id)).await;
    preview(&shared, record, &headers).await
}

async fn track_clip(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    asked: Asked,
) -> Response {
    let clip = match of(query).clip(true) {
        Ok(clip) => clip,
        Err(wrong) => return wrong.into_response(),
    };
    let id = name_of(&asked);
    let record = ask(&shared, move |maker| match clip.frame_idx {
        Some(frame) => near(maker, &id, frame),
        None => newest(maker, &id),
    });
    made_clip(&shared, record.await, clip, &headers).await
}

const NO_VEHICLE: Refused = Refused::Unknown("there is no such vehicle");
const NO_TRACK: Refused = Refused::Unknown("there is no such track");

fn vehicle_of(maker: &Maker, id: Option<i64>) -> Result<Record, Refused> {
    let found = id.map(|it| maker.store.vehicle(it)).transpose()?;
    found.flatten().ok_or(NO_VEHICLE)
}

/// The newest vehicle of a track, or where it was seen last.
fn newest(maker: &Maker, global_id: &str) -> Result<Record, Refused> {
    if let Some(vehicle) = maker.store.vehicles_of(global_id, 1)?.pop() {
        return Ok(vehicle);
    }
    maker.store.motion(global_id, 1)?.pop().ok_or(NO_TRACK)
}

/// Where a track was at a frame, or nearest to it. The plate is where the vehicle's row says, if it is of that frame.
fn near(maker: &Maker, global_id: &str, frame: u64) -> Result<Record, Refused> {
    let wanted = i64::try_from(frame).unwrap_or(i64::MAX);
    let vehicles = maker.store.vehicles_of(global_id, 1)?;
    let of_frame = |it: &Record| it.get("frame_idx").and_then(Value::as_i64) == Some(wanted);
    if let Some(vehicle) = vehicles.iter().find(|it| of_frame(it)) {
        return Ok(vehicle.clone());
    }
    let motion = maker.store.motion_near(global_id, wanted)?;
    motion.or(vehicles.into_iter().next()).ok_or(NO_TRACK)
}

async fn preview(
    shared: &Arc<Shared>,
    record: Result<Record, Response>,
    headers: &HeaderMap,
) -> Response {
    let record = match record {
        Ok(record) => record,
        Err(response) => return response,
    };
    match render(shared, move |maker| maker.still(&record)).await {
        Ok(made) => file_body::answer(made, "image/jpeg", headers),
        Err(response) => response,
    }
}

async fn made_clip(
    shared: &Arc<Shared>,
    record: Result<Record, Response>,
    clip: super::query::Clip,
    headers: &HeaderMap,
) -> Response {
    let record = match record {
        Ok(record) => record,
        Err(response) => return response,
    };
    let selected = record.get("frame_idx").and_then(Value::as_u64);
    let made = match render(shared, move |maker| maker.clip(&record, clip)).await {
        Ok(made) => made,
        Err(response) => return response,
    };
    let extent = made.extent;
    let [num, den] = extent.fps.map(f64::from);
    let mut response = file_body::answer(made, "video/mp4", headers);
    for (name, value) in [
        ("x-clip-start-frame", extent.start.to_string()),
        ("x-clip-end-frame", extent.end.to_string()),
        ("x-clip-fps", format!("{:?}", num / den)),
        ("x-clip-selected-frame", selected.unwrap_or(0).to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn of(query: Option<String>) -> Query {
    Query::new(query.as_deref().unwrap_or_default())
}

/// The last part of a path that is not fixed; empty for what is no text.
fn name_of(asked: &Asked) -> String {
    let params = asked.as_ref().ok().and_then(|it| it.iter().next());
    params.map(|(_, it)| it.to_owned()).unwrap_or_default()
}

fn id_of(asked: &Asked) -> Option<i64> {
    name_of(asked).parse().ok().filter(|it| *it >= 0)
}

/// Asks the database beside the event loop.
async fn ask<T: Send + 'static>(
    shared: &Arc<Shared>,
    question: impl FnOnce(&Maker) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Response> {
    beside(shared, &shared.questions, question).await
}

/// Has a media process at work.
async fn render(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Maker) -> Result<Snippet, Refused> + Send + 'static,
) -> Result<Snippet, Response> {
    beside(shared, &shared.renders, work).await
}

async fn beside<T: Send + 'static>(
    shared: &Arc<Shared>,
    turns: &Turns,
    work: impl FnOnce(&Maker) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Response> {
    let ours = Arc::clone(shared);
    match turns.run(move || work(&ours.maker)).await {
        Ok(done) => done.map_err(IntoResponse::into_response),
        Err(Busy) => Err(later("too much is asked for at once: ask again")),
    }
}

fn told(value: Result<Value, Response>) -> Response {
    match value {
        Ok(value) => answer(StatusCode::OK, &value),
        Err(response) => response,
    }
}

/// A row with where its picture and its clip are.
fn vehicle_linked(mut it: Record) -> Record {
    if let Some(id) = it.get("id").and_then(Value::as_i64) {
        it.insert(
            "preview_url".into(),
            format!("/vehicles/{id}/preview").into(),
        );
        it.insert("clip_url".into(), format!("/vehicles/{id}/clip").into());
    }
    it
}

fn found(hit: Hit) -> Record {
    let mut it = vehicle_linked(hit.record);
    it.insert("similarity".into(), hit.similarity.into());
    it.insert("sightings".into(), hit.sightings.into());
    it
}

fn track_linked(mut it: Record) -> Record {
    if let Some(id) = it.get("global_id").and_then(Value::as_str) {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
        for (name, of) in [("preview_url", "preview"), ("clip_url", "clip")] {
            it.insert(name.into(), format!("/global_ids/{id}/{of}").into());
        }
        it.insert("motion_url".into(), format!("/tracks/{id}/motion").into());
    }
    it
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        match self {
            Self::Problems(all) => {
                let body = json!({"detail": all});
                answer(StatusCode::UNPROCESSABLE_ENTITY, &body)
            }
            Self::Overlay(name) => {
                let allowed = OVERLAYS.join(", ");
                let text = format!("there is no overlay `{name}`: use {allowed}");
                let body = json!({"detail": text, "allowed": OVERLAYS});
                answer(StatusCode::BAD_REQUEST, &body)
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown(what) => detail(StatusCode::NOT_FOUND, what),
            Self::Video(Missing::Nowhere) => detail(
                StatusCode::NOT_FOUND,
                "its video is not there any more: name the folder that has it with `--video-root`",
            ),
            Self::Video(Missing::Outside) => detail(
                StatusCode::NOT_FOUND,
                "its video lies outside of the video root, and is not the one that was read: name its folder with `--video-root`",
            ),
            Self::Store(StoreError::Query(what)) => detail(StatusCode::NOT_FOUND, &what),
            Self::Store(error) => {
                log(Level::Error, &error);
                later("the database does not answer")
            }
            Self::Failed(failure) if OF_THE_FILE.contains(&failure.code.as_str()) => {
                detail(StatusCode::NOT_FOUND, &failure.message)
            }
            Self::Failed(failure) => {
                log(Level::Error, &failure);
                detail(StatusCode::INTERNAL_SERVER_ERROR, "it could not be made")
            }
        }
    }
}

fn later(text: &str) -> Response {
    let mut response = detail(StatusCode::SERVICE_UNAVAILABLE, text);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, RETRY_AFTER.into());
    response
}

fn detail(status: StatusCode, text: &str) -> Response {
    answer(status, &json!({"detail": text}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body.to_string()).into_response()
}
