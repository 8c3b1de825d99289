//! Records on a map: GeoJSON (RFC 7946) and GPX 1.1.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Writer;
use crate::store::Record;

/// Latitude and longitude in degrees (WGS 84), where both are on the globe.
fn place(record: &Record) -> Option<(f64, f64)> {
    let number = |name: &str| record.get(name)?.as_f64();
    let (lat, lon) = (number("lat")?, number("lon")?);
    let is_place = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    is_place.then_some((lat, lon))
}

/// A collection of points; the columns are their properties.
pub(super) struct GeoJson<W> {
    out: W,
    is_first: bool,
}

impl<W: Write> GeoJson<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[")?;
        Ok(Self {
            out,
            is_first: true,
        })
    }
}

impl<W: Write> Writer for GeoJson<W> {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        let Some((lat, lon)) = place(record) else {
            return Ok(false);
        };
        let mut properties = record.clone();
        let id = properties.remove("id").unwrap_or(Value::Null);
        properties.remove("lat");
        properties.remove("lon");
        let feature = json!({
            "type": "Feature", "id": id, "properties": properties,
            "geometry": { "type": "Point", "coordinates": [lon, lat] },
        });
        self.out
            .write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        serde_json::to_writer(&mut self.out, &feature)?;
        Ok(true)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }
}

/// Waypoints named by their plates.
pub(super) struct Gpx<W>(W);

impl<W: Write> Gpx<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <gpx version=\"1.1\" creator=\"framerill\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n";
        out.write_all(head.as_bytes())?;
        Ok(Self(out))
    }
}

impl<W: Write> Writer for Gpx<W> {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        let Some((lat, lon)) = place(record) else {
            return Ok(false);
        };
        let text =
            |name: &str| escaped(record.get(name).and_then(Value::as_str).unwrap_or_default());
        writeln!(
            self.0,
            "<wpt lat=\"{lat}\" lon=\"{lon}\"><time>{}</time><name>{}</name><desc>{}</desc></wpt>",
            text("ts"),
            text("final_plate"),
            text("global_id"),
        )?;
        Ok(true)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.0.write_all(b"</gpx>\n")?;
        self.0.flush()
    }
}

/// Text as XML 1.0 may hold it: what it may not hold at all becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            '\u{0}'..='\u{8}'
            | '\u{b}'
            | '\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            it => out.push(it),
        }
    }
    out
}
