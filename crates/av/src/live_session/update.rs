//! `update` to live media: the worker reloads, or has reloaded.

use framerill_media::Size;
use framerill_worker::{message::Problem, runtime::monotonic_ns};
use serde_json::{Map, Value};

use super::state::Heard;
use crate::stream::Stream;

/// Does what `params` say, unless they break rules or are only to be checked.
pub(crate) fn update(
    stream: &Stream,
    params: &Map<String, Value>,
    check: bool,
) -> Result<(), Vec<Problem>> {
    let change = Change::of(params)?;
    let mut guard = stream.lock();
    let state = &mut *guard;
    let is_attached = state.attached.is_some();
    if let Some(live) = state.live.as_mut().filter(|_| !check) {
        let now = monotonic_ns();
        if let Some(size) = change.output_size {
            live.hear(Heard::Size(size));
        }
        live.is_reloading = change.is_reloading.unwrap_or(live.is_reloading);
        if live.is_reloading {
            live.shows_reload = change.shows.unwrap_or(live.shows_reload);
            // What waits for the worker is not given to it any more.
            for frame in state.exchange.waiting() {
                live.presenter.lose(frame.id);
            }
            state.exchange.abandon();
        }
        live.presenter
            .set_present(is_attached && !live.is_reloading, now);
        stream.notify();
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    is_reloading: Option<bool>,
    shows: Option<bool>,
    output_size: Option<Size>,
}

impl Change {
    fn of(params: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let (mut change, mut problems) = (Self::default(), Vec::new());
        for (field, value) in params {
            if field == "output_size" {
                match serde_json::from_value(value.clone()) {
                    Ok(size) => change.output_size = Some(size),
                    Err(error) => problems.push(Problem {
                        field: field.clone(),
                        rule: "size".to_owned(),
                        value: value.clone(),
                        message: format!("`output_size` is a width and a height: {error}"),
                    }),
                }
                continue;
            }
            let (place, rule) = match field.as_str() {
                "reloading" => (Some(&mut change.is_reloading), "type boolean"),
                "show_reloading_frame" => (Some(&mut change.shows), "type boolean"),
                _ => (None, "unknown"),
            };
            match (place, value.as_bool()) {
                (Some(place), Some(value)) => *place = Some(value),
                (place, _) => {
                    let message = match place {
                        Some(_) => format!("`{field}` is true or false"),
                        None => format!(
                            "live media has no `{field}`, only `reloading`, `show_reloading_frame` and `output_size`"
                        ),
                    };
                    problems.push(Problem {
                        field: field.clone(),
                        rule: rule.to_owned(),
                        value: value.clone(),
                        message,
                    });
                }
            }
        }
        if problems.is_empty() {
            Ok(change)
        } else {
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(params: Value) -> Result<Change, Vec<String>> {
        let params = params.as_object().unwrap().clone();
        Change::of(&params).map_err(|all| {
            all.into_iter()
                .map(|it| it.field + ": " + &it.rule)
                .collect()
        })
    }

    #[test]
    fn both_keys_are_optional_booleans_and_others_are_problems() {
        let both = of(json!({"reloading": true, "show_reloading_frame": false})).unwrap();
        assert_eq!((both.is_reloading, both.shows), (Some(true), Some(false)));
        assert_eq!(of(json!({})), Ok(Change::default()));
        assert_eq!(
            of(json!({"reloading": 1, "strength": 0.5})),
            Err(vec![
                "reloading: type boolean".into(),
                "strength: unknown".into()
            ])
        );
        let size = Size::new(1024, 512).ok();
        assert_eq!(
            of(json!({"output_size": [1024, 512]})).unwrap().output_size,
            size
        );
        for wrong in [
            json!([0, 4]),
            json!([16384, 16384]),
            json!("2x2"),
            json!([1]),
        ] {
            let problems = of(json!({ "output_size": wrong })).unwrap_err();
            assert_eq!(problems, ["output_size: size"], "{wrong}");
        }
    }
}
