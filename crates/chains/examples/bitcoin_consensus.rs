//! Runs signed Bitcoin transactions through the script engine of Bitcoin Core.
//!
//! `bitcoin_consensus FILE`: FILE has one JSON object a line with `signed_transaction` (hex) and
//! `spent`, the coin of each input with `amount` (satoshi) and `script` (hex). Every input of every
//! line must be valid, and must not be valid for a coin of another amount: signatures commit to it.
//! The last line is `N passed, M failed`; the status is 0 only for M = 0 and at least one line.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks to whoever ran it"
)]

#[path = "../tests/chains/consensus.rs"]
mod consensus;

use std::process::ExitCode;

use consensus::{Coin, check_spends};
use serde_json::Value;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: bitcoin_consensus FILE");
        return ExitCode::from(2);
    };
    let lines = match std::fs::read_to_string(&file) {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            return ExitCode::from(2);
        }
    };
    let (mut passed, mut failed) = (0, 0);
    for (place, line) in lines.lines().enumerate() {
        match check(line) {
            Ok(()) => passed += 1,
            Err(why) => {
                eprintln!("line {}: {why}", place + 1);
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn check(line: &str) -> Result<(), String> {
    let record: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let signed = bytes(&record, "signed_transaction")?;
    let coins = spent(&record)?;
    check_spends(&signed, &coins).map_err(|error| format!("not valid: {error}"))?;
    for place in 0..coins.len() {
        let mut others = spent(&record)?;
        others.get_mut(place).ok_or("no such coin")?.amount += 1;
        if check_spends(&signed, &others).is_ok() {
            return Err(format!("input {place} is valid for any amount"));
        }
    }
    Ok(())
}

fn spent(record: &Value) -> Result<Vec<Coin>, String> {
    let coins = record.get("spent").and_then(Value::as_array);
    let coins = coins
        .filter(|coins| !coins.is_empty())
        .ok_or("no `spent`")?;
    let coins = coins.iter().map(|coin| {
        let amount = coin.get("amount").and_then(Value::as_u64);
        Ok(Coin {
            amount: amount.ok_or("no `amount`")?,
            script: bytes(coin, "script")?,
        })
    });
    coins.collect()
}

fn bytes(record: &Value, field: &str) -> Result<Vec<u8>, String> {
    let text = record.get(field).and_then(Value::as_str);
    let text = text.ok_or_else(|| format!("no `{field}`"))?;
    hex::decode(text).map_err(|error| format!("`{field}`: {error}"))
}
