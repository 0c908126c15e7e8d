//! The same shares in two engines: ours and the crate `dkls23`, which nobody here wrote. Both make
//! signatures under the same key; k256 accepts each.

use dkls23::protocols::derivation::DerivData;
use dkls23::protocols::signing::SignData;
use dkls23::protocols::{Parameters, Party, PartyIndex as Index};
use dkls23::utilities::multiplication::{MulReceiver, MulSender};
use dkls23::utilities::zero_shares::ZeroShare;
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{Signature, VerifyingKey};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::group::GroupEncoding;
use k256::{AffinePoint, Scalar, Secp256k1};
use quorate_dkls23::ShareInput;
use quorate_types::PartyIndex;

use crate::committee::{TWO_OF_THREE, deal, digest, index};
use crate::signing;

type State = (MulSender<Secp256k1>, MulReceiver<Secp256k1>);

/// State of both parties for products in both directions, by the crate alone.
fn pair() -> [State; 2] {
    let one_way = |id: &[u8]| {
        let (ot_sender, key_proof, nonce) = MulReceiver::init_phase1(id);
        let (ot_receiver, correlation, vec_r, proofs) = MulSender::init_phase1(id);
        let seed = ot_receiver.seed;
        let receiver = MulReceiver::init_phase2(&ot_sender, id, &seed, &proofs, &nonce).unwrap();
        let sender =
            MulSender::init_phase2(&ot_receiver, id, correlation, &vec_r, &key_proof, &nonce);
        (sender.unwrap(), receiver)
    };
    let (sender_second, receiver_first) = one_way(b"first receives");
    let (sender_first, receiver_second) = one_way(b"second receives");
    [
        (sender_first, receiver_first),
        (sender_second, receiver_second),
    ]
}

fn their(party: PartyIndex) -> Index {
    Index::new(party.get()).unwrap()
}

fn party(share: &ShareInput, peer: PartyIndex, seeds: [u8; 2], state: State) -> Party<Secp256k1> {
    let scalar = Scalar::from_repr((*share.share).into()).unwrap();
    let key = AffinePoint::from_bytes(&share.public_key.into()).unwrap();
    let (me, peer) = (their(share.index), their(peer));
    let zero = ZeroShare::generate_seed_pair(me, peer, &[seeds[0]; 32], &[seeds[1]; 32]);
    Party {
        parameters: Parameters {
            threshold: share.threshold.min_signers(),
            share_count: share.threshold.max_signers(),
        },
        party_index: me,
        session_id: b"independent check".to_vec(),
        poly_point: scalar,
        pk: key,
        zero_share: ZeroShare::initialize(vec![zero]),
        mul_senders: [(peer, state.0)].into(),
        mul_receivers: [(peer, state.1)].into(),
        derivation_data: DerivData {
            depth: 0,
            child_number: 0,
            parent_fingerprint: [0; 4],
            poly_point: scalar,
            pk: key,
            chain_code: share.chain_code,
        },
        address: String::new(),
    }
}

/// `r ‖ s` by the crate: its four phases, passed by hand.
fn sign_with_the_crate(parties: &[Party<Secp256k1>; 2], message: [u8; 32]) -> Vec<u8> {
    let data = |peer: Index| SignData {
        sign_id: b"one".to_vec(),
        counterparties: vec![peer],
        message_hash: message,
    };
    let [first, second] = parties;
    let (data_first, data_second) = (data(second.party_index), data(first.party_index));
    let (unique_1, kept_1, sent_1) = first.sign_phase1(&data_first).unwrap();
    let (unique_2, kept_2, sent_2) = second.sign_phase1(&data_second).unwrap();
    let (unique_1, kept_1, to_2) = first
        .sign_phase2(&data_first, unique_1, kept_1, &sent_2)
        .unwrap();
    let (unique_2, kept_2, to_1) = second
        .sign_phase2(&data_second, unique_2, kept_2, &sent_1)
        .unwrap();
    let (x, share_1) = first
        .sign_phase3(&data_first, unique_1, kept_1, &to_1)
        .unwrap();
    let (_, share_2) = second
        .sign_phase3(&data_second, unique_2, kept_2, &to_2)
        .unwrap();
    let s = (share_1.w + share_2.w) * (share_1.u + share_2.u).invert().unwrap();
    let mut bytes = hex::decode(x).unwrap();
    bytes.extend_from_slice(s.to_repr().as_slice());
    bytes
}

#[test]
fn shares__should_sign_in_our_engine_and_in_the_crate() {
    let inputs = deal(2, 3, 7);
    let key = VerifyingKey::from_sec1_bytes(&TWO_OF_THREE.public_key).unwrap();
    let [state_1, state_2] = pair();
    let (one, two) = (index(1), index(2));
    let parties = [
        party(&inputs[&one], two, [1, 2], state_1),
        party(&inputs[&two], one, [2, 1], state_2),
    ];
    for number in 0..3 {
        let message = digest(&format!("both engines {number}"));
        let theirs = Signature::from_slice(&sign_with_the_crate(&parties, message)).unwrap();
        key.verify_prehash(&message, &theirs.normalize_s()).unwrap();

        let session = [100 + number; 16];
        let outcomes = signing::sign(&TWO_OF_THREE, &[one, two], session, message);
        let ours = signing::must_be_one_valid_signature(&TWO_OF_THREE, outcomes, message);
        assert_ne!(
            ours.r().as_slice(),
            &theirs.to_bytes()[..32],
            "nonces are fresh"
        );
    }
}
