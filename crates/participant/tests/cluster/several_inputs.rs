//! Transactions with several inputs: one intent, one session, a signature for each input, side by
//! side.

use std::collections::BTreeSet;

use bitcoin::hashes::Hash as _;
use bitcoin::psbt::Psbt;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, WPubkeyHash, Witness,
};
use quorate_chains::{Chain, KeyContext, effect_of};
use quorate_intent::{Act, CreateKey, KeyStatement, Sign};
use quorate_testkit::{Cluster, CoordinatorDouble, Outcome, Proposal};
use quorate_types::{
    Algorithm, ChainId, Committee, Curve, MessageType, ProtocolName, Rights, Threshold,
};
use quorate_verify::Signature;

use crate::support::{indices, run, start};

async fn create(cluster: &Cluster, doubles: &mut [CoordinatorDouble]) -> KeyStatement {
    let nodes = cluster.node_ids();
    let create = CreateKey {
        algorithm: Algorithm::Ecdsa,
        curve: Curve::Secp256k1,
        protocol: ProtocolName::new("dkls23").unwrap(),
        threshold: Threshold::new(2, nodes.len() as u64).unwrap(),
        committee: Committee::new(nodes).unwrap(),
        chain: ChainId::new("bitcoin-regtest").unwrap(),
        address_kind: "default".to_owned(),
        rights: Rights::default(),
    };
    let intent = cluster.client.intent(Act::CreateKey(create)).unwrap();
    let proposal = Proposal::new(intent, &[]).unwrap();
    let everyone: Vec<usize> = (0..doubles.len()).collect();
    match run(doubles, &everyone, &proposal).await.pop() {
        Some(Outcome::Created(certificate)) => certificate.statement,
        outcome => panic!("not created: {outcome:?}"),
    }
}

/// Spends so many coins of the key.
fn psbt(key: &KeyStatement, inputs: u32) -> Vec<u8> {
    let own = ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(&key.public_key));
    let coin = |satoshi| TxOut {
        value: Amount::from_sat(satoshi),
        script_pubkey: own.clone(),
    };
    let transaction = |input, output| Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input,
        output,
    };
    let spent = |txid, vout| TxIn {
        previous_output: OutPoint::new(txid, vout),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let funds = (0..inputs).map(|_| coin(10_000)).collect();
    let funding = transaction(vec![spent(Txid::from_byte_array([7; 32]), 0)], funds);
    let inputs = (0..inputs).map(|number| spent(funding.compute_txid(), number));
    let inputs: Vec<TxIn> = inputs.collect();
    let change = coin(10_000 * inputs.len() as u64 - 5_000);
    let mut psbt = Psbt::from_unsigned_tx(transaction(inputs, vec![change])).unwrap();
    for input in &mut psbt.inputs {
        input.witness_utxo = Some(coin(10_000));
        input.non_witness_utxo = Some(funding.clone());
    }
    psbt.serialize()
}

fn proposal(cluster: &Cluster, key: &KeyStatement, payload: &[u8], at: &[usize]) -> Proposal {
    let act = Act::Sign(Sign {
        key: key.key,
        path: "m".to_owned(),
        chain: key.chain.clone(),
        message_type: MessageType::Transaction,
        payload: payload.to_vec(),
    });
    Proposal::new(cluster.client.intent(act).unwrap(), &indices(at)).unwrap()
}

/// Each signature stands in the place of its input.
fn must_fit(outcome: &Outcome, key: &KeyStatement, payload: &[u8]) {
    let Outcome::Signed(signatures) = outcome else {
        panic!("not signed: {outcome:?}")
    };
    let context = KeyContext {
        chain: Chain::parse(&key.chain).unwrap(),
        algorithm: key.algorithm,
        rights: &key.rights,
        address_kind: &key.address_kind,
        public_key: &key.public_key,
    };
    let effect = effect_of(&context, MessageType::Transaction, payload).unwrap();
    assert_eq!(signatures.len(), effect.targets.len());
    let mut nonces = BTreeSet::new();
    for (bytes, target) in signatures.iter().zip(&effect.targets) {
        let signature = Signature::from_wire(key.algorithm, bytes).unwrap();
        target.verify(&key.public_key, &signature).unwrap();
        assert!(nonces.insert(bytes[..32].to_vec()), "a nonce of its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_all_inputs__must_be_signed_in_their_order_with_nonces_of_their_own() {
    let (cluster, mut doubles) = start(2).await;
    let key = create(&cluster, &mut doubles).await;
    for inputs in [1, 2, 9, 40] {
        let payload = psbt(&key, inputs);
        let proposal = proposal(&cluster, &key, &payload, &[0, 1]);
        for outcome in run(&mut doubles, &[0, 1], &proposal).await {
            must_fit(&outcome, &key, &payload);
        }
    }
}

#[cfg(feature = "danger_byzantine")]
#[tokio::test(flavor = "multi_thread")]
async fn inputs__should_not_wait_for_the_one_before_and_end_together() {
    use std::collections::BTreeMap;

    use crate::support::{byzantine, start_with};

    let mut options = byzantine(2);
    options.set_limit("sign_round_timeout_ms", 2_000);
    let (cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles).await;
    let record = cluster.folder().join("sent.txt");
    // The second node says nothing for the first input.
    let script = format!("record {}\nlie mute sign 1", record.display());
    cluster.script(1, &script).unwrap();
    let payload = psbt(&key, 3);
    let stuck = proposal(&cluster, &key, &payload, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &stuck).await {
        assert!(matches!(outcome, Outcome::Aborted(_)), "{outcome:?}");
    }
    let text = std::fs::read_to_string(&record).unwrap();
    let mut rounds: BTreeMap<&str, u8> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.ends_with("Abort")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let last = rounds.entry(words[1]).or_default();
        *last = words[2].parse::<u8>().unwrap().max(*last);
    }
    assert_eq!(rounds.into_values().collect::<Vec<_>>(), [3, 3]);
    // Nothing is left behind: the next one goes through.
    cluster.script(1, "").unwrap();
    let again = proposal(&cluster, &key, &payload, &[0, 1]);
    for outcome in run(&mut doubles, &[0, 1], &again).await {
        must_fit(&outcome, &key, &payload);
    }
}

#[cfg(feature = "danger_byzantine")]
#[tokio::test(flavor = "multi_thread")]
async fn coordinator__should_see_every_input_move_the_session_on() {
    use crate::support::{byzantine, start_with};

    let mut options = byzantine(2);
    // Only its end by our own word ends this session.
    options.set_limit("sign_round_timeout_ms", 600_000);
    let (cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles).await;
    cluster.script(1, "lie mute sign 1").unwrap();
    let waiting = proposal(&cluster, &key, &psbt(&key, 40), &[0, 1]);
    for double in &mut doubles {
        double.open(&waiting).await.unwrap();
    }
    let mut step = 0;
    // All rounds of 39 inputs, and the first of the one that waits for its peer.
    while step < 39 * 3 + 1 {
        let progress = doubles[0].progress(waiting.session).await.unwrap();
        assert_eq!(progress.rounds, 40 * 3);
        assert!(progress.round > step, "it moves on: {progress:?}, {step}");
        step = progress.round;
        assert_eq!(progress.awaiting, [2]);
    }
    doubles[0].cancel(waiting.session).await.unwrap();
    for double in &mut doubles {
        let outcome = double.outcome(waiting.session).await.unwrap();
        assert!(matches!(outcome, Outcome::Aborted(_)), "{outcome:?}");
    }
}

#[cfg(feature = "danger_byzantine")]
#[tokio::test(flavor = "multi_thread")]
async fn first_input_that_fails__must_end_the_others_and_name_who_made_it_fail() {
    use crate::support::{byzantine, start_with};

    let mut options = byzantine(2);
    // Nothing here ends by time: an input that waits for a silent one would be seen to hang.
    options.set_limit("sign_round_timeout_ms", 60_000);
    let (cluster, mut doubles) = start_with(options).await;
    let key = create(&cluster, &mut doubles).await;
    cluster
        .script(1, "lie mute sign 1\nlie garbage other 1")
        .unwrap();
    let proposal = proposal(&cluster, &key, &psbt(&key, 3), &[0, 1]);
    let outcomes = run(&mut doubles, &[0, 1], &proposal).await;
    let Outcome::Aborted(aborted) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(aborted.reason, "protocol_violation", "{outcomes:?}");
    assert_eq!(aborted.culprits, [2]);
}
