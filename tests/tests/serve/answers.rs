//! What each route answers (contract §1.2, §1.6, §1.7).

use std::{
    io::{Read, Write},
    process::Command,
};

use framerill_tests::http::{connect, request};
use serde_json::json;

use crate::{
    runner::{Runner, Stage, least},
    schema::{assert_is, openapi},
};

#[test]
fn every_route_answers_with_and_without_a_slash_at_its_end() {
    let runner = Runner::well(Stage::new());
    for path in [
        "/health",
        "/version",
        "/hardware/info",
        "/hardware/stats",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/redoc",
        "/healthz",
        "/readyz",
        "/v1/streams",
        "/v1/streams/1",
    ] {
        for path in [path.to_owned(), format!("{path}/")] {
            assert_eq!(runner.get(&path).status, 200, "{path}");
        }
    }
    let body = least().to_string();
    for path in ["/live-video-to-video", "/live-video-to-video/"] {
        let reply = request(&runner.address, "POST", path, &[], body.as_bytes());
        assert_eq!(reply.status, 200, "{path}");
    }
    assert_eq!(runner.get("/").json()["model_id"], "noop");
}

#[test]
fn what_is_not_there_is_404_and_a_wrong_verb_405_in_the_contracts_words() {
    let runner = Runner::well(Stage::new());
    let missing = runner.get("/text-to-image");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json(), json!({"detail": "Not Found"}));
    for (verb, path, allowed) in [
        ("GET", "/live-video-to-video", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/version/", "GET"),
    ] {
        let reply = request(&runner.address, verb, path, &[], b"");
        assert_eq!(reply.status, 405, "{verb} {path}");
        assert_eq!(reply.json(), json!({"detail": "Method Not Allowed"}));
        let allow = reply.header("allow").unwrap_or_default();
        assert!(allow.contains(allowed), "{reply:?}");
    }
    for path in ["/health", "/version", "/hardware/info", "/hardware/stats/"] {
        let reply = head(&runner.address, path);
        assert!(reply.starts_with("HTTP/1.1 405 "), "{path}: {reply}");
        assert!(reply.contains("\r\nallow: GET\r\n"), "{path}: {reply}");
        let reply = request(&runner.address, "PUT", path, &[], b"");
        assert_eq!(reply.header("allow"), Some("GET"), "{path}");
    }
    let reply = head(&runner.address, "/healthz");
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
}

/// The answer to a HEAD, which has no body.
fn head(address: &str, path: &str) -> String {
    let mut stream = connect(address);
    let asked = format!("HEAD {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).expect("it listens");
    let mut told = String::new();
    stream.read_to_string(&mut told).expect("it answers");
    told
}

#[test]
fn version_and_hardware_tell_pipeline_model_and_version() {
    let runner = Runner::well(Stage::new().env("VERSION", "0.14.1"));
    let version = runner.get("/version").json();
    assert_eq!(
        version,
        json!({"pipeline": "live-video-to-video", "model_id": "noop", "version": "0.14.1"})
    );
    assert_is(&version, "Version");
    assert_is(&runner.get("/hardware/info").json(), "HardwareInformation");
    assert_is(&runner.get("/hardware/stats").json(), "HardwareStats");
}

#[test]
fn without_version_it_is_undefined() {
    let runner = Runner::well(Stage::new());
    assert_eq!(runner.get("/version").json()["version"], "undefined");
}

#[test]
fn metrics_have_the_version_the_process_and_our_counters() {
    let behaviour = json!({"metrics": {"body": "stream_fps 24.0\n"}});
    let stage = Stage::new().env("VERSION", "0.14.1").behave(&behaviour);
    let runner = Runner::well(stage);
    runner.get("/health");
    let reply = runner.get("/metrics");
    let kind = reply.header("content-type");
    assert_eq!(kind, Some("text/plain; version=1.0.0; charset=utf-8"));
    let page = reply.text();
    for line in [
        "version{app=\"ai-runner\",version=\"0.14.1\"} 1.0",
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE process_resident_memory_bytes gauge",
        "framerill_infer_up 1.0",
        "framerill_infer_restarts_total 0.0",
        "framerill_http_responses_total{route=\"/health\",status=\"200\"} 1.0",
        "stream_fps 24.0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
}

#[test]
fn answers_are_counted_by_the_name_of_their_route_whatever_came_of_it() {
    let runner = Runner::well(Stage::new());
    for (verb, path, status) in [
        ("GET", "/", 200),
        ("GET", "/version", 200),
        ("GET", "/version/", 200),
        ("DELETE", "/version", 405),
        ("PUT", "/v1/streams/7/", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/version/more", 404),
    ] {
        let reply = request(&runner.address, verb, path, &[], b"");
        assert_eq!(reply.status, status, "{verb} {path}");
    }
    let page = runner.get("/metrics").text();
    for (route, status, count) in [
        ("/", 200, 1),
        ("/version", 200, 2),
        ("/version", 405, 1),
        ("/v1/streams/{id}", 405, 1),
        ("other", 404, 2),
    ] {
        let line = format!(
            "framerill_http_responses_total{{route=\"{route}\",status=\"{status}\"}} {count}.0"
        );
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
}

#[test]
fn every_answer_is_what_the_committed_description_says() {
    let runner = Runner::well(Stage::new().env("AUTH_TOKEN", "hush"));
    assert_eq!(runner.get("/openapi.json").json(), openapi());
    assert_is(&runner.get("/health").json(), "HealthCheck");
    assert_is(&runner.get("/healthz").json(), "Liveness");
    assert_is(&runner.get("/readyz").json(), "Readiness");
    assert_is(&runner.post(&json!({})).json(), "HTTPValidationError");
    assert_is(&runner.post(&least()).json(), "HTTPError");
    assert_is(&least(), "LiveVideoToVideoParams");
    let bearer = [("Authorization", "Bearer hush")];
    let body = least().to_string();
    let path = "/live-video-to-video";
    let started = request(&runner.address, "POST", path, &bearer, body.as_bytes());
    assert_is(&started.json(), "LiveVideoToVideoResponse");
}

#[test]
fn the_description_has_the_names_that_generated_clients_rely_on() {
    let api = openapi();
    assert_eq!(api["openapi"], "3.1.0");
    assert_eq!(api["info"]["title"], "Livepeer AI Runner");
    assert!(api["paths"]["/metrics"].is_null());
    let schemas = &api["components"]["schemas"];
    for name in [
        "Stream",
        "StreamList",
        "StreamRequest",
        "LiveVideoToVideoParams",
        "LiveVideoToVideoResponse",
        "HTTPError",
        "APIError",
        "HTTPValidationError",
        "ValidationError",
        "HealthCheck",
        "Version",
        "HardwareInformation",
        "HardwareStats",
        "GPUComputeInfo",
        "GPUUtilizationInfo",
    ] {
        assert!(schemas[name].is_object(), "{name}");
    }
    let urls = json!(["subscribe_url", "publish_url"]);
    assert_eq!(schemas["LiveVideoToVideoParams"]["required"], urls);
    assert_eq!(schemas["LiveVideoToVideoResponse"]["required"], urls);
    let health = &schemas["HealthCheck"]["properties"]["status"]["enum"];
    assert_eq!(*health, json!(["LOADING", "OK", "ERROR", "IDLE"]));
    let post = &api["paths"]["/live-video-to-video"]["post"];
    assert_eq!(post["operationId"], "genLiveVideoToVideo");
    assert_eq!(post["tags"], json!(["generate"]));
    assert_eq!(post["summary"], "Live Video To Video");
    assert_eq!(post["security"], json!([{"HTTPBearer": []}]));
    assert_eq!(post["x-speakeasy-name-override"], "liveVideoToVideo");
    let started = &post["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(started["x-speakeasy-name-override"], "data");
    for (path, id) in [
        ("/health", "health"),
        ("/healthz", "healthz"),
        ("/readyz", "readyz"),
        ("/version", "version"),
        ("/hardware/info", "hardware_info"),
        ("/hardware/stats", "hardware_stats"),
    ] {
        let get = &api["paths"][path]["get"];
        assert_eq!(get["operationId"], id);
        assert!(get["security"].is_null());
    }
    let bearer = json!({"type": "http", "scheme": "bearer"});
    assert_eq!(api["components"]["securitySchemes"]["HTTPBearer"], bearer);
}

#[test]
fn an_everyday_client_starts_a_stream() {
    let runner = Runner::well(Stage::new());
    let url = format!("http://{}/live-video-to-video", runner.address);
    let json = least().to_string();
    let args = ["-sS", "--max-time", "20", "--json", &json, &url];
    let Ok(output) = Command::new("curl").args(args).output() else {
        return framerill_tests::skip("no curl");
    };
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(said["publish_url"], "");
}
