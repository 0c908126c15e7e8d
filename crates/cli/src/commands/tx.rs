use quorate_chains::{Chain, Decoded};
use quorate_types::{Algorithm, ChainId};
use serde_json::json;

use super::key::parse;
use super::payload::{read_text, unhex};
use crate::args::{TxAction, TxBitcoin, TxEthereum, TxSolana};
use crate::bitcoin_tx::{Fee, Spend};
use crate::console::{Report, facts};
use crate::error::CliError;
use crate::ethereum_tx::Eip1559;
use crate::solana_tx::Transfer;

/// Builds an unsigned transaction, and says what it means.
pub(super) fn run(action: TxAction) -> Result<Report, CliError> {
    let (chain, payload, decoded) = match action {
        TxAction::Ethereum(args) => ethereum(args)?,
        TxAction::Bitcoin(args) => bitcoin(args)?,
        TxAction::Solana(args) => solana(&args)?,
    };
    let payload = hex::encode(payload);
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

/// Network, unsigned bytes, and what they mean.
type Unsigned = (Chain, Vec<u8>, Decoded);

fn ethereum(args: TxEthereum) -> Result<Unsigned, CliError> {
    let transaction = Eip1559 {
        chain_id: args.chain_id,
        nonce: args.nonce,
        max_priority_fee: args.priority_fee,
        max_fee: args.max_fee,
        gas_limit: args.gas,
        to: args.to,
        value: args.value,
        data: unhex("--data", &args.data)?,
    };
    let (chain, decoded) = (transaction.network()?, transaction.decoded()?);
    Ok((chain, transaction.encode(), decoded))
}

fn bitcoin(args: TxBitcoin) -> Result<Unsigned, CliError> {
    let mut previous = Vec::new();
    for text in &args.previous_tx {
        previous.push(unhex("--previous-tx", text)?);
    }
    if let Some(path) = &args.previous_tx_file {
        let text = read_text(path)?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            previous.push(unhex("--previous-tx-file", line)?);
        }
    }
    let algorithm = parse("--algorithm", &args.algorithm)?;
    let mut public_key = unhex("--public-key", &args.public_key)?;
    // BIP340 writes keys without the sign of y, and means the even one.
    if algorithm == Algorithm::Schnorr && public_key.len() == 32 {
        public_key.insert(0, 2);
    }
    let fee = match (args.fee, args.fee_rate) {
        (_, Some(rate)) => Fee::Rate(rate),
        (fee, None) => Fee::Whole(fee.unwrap_or_default()),
    };
    let spend = Spend {
        chain: network(&args.chain)?,
        algorithm,
        public_key,
        coins: args.input,
        previous,
        payments: args.to,
        change: args.change,
        fee,
        is_replaceable: !args.no_replacement,
    };
    let built = spend.build()?;
    Ok((spend.chain, built.psbt, built.decoded))
}

fn solana(args: &TxSolana) -> Result<Unsigned, CliError> {
    let chain = network(&args.chain)?;
    if !matches!(chain, Chain::Solana(_)) {
        let what = format!("`{chain}` is no network of Solana");
        let remedy = "give --chain solana, or one of its test networks";
        return Err(CliError::invalid(what, remedy));
    }
    let transfer = Transfer {
        chain,
        version: args.message_version,
        from: args.from,
        to: args.to,
        lamports: args.amount,
        recent_blockhash: args.blockhash,
    };
    let decoded = transfer.decoded()?;
    Ok((chain, transfer.encode(), decoded))
}

fn network(text: &str) -> Result<Chain, CliError> {
    let id: ChainId = parse("--chain", text)?;
    Chain::parse(&id).ok_or_else(|| {
        let all = Chain::ALL.map(Chain::as_str).join(", ");
        CliError::invalid(format!("no chain `{text}`"), format!("known: {all}"))
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
