//! The free-form part of an event, in a form that always hashes alike.

use quorate_types::Writer;
use serde_json::{Map, Value};

use crate::event::InvalidEvent;

/// Public facts about an event, by name. Never secrets, never payloads.
pub type Facts = Map<String, Value>;

/// How deep lists and objects may nest in [`Facts`].
pub const MAX_FACT_DEPTH: usize = 8;

/// Refuses what has no exact spelling: fractions (their text depends on the parser), deep nesting.
pub(crate) fn check(facts: &Facts) -> Result<(), InvalidEvent> {
    facts.values().try_for_each(|value| check_value(value, 1))
}

fn check_value(value: &Value, depth: usize) -> Result<(), InvalidEvent> {
    if depth > MAX_FACT_DEPTH {
        return Err(InvalidEvent::TooDeep);
    }
    match value {
        Value::Number(number) if !(number.is_u64() || number.is_i64()) => {
            Err(InvalidEvent::Fraction)
        }
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| check_value(item, depth + 1)),
        Value::Object(members) => members
            .values()
            .try_for_each(|member| check_value(member, depth + 1)),
        _ => Ok(()),
    }
}

/// Gives the facts the one order that lines are written in, however `serde_json` was built.
pub(crate) fn sort(facts: &mut Facts) {
    facts.sort_keys();
    facts.values_mut().for_each(Value::sort_all_objects);
}

/// Appends the canonical bytes of `facts`: members sorted by name, a type tag before each value.
///
/// The order does not depend on how `serde_json` was built (its map may keep insertion order).
pub(crate) fn write(facts: &Facts, out: &mut Writer) {
    let mut members: Vec<_> = facts.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    out.u32(count(members.len()));
    for (name, value) in members {
        out.text(name);
        write_value(value, out);
    }
}

fn write_value(value: &Value, out: &mut Writer) {
    match value {
        Value::Null => out.u8(0),
        Value::Bool(flag) => out.u8(1).u8(u8::from(*flag)),
        Value::Number(number) => out.u8(2).text(&number.to_string()),
        Value::String(text) => out.u8(3).text(text),
        Value::Array(items) => {
            out.u8(4).u32(count(items.len()));
            for item in items {
                write_value(item, out);
            }
            out
        }
        Value::Object(members) => {
            out.u8(5);
            write(members, out);
            out
        }
    };
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("an event is limited to far less than 2^32 facts")
}
