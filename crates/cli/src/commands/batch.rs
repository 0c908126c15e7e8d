//! `quorate sign-batch`: many transactions of one key in one call, each with its own result.

use std::path::Path;
use std::time::Instant;

use quorate_api::rest::{BatchItem, BatchSignRequest, BatchSignResult};
use quorate_chains::MessageType;
use serde_json::{Map, Value, json};

use super::payload::{Payload, read_text, unhex};
use super::sign::{SIGN_DEADLINE, SignOrder};
use super::{Connection, Context, fetch_key};
use crate::args::BatchArgs;
use crate::check::verified_signature;
use crate::console::{Report, table};
use crate::error::CliError;
use crate::intents::IntentOptions;

/// Requests of one call: the service's own default limit.
const MAX_REQUESTS: usize = 100;
/// HTTP status while work goes on.
const ACCEPTED: u16 = 202;

/// One line of the report.
struct Line {
    json: Value,
    row: Vec<String>,
    is_signed: bool,
}

pub(super) async fn run(context: &Context, args: BatchArgs) -> Result<Report, CliError> {
    let connection = context.connect()?;
    let id = super::key::parse("--key", &args.key)?;
    let (_, key) = fetch_key(&connection.client, &connection.manifest, id).await?;
    let order = |payload| SignOrder {
        key: &key,
        payload,
        options: IntentOptions {
            idempotency_key: None,
            lifetime_seconds: args.expires_in,
        },
    };
    let orders: Vec<_> = read_payloads(&args.tx_file)?
        .into_iter()
        .map(order)
        .collect();
    let spinner = context.console.spinner("the nodes sign");
    let results = ask(&connection, &orders).await?;
    drop(spinner);
    let lines: Vec<_> = (1..)
        .zip(orders.iter().zip(results))
        .map(|(number, (order, item))| line(number, order, item))
        .collect::<Result<_, _>>()?;
    let signed = lines.iter().filter(|line| line.is_signed).count();
    let report = report(lines, signed);
    if signed < orders.len() {
        context.console.report(&report)?;
        // The report is the one document of --json; the code says the rest.
        std::process::exit(i32::from(crate::ExitCode::Refused as u8));
    }
    Ok(report)
}

fn read_payloads(path: &Path) -> Result<Vec<Payload>, CliError> {
    let text = read_text(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let payload = |(number, line): (usize, &str)| {
        Ok(Payload {
            message_type: MessageType::Transaction,
            bytes: unhex(&format!("line {number}"), line)?,
        })
    };
    let payloads: Vec<_> = (1..)
        .zip(lines)
        .map(payload)
        .collect::<Result<_, CliError>>()?;
    if payloads.is_empty() || payloads.len() > MAX_REQUESTS {
        let what = format!("{} holds {} transactions", path.display(), payloads.len());
        let remedy = format!("give 1 to {MAX_REQUESTS}, one a line");
        return Err(CliError::invalid(what, remedy));
    }
    Ok(payloads)
}

/// Asks for signatures in one call, waits for all and verifies each.
pub(crate) async fn sign_batch(
    connection: &Connection,
    orders: &[SignOrder<'_>],
) -> Result<(), CliError> {
    for (order, item) in orders.iter().zip(ask(connection, orders).await?) {
        let signed = item.data.filter(|result| result.signature.is_some());
        let Some(result) = signed else {
            let why = item.error.map(|error| error.code).unwrap_or_default();
            let what = format!("a signature of the batch was not made: {why}");
            return Err(CliError::failed(what, "see the service's log"));
        };
        let Payload {
            message_type,
            bytes,
        } = &order.payload;
        verified_signature(order.key, *message_type, bytes, &result)?;
    }
    Ok(())
}

/// Asks until every request has ended. An equal request joins its own session.
async fn ask(
    connection: &Connection,
    orders: &[SignOrder<'_>],
) -> Result<Vec<BatchItem>, CliError> {
    let mut requests = Vec::new();
    for order in orders {
        order.decoded()?;
        let (_, request) = order.request(connection)?;
        requests.push(as_map(&request));
    }
    let wait_ms = Some(connection.wait_ms);
    let request = BatchSignRequest { requests, wait_ms };
    let deadline = Instant::now() + SIGN_DEADLINE;
    loop {
        let answer = connection
            .client
            .post::<BatchSignResult>("/sign/batch", &request, None);
        let answer = answer.await?;
        if answer.data.results.len() != orders.len() {
            let what = "the service answered with another number of results";
            return Err(CliError::failed(what, "do not use this answer; try again"));
        }
        if answer.status != ACCEPTED || Instant::now() >= deadline {
            return Ok(answer.data.results);
        }
    }
}

fn as_map(request: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(request) {
        Ok(Value::Object(map)) => map,
        _ => unreachable!("a request is an object with text keys"),
    }
}

/// What became of one transaction. A signature is shown only after it was verified.
fn line(number: usize, order: &SignOrder<'_>, item: BatchItem) -> Result<Line, CliError> {
    let Payload {
        message_type,
        bytes,
    } = &order.payload;
    let row = |what: &str, id: &str| vec![number.to_string(), what.to_owned(), id.to_owned()];
    if let Some(result) = &item.data {
        let is_signed = result.signature.is_some();
        if is_signed {
            verified_signature(order.key, *message_type, bytes, result)?;
        }
        let id = result.tx_id.as_deref().unwrap_or_default();
        let mut json = json!(result);
        if let Value::Object(fields) = &mut json {
            fields.insert("verified".to_owned(), json!(is_signed));
        }
        let row = match is_signed {
            true => row("signed", id),
            false => row(&result.status, &result.session_id),
        };
        return Ok(Line {
            json,
            row,
            is_signed,
        });
    }
    let error = item.error.as_ref();
    let (code, message) = error.map_or(("", ""), |e| (e.code.as_str(), e.message.as_str()));
    Ok(Line {
        row: row(code, message),
        json: json!({ "error": error }),
        is_signed: false,
    })
}

fn report(lines: Vec<Line>, signed: usize) -> Report {
    let (mut results, mut rows) = (Vec::new(), Vec::new());
    for line in lines {
        results.push(line.json);
        rows.push(line.row);
    }
    let failed = results.len() - signed;
    let mut human = table(&["line", "result", "transaction"], rows);
    human += &format!("\n\n{signed} signed and verified, {failed} not");
    let json = json!({ "signed": signed, "failed": failed, "results": results });
    Report { json, human }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Payload>, CliError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_payloads(file.path())
    }

    #[test]
    fn file__should_hold_one_transaction_a_line() {
        let payloads = read("02c0\n\n 0x02c1 \n").unwrap();
        let bytes: Vec<_> = payloads.into_iter().map(|payload| payload.bytes).collect();
        assert_eq!(bytes, [[0x02, 0xc0], [0x02, 0xc1]]);
    }

    #[test]
    fn file__must_be_refused_if_it_is_empty_too_long_or_not_hex() {
        assert!(read("\n").is_err());
        assert!(read(&"02c0\n".repeat(101)).is_err());
        assert!(read(&"02c0\n".repeat(100)).is_ok());
        let wrong = read("02c0\nxx\n").unwrap_err().to_string();
        assert!(wrong.contains("line 2"), "{wrong}");
    }
}
