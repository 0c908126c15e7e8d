//! Every digest is that of its fields, each with a length of its own: a table of all of them.

use quorate_types::MAX_PARTIES;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

/// One function: the tag and lengths of its fields, and the function itself.
struct Row {
    tag: &'static [u8],
    lengths: &'static [usize],
    hash: fn(&[&[u8]]) -> [u8; 32],
    /// What it makes of the digest of its fields.
    made_of: fn(Digest32) -> [u8; 32],
}

const fn row(tag: &'static [u8], lengths: &'static [usize], hash: fn(&[&[u8]]) -> [u8; 32]) -> Row {
    let made_of = |digest: Digest32| *digest.as_bytes();
    Row {
        tag,
        lengths,
        hash,
        made_of,
    }
}

fn array<const LENGTH: usize>(field: &[u8]) -> [u8; LENGTH] {
    field.try_into().unwrap()
}

fn digest(field: &[u8]) -> Digest32 {
    Digest32::from_array(array(field))
}

fn party(number: u8) -> PartyIndex {
    PartyIndex::new(number).unwrap()
}

fn pair(field: &[u8]) -> (PartyIndex, PartyIndex) {
    (party(field[0]), party(field[1]))
}

fn binding_of(f: &[&[u8]]) -> [u8; 32] {
    let nonces: Vec<[u8; 32]> = f[2..].iter().map(|nonce| array(nonce)).collect();
    let nonces: Vec<&[u8; 32]> = nonces.iter().collect();
    *binding(&digest(f[0]), f[1][0], pair(&f[1][1..]), &nonces).as_bytes()
}

fn session_of(f: &[&[u8]]) -> [u8; 32] {
    let (key, chain_code, message) = (array(f[1]), array(f[2]), array(f[3]));
    *session(&digest(f[0]), &key, &chain_code, &message, f[4]).as_bytes()
}

const BINDING: &[u8] = b"quorate dkls23 v2 binding";
const SESSION: &[u8] = b"quorate dkls23 v3 session";

/// Fields of up to this length are places: numbers from 1 to [`MAX_PARTIES`].
const PLACES: usize = 4;

fn rows() -> Vec<Row> {
    let mut rows = vec![
        row(b"quorate dkls23 v2 base OT", &[32, 1], |f| {
            *base_ots(&digest(f[0]), party(f[1][0])).as_bytes()
        }),
        row(b"quorate dkls23 v2 base OT seeds", &[32, 32, 32], |f| {
            *base_ot_seeds(&digest(f[0]), &array(f[1]), &array(f[2])).as_bytes()
        }),
        row(b"quorate dkls23 v2 offer", &[32, 192], |f| {
            *offer(&array(f[0]), f[1]).as_bytes()
        }),
        row(b"quorate dkls23 v2 generation", &[32, 32, 32], |f| {
            *generation(&digest(f[0]), [&digest(f[1]), &digest(f[2])]).as_bytes()
        }),
        row(b"quorate dkls23 v2 zero seed", &[32, 32, 32], |f| {
            *zero_seed(&digest(f[0]), [&array(f[1]), &array(f[2])])
        }),
        row(b"quorate dkls23 v2 confirmation", &[32, 32, 1], |f| {
            *confirmation(&digest(f[0]), &array(f[1]), party(f[2][0])).as_bytes()
        }),
        row(SESSION, &[32, 33, 32, 32, 2], session_of),
        row(SESSION, &[32, 33, 32, 32, 3], session_of),
        row(BINDING, &[32, 3], binding_of),
        row(BINDING, &[32, 3, 32, 32], binding_of),
        row(b"quorate dkls23 v2 commitment", &[32, 1, 65, 32], |f| {
            let (point, salt) = (array(f[2]), array(f[3]));
            *commitment(&digest(f[0]), party(f[1][0]), &point, &salt).as_bytes()
        }),
        row(b"quorate dkls23 v2 extension", &[32, 32, 2, 32], |f| {
            *extension(&digest(f[0]), &digest(f[1]), pair(f[2]), &array(f[3])).as_bytes()
        }),
        row(b"quorate dkls23 v3 matrix", &[32, 26, 32], |f| {
            *matrix(&digest(f[0]), f[1], &array(f[2])).as_bytes()
        }),
        row(b"quorate dkls23 v2 product", &[32, 32, 32], |f| {
            *product(&digest(f[0]), &digest(f[1]), &array(f[2])).as_bytes()
        }),
        row(b"quorate dkls23 v2 zero share", &[32, 32, 2, 32, 32], |f| {
            let nonces = (&array(f[3]), &array(f[4]));
            *zero(&array(f[0]), &digest(f[1]), pair(f[2]), nonces)
        }),
    ];
    // The length of a purpose is any.
    for lengths in [&[6, 32][..], &[13, 32]] {
        let of = |f: &[&[u8]]| *oracle(f[0], &digest(f[1])).finalize().as_bytes();
        let mut row = row(b"quorate dkls23 v2 oracle", lengths, of);
        row.made_of = |key| *blake3::keyed_hash(key.as_bytes(), &[]).as_bytes();
        rows.push(row);
    }
    let of = |f: &[&[u8]]| {
        let hasher = gadget(&digest(f[0]), party(f[1][0]));
        *hasher.finalize().as_bytes()
    };
    let mut gadget = row(b"quorate dkls23 v2 gadget id", &[32, 1], of);
    gadget.made_of = |id| *oracle(b"gadget", &id).finalize().as_bytes();
    rows.push(gadget);
    rows
}

fn fields(row: &Row, rng: &mut ChaCha20Rng) -> Vec<Vec<u8>> {
    let of_length = |length: &usize| {
        let mut field = vec![0; *length];
        rng.fill_bytes(&mut field);
        if *length < PLACES {
            field
                .iter_mut()
                .for_each(|byte| *byte = *byte % MAX_PARTIES + 1);
        }
        field
    };
    row.lengths.iter().map(of_length).collect()
}

fn views(fields: &[Vec<u8>]) -> Vec<&[u8]> {
    fields.iter().map(Vec::as_slice).collect()
}

#[test]
fn a5_id__must_change_with_every_byte_of_every_field() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    for row in rows() {
        let fields = fields(&row, &mut rng);
        let hash = (row.hash)(&views(&fields));
        for (number, field) in fields.iter().enumerate() {
            for at in 0..field.len() {
                let mut changed = fields.clone();
                let byte = &mut changed[number][at];
                *byte = if field.len() < PLACES {
                    *byte % MAX_PARTIES + 1
                } else {
                    *byte ^ 1
                };
                let changed = (row.hash)(&views(&changed));
                let tag = String::from_utf8_lossy(row.tag);
                assert_ne!(changed, hash, "{tag}: field {number}, byte {at}");
            }
        }
    }
}

/// A field of a fixed length has no byte to give away, so each function is first shown to hash
/// these very fields under this very tag, and then what that hash makes of any other split of them.
#[test]
fn a5_id__must_change_when_bytes_move_over_any_field_boundary() {
    let mut rng = ChaCha20Rng::seed_from_u64(55);
    for row in rows() {
        let tag = String::from_utf8_lossy(row.tag);
        let fields = fields(&row, &mut rng);
        let hash = (row.hash)(&views(&fields));
        let of = |parts: &[&[u8]]| (row.made_of)(Digest32::of(parts[0], &parts[1..]));
        let all = [&[row.tag][..], &views(&fields)].concat();
        assert_eq!(of(&all), hash, "{tag}: other fields, or another tag");

        let bytes = all.concat();
        let ends = |parts: &[&[u8]]| {
            let end = |sum: &mut usize, part: &&[u8]| {
                *sum += part.len();
                Some(*sum)
            };
            parts.iter().scan(0, end).collect::<Vec<usize>>()
        };
        let own = ends(&all);
        let split = |ends: &[usize]| {
            let starts = std::iter::once(&0).chain(ends);
            let parts = starts.zip(ends).map(|(start, end)| &bytes[*start..*end]);
            of(&parts.collect::<Vec<_>>())
        };
        assert_eq!(split(&own), hash);
        for boundary in 0..own.len() - 1 {
            let mut moved = own.clone();
            moved[boundary] -= 1;
            assert_ne!(
                split(&moved),
                hash,
                "{tag}: boundary {boundary}, to the right"
            );
            moved[boundary] += 2;
            assert_ne!(
                split(&moved),
                hash,
                "{tag}: boundary {boundary}, to the left"
            );
            // Two fields that are one.
            moved.remove(boundary);
            assert_ne!(split(&moved), hash, "{tag}: no boundary {boundary}");
        }
        for _ in 0..64 {
            let mut random: Vec<usize> = own.clone();
            let last = random.len() - 1;
            for end in &mut random[..last] {
                *end = usize::try_from(rng.next_u64() % (bytes.len() as u64 + 1)).unwrap();
            }
            random.sort_unstable();
            assert_eq!(split(&random) == hash, random == own, "{tag}: {random:?}");
        }
    }
}

#[test]
fn a5_id__must_differ_for_each_use_of_the_same_bytes() {
    let mut seen = std::collections::BTreeSet::new();
    for row in rows() {
        let ones: Vec<Vec<u8>> = row.lengths.iter().map(|length| vec![1; *length]).collect();
        assert!(seen.insert((row.hash)(&views(&ones))));
    }
    // All purposes of oracles.
    let id = digest(&[1; 32]);
    for purpose in [
        &b"gadget"[..],
        b"base OT seed",
        b"base OT point",
        b"OT check",
        b"OT rows",
        b"theta",
        b"mu",
        b"rho",
    ] {
        assert!(seen.insert(*oracle(purpose, &id).finalize().as_bytes()));
    }
}
