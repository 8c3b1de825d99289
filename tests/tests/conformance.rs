//! One suite for every child: the Rust worker, the Python worker and media keep the same protocol.
//!
//! Each claim of `schema/child-protocol.md` is one function over a [`Kind`]; the table at the end runs all of them
//! against each implementation.

#[path = "conformance/child.rs"]
mod child;
#[path = "conformance/claims.rs"]
mod claims;
#[path = "conformance/frames.rs"]
mod frames;
#[path = "conformance/reader.rs"]
mod reader;

use child::Kind;

/// One test for each claim and implementation.
macro_rules! suite {
    ($($implementation:ident => $kind:expr, [$($module:ident :: $claim:ident),+ $(,)?];)+) => {
        $(mod $implementation {
            use super::*;
            $(#[test]
            fn $claim() {
                $module::$claim(&$kind);
            })+
        })+
    };
}

suite! {
    rust_worker => Kind::rust_worker(), [
        claims::hello_comes_first_and_names_the_protocol,
        claims::heartbeats_come_unasked,
        claims::requests_before_load_are_refused_and_the_child_goes_on,
        claims::an_unknown_message_is_answered_and_ignored,
        claims::a_second_load_is_refused,
        claims::load_is_answered_with_ready,
        claims::a_wrong_load_is_answered_and_may_be_repeated,
        claims::bye_ends_with_code_zero,
        claims::drain_is_answered_and_ends_with_code_zero,
        claims::the_end_of_the_parent_ends_the_child,
        claims::a_wrong_length_ends_with_code_two,
        claims::text_that_is_not_json_ends_with_code_two,
        claims::descriptors_that_were_not_announced_end_with_code_two,
        frames::describe_loads_nothing,
        frames::wrong_parameters_name_field_rule_and_value,
        frames::an_unknown_pipeline_is_named,
        frames::an_update_is_applied_or_rejected,
        frames::a_set_that_replaces_leaves_nothing_of_the_one_before,
        frames::every_frame_is_answered_in_order,
        frames::an_output_holds_the_changed_picture,
        frames::slots_come_back,
        frames::flush_is_answered_with_its_serial,
        frames::eos_is_answered_after_the_last_frame,
        frames::a_closed_link_detaches_and_the_worker_takes_another,
        frames::a_pool_that_is_not_sealed_is_refused,
        frames::a_slot_that_does_not_exist_ends_the_link,
    ];
    python_worker => Kind::python_worker(), [
        claims::hello_comes_first_and_names_the_protocol,
        claims::heartbeats_come_unasked,
        claims::requests_before_load_are_refused_and_the_child_goes_on,
        claims::an_unknown_message_is_answered_and_ignored,
        claims::a_second_load_is_refused,
        claims::load_is_answered_with_ready,
        claims::a_wrong_load_is_answered_and_may_be_repeated,
        claims::bye_ends_with_code_zero,
        claims::drain_is_answered_and_ends_with_code_zero,
        claims::the_end_of_the_parent_ends_the_child,
        claims::a_wrong_length_ends_with_code_two,
        claims::text_that_is_not_json_ends_with_code_two,
        claims::descriptors_that_were_not_announced_end_with_code_two,
        frames::describe_loads_nothing,
        frames::wrong_parameters_name_field_rule_and_value,
        frames::an_unknown_pipeline_is_named,
        frames::an_update_is_applied_or_rejected,
        frames::a_set_that_replaces_leaves_nothing_of_the_one_before,
        frames::every_frame_is_answered_in_order,
        frames::an_output_holds_the_changed_picture,
        frames::slots_come_back,
        frames::flush_is_answered_with_its_serial,
        frames::eos_is_answered_after_the_last_frame,
        frames::a_closed_link_detaches_and_the_worker_takes_another,
        frames::a_pool_that_is_not_sealed_is_refused,
        frames::a_slot_that_does_not_exist_ends_the_link,
        frames::a_decoupled_pipeline_takes_frames_in_and_answers_on_its_own_time,
    ];
    media => Kind::media(), [
        claims::hello_comes_first_and_names_the_protocol,
        claims::heartbeats_come_unasked,
        claims::requests_before_load_are_refused_and_the_child_goes_on,
        claims::an_unknown_message_is_answered_and_ignored,
        claims::a_second_load_is_refused,
        claims::load_is_answered_with_ready,
        claims::a_wrong_load_is_answered_and_may_be_repeated,
        claims::bye_ends_with_code_zero,
        claims::drain_is_answered_and_ends_with_code_zero,
        claims::the_end_of_the_parent_ends_the_child,
        claims::a_wrong_length_ends_with_code_two,
        claims::text_that_is_not_json_ends_with_code_two,
        claims::descriptors_that_were_not_announced_end_with_code_two,
    ];
}
