//! The dashboard that is committed, beside the metrics of a real server.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rig::Rig;

fn dashboard() -> Value {
    let file = framerill_tests::repository().join("deploy/grafana/framerill.json");
    serde_json::from_slice(&std::fs::read(file).expect("it is committed")).expect("JSON")
}

/// Every query: of panels, and of variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|it| it["targets"].as_array().into_iter().flatten());
    let exprs = targets.map(|it| it["expr"].as_str().expect("an expression").to_owned());
    let variables = dashboard["templating"]["list"]
        .as_array()
        .into_iter()
        .flatten();
    let definitions = variables.filter_map(|it| it["definition"].as_str().map(str::to_owned));
    exprs.chain(definitions).collect()
}

/// The metrics that a query names: words outside of braces, quotation marks and brackets that are no function and no label.
fn metrics(query: &str) -> BTreeSet<String> {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    query
        .split(|it| !is_word(it))
        .filter(|it| {
            it.starts_with("framerill_")
                || it.starts_with("process_")
                || ["stream_fps", "version"].contains(it)
        })
        .map(str::to_owned)
        .collect()
}

/// The families of a page.
fn families(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|it| it.strip_prefix("# TYPE "));
    types
        .filter_map(|it| it.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// The family that a query means: a summary is asked for its sum and its count, too.
fn family(told: &BTreeSet<String>, name: String) -> String {
    let parts = ["_sum", "_count"].into_iter();
    let mut whole = parts.filter_map(|part| name.strip_suffix(part));
    let whole = whole.find(|it| told.contains(*it)).map(str::to_owned);
    whole.unwrap_or(name)
}

/// The families of a server whose infer is known to answer.
fn told(rig: &Rig) -> BTreeSet<String> {
    rig.until("infer is up", || {
        let page = rig.get("/metrics").text();
        let is_up = page.lines().any(|it| it == "framerill_infer_up 1.0");
        is_up.then(|| families(&page))
    })
}

#[test]
fn every_metric_that_the_dashboard_names_is_told_by_a_server() {
    let rig = Rig::ready(&[]);
    let told = told(&rig);
    let dashboard = dashboard();
    let mut queries = queries(&dashboard);
    // Those of `plates run` are a test's of plates.
    queries.retain(|it| !it.contains("framerill_plates_"));
    assert!(queries.len() > 30, "only {}", queries.len());
    for query in &queries {
        let named = metrics(query);
        assert!(!named.is_empty(), "no metric in {query}");
        for name in named {
            let name = family(&told, name);
            assert!(told.contains(&name), "`{name}` of `{query}` is not told");
        }
    }
    // And none of ours is forgotten.
    let shown = queries.iter().flat_map(|it| metrics(it));
    let shown: BTreeSet<_> = shown.map(|it| family(&told, it)).collect();
    let ours = told.iter().filter(|it| it.starts_with("framerill_"));
    let forgotten: Vec<_> = ours.filter(|it| !shown.contains(*it)).collect();
    assert!(forgotten.is_empty(), "no panel shows {forgotten:?}");
}

#[test]
fn the_dashboard_can_be_imported_beside_any_prometheus() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    assert!(
        variables
            .iter()
            .any(|it| it["type"] == "datasource" && it["name"] == "datasource")
    );
    // What is imported has no number of its own yet.
    assert!(dashboard["id"].is_null());
    let panels = dashboard["panels"].as_array().expect("a list");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(
            ids.insert(panel["id"].as_u64().expect("a number")),
            "{panel}"
        );
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
            assert!(
                panel["description"].is_string() && panel["gridPos"].is_object(),
                "{panel}"
            );
        }
    }
}

#[test]
fn every_metric_is_in_the_operators_table() {
    let rig = Rig::ready(&[]);
    let told = told(&rig);
    let page = framerill_tests::repository().join("docs/concepts/runtime-overview.md");
    let page = std::fs::read_to_string(page).expect("it is committed");
    let rows: BTreeSet<_> = page
        .lines()
        .filter(|it| it.starts_with("| `"))
        .flat_map(|it| {
            it.split('|')
                .nth(1)
                .into_iter()
                .flat_map(|it| it.split('`'))
        })
        .map(|it| it.split('{').next().unwrap_or(it).to_owned())
        .collect();
    let missing: Vec<_> = told.iter().filter(|it| !rows.contains(*it)).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}
