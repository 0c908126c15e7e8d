use serde_json::json;

use super::payload::unhex;
use crate::args::{TxAction, TxEthereum};
use crate::console::{Report, facts};
use crate::error::CliError;
use crate::ethereum_tx::Eip1559;

/// Builds an unsigned transaction, and says what it means.
pub(super) fn run(action: TxAction) -> Result<Report, CliError> {
    let TxAction::Ethereum(args) = action;
    let transaction = unsigned(args)?;
    let (chain, decoded) = (transaction.network()?, transaction.decoded()?);
    let payload = hex::encode(transaction.encode());
    let json = json!({
        "chain_type": chain.as_str(),
        "unsigned_transaction": payload,
        "decoded": decoded,
    });
    Ok(Report {
        json,
        human: payload,
    })
}

fn unsigned(args: TxEthereum) -> Result<Eip1559, CliError> {
    Ok(Eip1559 {
        chain_id: args.chain_id,
        nonce: args.nonce,
        max_priority_fee: args.priority_fee,
        max_fee: args.max_fee,
        gas_limit: args.gas,
        to: args.to,
        value: args.value,
        data: unhex("--data", &args.data)?,
    })
}

/// What signing would do, in lines for a person.
pub(super) fn meaning(decoded: &quorate_chains::Decoded) -> String {
    let outputs = decoded.outputs.iter().map(|output| {
        let to = output.to.as_deref().unwrap_or("a new contract");
        format!("{} of {} to {to}", output.amount, output.asset)
    });
    let warnings: Vec<String> = decoded.warnings.iter().map(ToString::to_string).collect();
    facts(&[
        ("act", decoded.kind.to_string()),
        ("moves", outputs.collect::<Vec<_>>().join("; ")),
        (
            "fee up to",
            decoded.fee.map(|fee| fee.to_string()).unwrap_or_default(),
        ),
        (
            "nonce",
            decoded
                .nonce
                .map(|nonce| nonce.to_string())
                .unwrap_or_default(),
        ),
        ("warnings", warnings.join(", ")),
    ])
}
