//! An infer that does what a test says: it answers, hangs, refuses or dies.
//!
//! `FAKE_INFER` names a folder. `behaviour.json` there is read at the start and at every request:
//! `{"boot": …, "status": …, "ready": …, "start": …, "streams": …, "metrics": …, "on_term": "leave" | "stay"}`. `boot` is `"listen"`, `"deaf"` or
//! `{"exit": code}`; the others are `{"code": …, "body": …}`, `"hang"`, `"drop"` or `"die"`. It leaves `boots.jsonl` (how it
//! was started), `starts.jsonl` (what was posted to it) and `told-to-leave`.

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process, thread,
};

use serde_json::{Value, json};
use signal_hook::{consts::SIGTERM, iterator::Signals};

fn folder() -> PathBuf {
    env::var_os("FAKE_INFER")
        .expect("FAKE_INFER names a folder")
        .into()
}

fn behaviour(of: &str) -> Value {
    let text = fs::read_to_string(folder().join("behaviour.json")).unwrap_or_default();
    let all: Value = serde_json::from_str(&text).unwrap_or_default();
    all[of].clone()
}

fn note(file: &str, value: &Value) {
    let file = folder().join(file);
    let file = fs::OpenOptions::new().create(true).append(true).open(file);
    // One write a line: whoever reads meanwhile sees whole lines.
    let line = format!("{value}\n");
    file.and_then(|mut it| it.write_all(line.as_bytes()))
        .expect("the folder is there");
}

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().collect();
    let variables = [
        "AUTH_TOKEN",
        "MODEL_DIR",
        "HUGGINGFACE_HUB_CACHE",
        "DIFFUSERS_CACHE",
        "VERBOSE_LOGGING",
    ];
    let env: serde_json::Map<_, _> = variables
        .into_iter()
        .map(|name| (name.to_owned(), json!(env::var(name).ok())))
        .collect();
    let mut signals = Signals::new([SIGTERM])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            note("told-to-leave", &json!(process::id()));
            if behaviour("on_term") != "stay" {
                process::exit(143);
            }
        }
    });
    note(
        "boots.jsonl",
        &json!({"pid": process::id(), "args": args, "env": env}),
    );
    writeln!(io::stderr(), "fake infer speaks on stderr")?;
    writeln!(io::stdout(), "fake infer speaks on stdout")?;
    let boot = behaviour("boot");
    if let Some(code) = boot["exit"].as_i64() {
        process::exit(i32::try_from(code).expect("a code"));
    }
    if boot == "deaf" {
        park();
    }
    let port = args.iter().skip_while(|it| *it != "--internal-port").nth(1);
    let port: u16 = port.and_then(|it| it.parse().ok()).expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || answer(stream));
    }
    Ok(())
}

fn park() -> ! {
    loop {
        thread::park();
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 65536];
    let head_end = loop {
        if let Some(at) = request.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut part)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&part[..length]),
        }
    };
    let head = String::from_utf8_lossy(&request[..head_end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|it| it.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let mut body = request.split_off(head_end);
    while body.len() < length {
        match stream.read(&mut part)? {
            0 => break,
            length => body.extend_from_slice(&part[..length]),
        }
    }
    let (of, usual) = match head.split_whitespace().nth(1) {
        Some("/api/status") => ("status", r#"{"type":"status","state":"OFFLINE"}"#),
        Some("/api/live-video-to-video") => {
            let body: Value = serde_json::from_slice(&body)?;
            note("starts.jsonl", &json!({"head": head, "body": body}));
            ("start", "Stream started successfully")
        }
        Some("/readyz") => ("ready", r#"{"ready":true}"#),
        Some(path) if path.starts_with("/v1/streams") => {
            let line = head.lines().next();
            let body = String::from_utf8_lossy(&body);
            note("asked.jsonl", &json!({"line": line, "body": body}));
            ("streams", r#"{"streams":[],"capacity":1}"#)
        }
        Some("/metrics") => ("metrics", "framerill_fake 1\n"),
        _ => ("none", ""),
    };
    let behaviour = behaviour(of);
    match behaviour.as_str() {
        Some("hang") => park(),
        Some("drop") => return Ok(()),
        #[expect(clippy::exit, reason = "it is to die at work")]
        Some("die") => process::exit(9),
        _ => {}
    }
    let code = behaviour["code"].as_u64().unwrap_or(200);
    let body = match &behaviour["body"] {
        Value::Null => usual.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    write!(
        stream,
        "HTTP/1.1 {code} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
