//! Real participant processes under a coordinator double.
#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]

mod signing;
mod support;
