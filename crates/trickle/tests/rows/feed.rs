//! Creating channels, hooks, and the changefeed.

use std::sync::Arc;

use framerill_trickle::relay::{Caller, Policy, Refusal};

use crate::wire::{Rig, get, request};

#[test]
fn row_03_the_first_mime_type_stays() {
    let rig = Rig::new();
    for mime in ["video/mp2t", "video/webm"] {
        let fields = format!("Expect-Content: {mime}\r\nContent-Length: 0\r\n");
        let answer = rig.send(&request("POST", "/d", &fields)).answer();
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    rig.post("/d/0", "x");
    assert_eq!(rig.get("/d/0").field("Content-Type"), Some("video/mp2t"));
}

#[test]
fn row_04_without_autocreate_nothing_is_created() {
    let rig = Rig::with(|_| ());
    assert_eq!(rig.send(&request("POST", "/d", "")).answer().status, 404);
    rig.hub.create(crate::wire::now(), "d", None).unwrap();
    assert_eq!(rig.send(&request("POST", "/d", "")).answer().status, 200);
    assert_eq!(rig.post("/e/0", "x").status, 404);
}

fn with_feed() -> Rig {
    Rig::with(|config| {
        config.relay.autocreate = true;
        config.relay.changefeed = true;
    })
}

#[test]
fn row_57_the_changefeed_begins_with_itself() {
    let answer = with_feed().get("/_changes/0");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"added":["_changes"]}"#)
    );
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
}

#[test]
fn row_58_the_changefeed_tells_what_comes_and_goes() {
    let rig = with_feed();
    let mut reader = rig.waiting("/_changes/-1");
    rig.send(&request("POST", "/x", "")).answer();
    assert_eq!(reader.answer().body, r#"{"added":["x"]}"#);
    assert_eq!(rig.get("/_changes/-2").body, r#"{"added":["x"]}"#);
    rig.delete("/x");
    assert_eq!(rig.get("/_changes/-2").body, r#"{"removed":["x"]}"#);
    rig.post("/%22y%0A/0", "x");
    assert_eq!(rig.get("/_changes/-2").body, r#"{"added":["\"y\u000a"]}"#);
}

#[test]
fn row_59_strangers_do_not_write_to_the_changefeed() {
    let rig = with_feed();
    assert_eq!(rig.post("/_changes/1", "x").status, 403);
    assert_eq!(rig.post("/_changes/-1", "x").status, 403);
    assert_eq!(
        rig.send(&request("POST", "/_changes", "")).answer().status,
        403
    );
    assert_eq!(rig.delete("/_changes").status, 403);
    assert_eq!(rig.delete("/_changes/0").status, 403);
    rig.send(&request("POST", "/x", "")).answer();
    assert_eq!(rig.get("/_changes/1").body, r#"{"added":["x"]}"#);
}

/// Refuses by the name of the channel.
struct ByName;

fn by_name(caller: &Caller<'_>) -> Result<(), Refusal> {
    match caller.channel {
        "unauthorized" if caller.headers.get("Authorization").is_none() => {
            Err(Refusal::Status(401))
        }
        "forbidden" => Err(Refusal::Status(403)),
        "strange" => Err(Refusal::Status(302)),
        "failing" => Err(Refusal::Failed),
        _ => Ok(()),
    }
}

impl Policy for ByName {
    fn create(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        by_name(caller)
    }

    fn delete(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        by_name(caller)
    }
}

const NAMES: [(&str, u16); 4] = [
    ("unauthorized", 401),
    ("forbidden", 403),
    ("strange", 400),
    ("failing", 500),
];

#[test]
fn row_74_a_hook_refuses_to_create_and_to_delete() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.policy = Arc::new(ByName);
    });
    for (name, status) in NAMES {
        assert_eq!(
            rig.send(&request("POST", &format!("/{name}"), ""))
                .answer()
                .status,
            status
        );
        assert!(!rig.hub.has(name));
        assert_eq!(rig.post(&format!("/{name}/0"), "x").status, 200);
        assert_eq!(rig.delete(&format!("/{name}")).status, status);
        assert_eq!(rig.get(&format!("/{name}/0")).body, "x");
    }
    let allowed = request("DELETE", "/unauthorized", "Authorization: Bearer x\r\n");
    assert_eq!(rig.send(&allowed).answer().status, 200);
}

/// Nobody reads or writes `secret`.
struct Secret;

impl Policy for Secret {
    fn read(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        if caller.channel == "secret" {
            Err(Refusal::Status(403))
        } else {
            Ok(())
        }
    }

    fn write(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        self.read(caller)
    }
}

#[test]
fn row_74_a_hook_refuses_to_read_and_to_write() {
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.policy = Arc::new(Secret);
    });
    assert_eq!(rig.post("/secret/0", "x").status, 403);
    assert!(!rig.hub.has("secret"));
    for path in ["/secret/0", "/secret/next"] {
        assert_eq!(rig.send(&get(path)).answer().status, 403);
    }
    assert_eq!(rig.delete("/secret/0").status, 403);
    assert_eq!(rig.post("/open/0", "x").status, 200);
}
