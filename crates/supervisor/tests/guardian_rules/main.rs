//! §5 of the runner contract with the product's rulings and the corrections of §12, rule by rule, in virtual time. The
//! exact bounds of each rule are tested beside the table, in `guardian/rules.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod defects;
mod reports;
mod rules;
mod watch;
