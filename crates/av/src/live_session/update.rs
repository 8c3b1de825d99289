//! `update` to live media: the worker reloads, or has reloaded.

use framerill_worker::{message::Problem, runtime::monotonic_ns};
use serde_json::{Map, Value};

use crate::stream::Stream;

/// Does what `params` say, unless they break rules or are only to be checked.
pub(crate) fn update(
    stream: &Stream,
    params: &Map<String, Value>,
    check: bool,
) -> Result<(), Vec<Problem>> {
    let change = Change::of(params)?;
    let mut state = stream.lock();
    let is_attached = state.attached.is_some();
    if let Some(live) = state.live.as_mut().filter(|_| !check) {
        let now = monotonic_ns();
        live.is_reloading = change.is_reloading.unwrap_or(live.is_reloading);
        if live.is_reloading {
            live.shows_reload = change.shows.unwrap_or(live.shows_reload);
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
}

impl Change {
    fn of(params: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let (mut change, mut problems) = (Self::default(), Vec::new());
        for (field, value) in params {
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
                            "live media has no `{field}`, only `reloading` and `show_reloading_frame`"
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
    }
}
