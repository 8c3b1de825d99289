//! `/v1/streams` of a real server, beside its description.

use serde_json::{Value, json};

use crate::{rig::Rig, schema::assert_is};

fn id(of: &Value) -> u64 {
    of["id"].as_u64().expect("a number")
}

#[test]
fn every_answer_is_what_the_committed_description_says() {
    let rig = Rig::ready(&["--capacity", "2"]);
    let asked = json!({
        "source": rig.channel("in"), "sink": rig.channel("out"), "params": {}, "binding": "stream", "egress": "hold",
        "on_worker_loss": "original", "max_fps": 12.5, "request_id": "r", "manifest_id": "m", "stream_id": "s",
    });
    assert_is(&asked, "StreamRequest");
    let created = rig.ask("POST", "/v1/streams/", &asked.to_string());
    assert_eq!(created.status, 201, "{created:?}");
    assert_is(&created.json(), "Stream");
    let id = id(&created.json());
    let list = rig.get("/v1/streams");
    assert_eq!(list.status, 200);
    assert_is(&list.json(), "StreamList");
    assert_eq!(list.json()["streams"].as_array().map(Vec::len), Some(1));
    let path = format!("/v1/streams/{id}");
    let one = rig.get(&format!("{path}/"));
    assert_eq!(one.status, 200);
    assert_is(&one.json(), "Stream");
    for name in [
        "source",
        "sink",
        "egress",
        "on_worker_loss",
        "binding",
        "request_id",
        "manifest_id",
        "stream_id",
    ] {
        assert_eq!(one.json()[name], asked[name], "{name}");
    }
    let change = json!({"params": {}});
    assert_is(&change, "StreamChange");
    let changed = rig.ask("PATCH", &path, &change.to_string());
    assert_eq!(changed.status, 202, "{changed:?}");
    assert_is(&changed.json(), "StreamChanging");
    let ending = rig.ask("DELETE", &path, "");
    assert_eq!(ending.status, 202);
    assert_is(&ending.json(), "StreamEnding");
    rig.until("it is over", || {
        (rig.get(&path).json()["is_over"] == true).then_some(())
    });
    assert_is(&rig.get(&path).json(), "Stream");
    assert_is(&rig.get("/v1/streams/1").json(), "StreamError");
}

#[test]
fn a_stream_that_ends_may_be_stopped_again_and_takes_no_parameters() {
    let rig = Rig::ready(&[]);
    let asked = json!({"source": rig.channel("in"), "sink": rig.channel("out")});
    let created = rig.ask("POST", "/v1/streams", &asked.to_string());
    let id = id(&created.json());
    let path = format!("/v1/streams/{id}");
    let check = |when: &str| {
        let ending = rig.ask("DELETE", &path, "");
        let yes = json!({"id": id, "is_ending": true});
        assert_eq!((ending.status, ending.json()), (202, yes), "{when}");
        let change = rig.ask("PATCH", &path, r#"{"params": {}}"#);
        assert_eq!(change.status, 409, "{when}: {change:?}");
        assert_is(&change.json(), "StreamError");
        assert!(change.msg().contains("ends or is over"), "{change:?}");
    };
    check("while it runs");
    check("while it ends");
    rig.until("it is over", || {
        (rig.get(&path).json()["is_over"] == true).then_some(())
    });
    check("when it is over");
    for verb in ["GET", "PATCH", "DELETE"] {
        let unknown = rig.ask(verb, "/v1/streams/1", r#"{"params": {}}"#);
        assert_eq!(unknown.status, 404, "{verb}");
    }
}

#[test]
fn a_refusal_is_422_for_a_wrong_field_and_400_for_the_engines_no() {
    let rig = Rig::ready(&[]);
    let least = json!({"source": rig.channel("in"), "sink": rig.channel("out")});
    let with = |name: &str, value: Value| {
        let mut body = least.clone();
        body[name] = value;
        body.to_string()
    };
    for (body, word) in [
        ("{".to_owned(), "EOF"),
        (json!({"source": rig.channel("in")}).to_string(), "sink"),
        (with("colour", json!("red")), "colour"),
        (with("binding", json!("all")), "all"),
        (with("sink", json!("out.mp4")), ".ts"),
        (with("source", json!("-")), "source"),
        (with("params", json!([1])), "params"),
    ] {
        let reply = rig.ask("POST", "/v1/streams", &body);
        assert_eq!(reply.status, 422, "{body}: {reply:?}");
        assert!(reply.msg().contains(word), "{body}: {reply:?}");
        assert_is(&reply.json(), "StreamError");
    }
    let first = rig.ask("POST", "/v1/streams", &least.to_string());
    assert_eq!(first.status, 201, "{first:?}");
    let second = rig.ask("POST", "/v1/streams", &least.to_string());
    assert_eq!(
        (second.status, second.msg()),
        (400, "capacity 1 in use".to_owned())
    );
    assert_is(&second.json(), "StreamError");
    assert_eq!(second.json()["detail"]["code"], "capacity");
    let path = format!("/v1/streams/{}", id(&first.json()));
    let change = rig.ask("PATCH", &path, "{}");
    assert_eq!(change.status, 422);
}

#[test]
fn a_server_whose_infer_was_killed_answers_503_and_then_again() {
    let rig = Rig::ready(&[]);
    rig.kill_infer();
    // How soon it is back is nobody's promise; what is said meanwhile is.
    rig.until("infer is back", || {
        let reply = rig.get("/v1/streams");
        match reply.status {
            200 => return Some(()),
            503 => {}
            status => panic!("{status}"),
        }
        assert!(!reply.msg().is_empty());
        None
    });
}
