use quorate_types::Digest32;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::super::config::VersionRange;
use super::*;

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn public(secret: [u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(secret)).to_bytes()
}

/// A node named `name` with the secret `[secret; 32]` that knows the nodes a (1), b (2), c (3).
fn node(name: &str, secret: u8, cluster: u8) -> LinkConfig {
    let context = Digest32::from_array([cluster; 32]);
    let mut config = LinkConfig::new(id(name), Zeroizing::new([secret; 32]), context);
    for (peer, key) in [("a", 1), ("b", 2), ("c", 3)] {
        if peer != name {
            let peer_config = Peer {
                address: String::new(),
                static_key: public([key; 32]),
            };
            config.peers.insert(id(peer), peer_config);
        }
    }
    config
}

fn first_message<'a>(from: &'a LinkConfig, to: &str) -> (Initiator<'a>, Vec<u8>) {
    Initiator::start(from, &id(to), &from.peers[&id(to)], None).unwrap()
}

fn refusal(responder: &LinkConfig, message: &[u8]) -> Refused {
    Unconfirmed::answer(responder, message)
        .map(drop)
        .unwrap_err()
}

#[test]
fn handshake__should_give_both_sides_one_session() {
    let (a, b) = (node("a", 1, 0), node("b", 2, 0));
    let (initiator, message) = first_message(&a, "b");
    let (unconfirmed, reply) = Unconfirmed::answer(&b, &message).unwrap();
    let (at_a, confirmation) = initiator.finish(&reply).unwrap();
    let at_b = unconfirmed.confirm(&confirmation).unwrap();
    assert_eq!((at_a.peer, at_b.peer), (id("b"), id("a")));
    assert_eq!(at_a.link_id, at_b.link_id);
    assert_eq!((at_a.version, at_b.version), (1, 1));
}

#[test]
fn d12_handshake__must_refuse_a_valid_node_id_with_another_key() {
    // a's id, but the key of somebody who is in no manifest.
    let (impostor, b) = (node("a", 66, 0), node("b", 2, 0));
    let refused = refusal(&b, &first_message(&impostor, "b").1);
    assert_eq!(
        (refused.why, refused.claimed),
        (Refusal::WrongKey, Some(id("a")))
    );
    // The same with the key of another node of the manifest.
    let (member, c) = (node("a", 2, 0), node("c", 3, 0));
    let refused = refusal(&c, &first_message(&member, "c").1);
    assert_eq!(
        (refused.why, refused.claimed),
        (Refusal::WrongKey, Some(id("a")))
    );
    assert!(refused.reply.is_none(), "strangers get no answer");
}

#[test]
fn d12_handshake__must_not_finish_with_a_responder_that_lacks_the_manifest_key() {
    let (a, false_b) = (node("a", 1, 0), node("b", 66, 0));
    let (_, message) = first_message(&a, "b");
    assert_eq!(refusal(&false_b, &message).why, Refusal::Undecryptable);
}

#[test]
fn handshake__must_refuse_nodes_that_are_not_in_the_manifest() {
    let (stranger, b) = (node("0", 66, 0), node("b", 2, 0));
    let refused = refusal(&b, &first_message(&stranger, "b").1);
    assert_eq!((refused.why, refused.claimed), (Refusal::UnknownNode, None));
}

#[test]
fn handshake__must_refuse_another_cluster_and_another_destination() {
    let (a, other_b) = (node("a", 1, 0), node("b", 2, 1));
    assert_eq!(
        refusal(&other_b, &first_message(&a, "b").1).why,
        Refusal::Undecryptable
    );
    // b's key under c's name: the message to b does not open at c.
    let (b_as_c, _) = (node("c", 2, 0), ());
    assert_eq!(
        refusal(&b_as_c, &first_message(&a, "b").1).why,
        Refusal::Undecryptable
    );
}

#[test]
fn handshake__must_refuse_a_dialler_with_the_larger_id() {
    let (a, b) = (node("a", 1, 0), node("b", 2, 0));
    let refused = refusal(&a, &first_message(&b, "a").1);
    assert_eq!(
        (refused.why, refused.claimed),
        (Refusal::WrongDirection, Some(id("b")))
    );
}

#[test]
fn handshake__must_refuse_every_flipped_byte() {
    let (a, b) = (node("a", 1, 0), node("b", 2, 0));
    let (_, message) = first_message(&a, "b");
    for position in 0..message.len() {
        let mut flipped = message.clone();
        flipped[position] ^= 1;
        assert_eq!(
            refusal(&b, &flipped).why,
            Refusal::Undecryptable,
            "byte {position}"
        );
    }
    let length = Unconfirmed::answer(&b, &message).unwrap().1.len();
    for position in 0..length {
        let (initiator, message) = first_message(&a, "b");
        let (_, mut reply) = Unconfirmed::answer(&b, &message).unwrap();
        reply[position] ^= 1;
        assert_eq!(
            initiator.finish(&reply).map(drop),
            Err(Refusal::Undecryptable)
        );
    }
}

#[test]
fn handshake__must_not_accept_a_replayed_first_message_as_a_link() {
    let (a, b) = (node("a", 1, 0), node("b", 2, 0));
    let (initiator, message) = first_message(&a, "b");
    let (_, reply) = Unconfirmed::answer(&b, &message).unwrap();
    let (_, confirmation) = initiator.finish(&reply).unwrap();
    // The attacker replays both of a's messages. b's ephemeral key is new, so the second is void.
    let (replayed, _) = Unconfirmed::answer(&b, &message).unwrap();
    assert_eq!(
        replayed.confirm(&confirmation).map(drop),
        Err(Refusal::Unconfirmed)
    );
}

#[test]
fn handshake__should_agree_on_the_highest_common_version_and_say_when_there_is_none() {
    let mut a = node("a", 1, 0);
    let mut b = node("b", 2, 0);
    a.versions = VersionRange { min: 1, max: 2 };
    b.versions = VersionRange { min: 2, max: 3 };
    let (initiator, message) = first_message(&a, "b");
    let (_, reply) = Unconfirmed::answer(&b, &message).unwrap();
    assert_eq!(initiator.finish(&reply).unwrap().0.version, 2);

    b.versions = VersionRange { min: 3, max: 3 };
    let (initiator, message) = first_message(&a, "b");
    let refused = refusal(&b, &message);
    assert_eq!(
        (refused.why, refused.claimed),
        (Refusal::NoCommonVersion, Some(id("a")))
    );
    let told = initiator.finish(&refused.reply.unwrap());
    assert_eq!(told.map(drop), Err(Refusal::NoCommonVersion));
}

#[test]
fn handshake__must_not_let_the_responder_downgrade_in_silence() {
    let mut a = node("a", 1, 0);
    a.versions = VersionRange { min: 1, max: 2 };
    let b = node("b", 2, 0);
    let answer = |welcome: Welcome| {
        let (initiator, message) = first_message(&a, "b");
        let prologue = prologue(&b, &b.me);
        let mut noise = builder(&b, &prologue).unwrap().build_responder().unwrap();
        read(&mut noise, &message).unwrap();
        let reply = write(&mut noise, &welcome.to_bytes()).unwrap();
        initiator.finish(&reply).map(drop)
    };
    let versions = VersionRange { min: 1, max: 2 };
    let lower = Welcome {
        node: id("b"),
        versions,
        chosen: 1,
    };
    assert_eq!(answer(lower), Err(Refusal::Downgraded));
    let renamed = Welcome {
        node: id("c"),
        versions,
        chosen: 2,
    };
    assert_eq!(answer(renamed), Err(Refusal::WrongResponder));
    let honest = Welcome {
        node: id("b"),
        versions,
        chosen: 2,
    };
    assert_eq!(answer(honest), Ok(()));
}

#[tokio::test]
async fn handshake__must_refuse_long_messages_before_reading_them() {
    let (mut near, mut far) = tokio::io::duplex(64);
    near.write_all(&u16::MAX.to_be_bytes()).await.unwrap();
    let refused = answer(&mut far, &node("b", 2, 0))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(refused.why, Refusal::TooLong);
}
