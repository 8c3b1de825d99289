//! `framerill stream list`.

use serde_json::Value;

use super::{Server, streams, text};
use crate::{exit::Exit, failure::Failure, runtime, terminal};

const HEAD: [&str; 7] = [
    "ID", "STATE", "PIPELINE", "FPS IN", "FPS OUT", "SOURCE", "SINK",
];

/// Lists the streams of a server.
pub(crate) fn list(server: &Server, json: bool) -> Result<Exit, Failure> {
    let runtime = runtime::of_one_thread()?;
    let list = runtime.block_on(server.look(None))?;
    if json {
        terminal::answer_json(&list);
        return Ok(Exit::Done);
    }
    let rows = streams(&list);
    if rows.is_empty() {
        terminal::answer("no stream runs");
    } else {
        let rows = rows.iter().map(row);
        table(
            &std::iter::once(HEAD.map(str::to_owned))
                .chain(rows)
                .collect::<Vec<_>>(),
        )
        .iter()
        .for_each(terminal::answer);
    }
    terminal::answer(format_args!(
        "{} of {} at the same time",
        rows.len(),
        list["capacity"]
    ));
    Ok(Exit::Done)
}

fn row(stream: &Value) -> [String; 7] {
    // A rate is that of a whole window; before the first there is none.
    let fps = |rate: &Value| match rate.as_f64() {
        Some(fps) if fps > 0.0 => format!("{fps:.1}"),
        _ => "-".to_owned(),
    };
    let state = match stream["is_ending"].as_bool() {
        Some(true) => "ending",
        _ => text(stream, "state"),
    };
    [
        stream["id"].to_string(),
        state.to_owned(),
        text(stream, "pipeline").to_owned(),
        fps(&stream["status"]["input_status"]["fps"]),
        fps(&stream["stats"]["fps"]),
        text(stream, "source").to_owned(),
        text(stream, "sink").to_owned(),
    ]
}

fn table(rows: &[[String; 7]]) -> Vec<String> {
    let mut widths = [0; 7];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let stream = json!({
            "id": 12, "state": "ONLINE", "is_ending": false, "pipeline": "invert", "source": "http://a/in",
            "sink": "http://a/out",
            "status": {"input_status": {"fps": 24.04}}, "stats": {"fps": 0},
        });
        let lines = table(&[HEAD.map(str::to_owned), row(&stream)]);
        assert_eq!(
            lines,
            [
                "ID  STATE   PIPELINE  FPS IN  FPS OUT  SOURCE       SINK",
                "12  ONLINE  invert    24.0    -        http://a/in  http://a/out",
            ]
        );
    }
}
