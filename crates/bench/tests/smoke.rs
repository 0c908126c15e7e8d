//! A short run of the whole: everything is measured, every figure is a cost. The program itself
//! verifies each signature and ends with an error if one is not valid.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Command;

use serde_json::Value;

/// What each section must hold: engine, what, and its parts beside the total.
const EXPECTED: &[(&str, &str, &str, &[&str])] = &[
    ("kernels", "quorate", "AES hash, 128 to 5 blocks", &[]),
    ("kernels", "quorate", "AES hash, 2 x 416 to 6 blocks", &[]),
    ("kernels", "quorate", "bit transpose, 128 x 416", &[]),
    ("kernels", "quorate", "check hash, 128 rows", &[]),
    ("kernels", "quorate", "3 x 416 corrections", &[]),
    ("kernels", "quorate", "416 combined, two sums, sender", &[]),
    (
        "kernels",
        "quorate",
        "416 combined, two sums, receiver",
        &[],
    ),
    ("kernels", "quorate", "multiple of the base point", &[]),
    (
        "kernels",
        "quorate",
        "three multiples of the base point",
        &[],
    ),
    ("kernels", "libsecp256k1", "multiple of the base point", &[]),
    (
        "kernels",
        "libsecp256k1",
        "multiple of the base point, safe",
        &[],
    ),
    (
        "kernels",
        "libsecp256k1",
        "multiple of any point (ECDH)",
        &[],
    ),
    (
        "kernels",
        "libsecp256k1",
        "public multiple of any point",
        &[],
    ),
    (
        "kernels",
        "libsecp256k1",
        "public multiple of any point, short",
        &[],
    ),
    ("kernels", "libsecp256k1", "ECDSA verified", &[]),
    ("kernels", "quorate", "ECDSA recovered", &[]),
    ("kernels", "libsecp256k1", "BIP340 verified", &[]),
    ("kernels", "quorate", "ECDSA verified, known key", &[]),
    ("kernels", "quorate", "BIP340 verified, known key", &[]),
    ("kernels", "quorate", "table of a public key", &[]),
    ("kernels", "quorate", "Ed25519 verified", &[]),
    ("kernels", "blake3", "BLAKE3, 39 936 bytes", &[]),
    ("kernels", "sha2", "SHA-256, 39 936 bytes", &[]),
    (
        "ECDSA",
        "quorate",
        "set-up of a pair",
        &["start", "base OTs", "confirmation", "driver"],
    ),
    ("ECDSA", "quorate", "load of a pair", &[]),
    ("ECDSA", "dkls23 0.6.2", "set-up of a pair", &[]),
    ("Schnorr", "quorate", "Ed25519 stock of 64, made", &[]),
    ("Schnorr", "quorate", "Ed25519 stock of 64, checked", &[]),
    ("Schnorr", "quorate", "BIP340 stock of 64, made", &[]),
    ("Schnorr", "quorate", "BIP340 stock of 64, checked", &[]),
];

const OUR_KEYGEN: &[&str] = &["start", "commit", "reveal", "shares", "driver"];
const OUR_ECDSA: &[&str] = &["start", "extension", "product", "signature share", "driver"];
const OUR_FROST: &[&str] = &["start", "hear", "commitments", "signature share", "driver"];
const OUR_STOCKED: &[&str] = &["start", "hear", "commitments", "driver"];
const THEIR_DKLS23: &[&str] = &["phase 1", "phase 2", "phase 3", "phase 4"];
const THEIR_TRIPLES: &[&str] = &["two triples", "presignature", "signature"];
const THEIR_FROST: &[&str] = &["commitments", "signature share", "aggregation"];

/// Rows that are there for several committees.
fn expected_by_committee() -> Vec<(&'static str, &'static str, String, &'static [&'static str])> {
    let mut rows = Vec::new();
    for of in ["2-of-3", "3-of-5", "10-of-20"] {
        for curve in ["secp256k1", "ed25519"] {
            rows.push((
                "key generation",
                "quorate",
                format!("{curve} {of}"),
                OUR_KEYGEN,
            ));
        }
    }
    for of in ["2-of-3", "3-of-5", "5-of-9", "10-of-20"] {
        let check = format!("check of a share {of}");
        rows.push(("ECDSA", "quorate", format!("sign {of}"), OUR_ECDSA));
        rows.push(("ECDSA", "quorate", check.clone(), &[]));
        rows.push(("ECDSA", "dkls23 0.6.2", format!("sign {of}"), THEIR_DKLS23));
        for (scheme, theirs) in [
            ("Ed25519", "frost-ed25519 3.0.0"),
            ("BIP340", "frost-secp256k1-tr 3.0.0"),
        ] {
            let sign = format!("{scheme} sign {of}");
            rows.push(("Schnorr", "quorate", sign.clone(), OUR_FROST));
            let stocked = format!("{sign}, stocked nonces");
            rows.push(("Schnorr", "quorate", stocked, OUR_STOCKED));
            rows.push(("Schnorr", "quorate", format!("{scheme} {check}"), &[]));
            rows.push(("Schnorr", theirs, sign, THEIR_FROST));
        }
        let key_path = format!("BIP340 sign {of}, key path");
        rows.push(("Schnorr", "quorate", key_path, OUR_FROST));
    }
    for of in ["2-of-3", "3-of-5"] {
        rows.push((
            "ECDSA",
            "cait-sith 0.8.0",
            format!("key generation {of}"),
            &[],
        ));
        rows.push((
            "ECDSA",
            "cait-sith 0.8.0",
            format!("sign {of}"),
            THEIR_TRIPLES,
        ));
    }
    rows
}

fn quick_run() -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("engine.json");
    let output = Command::new(env!("CARGO_BIN_EXE_quorate-bench"))
        .arg("--quick")
        .arg("--save")
        .arg(&file)
        .output()
        .unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let json = std::fs::read(file).unwrap();
    (serde_json::from_slice(&json).unwrap(), table)
}

#[test]
fn quick_run__should_give_every_row_with_its_cost() {
    let (report, table) = quick_run();
    let rows = report["rows"].as_array().unwrap();
    let name = |row: &Value| {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (text("section"), text("engine"), text("what"), text("part"))
    };
    let found: Vec<_> = rows.iter().map(name).collect();

    let always = EXPECTED.iter().map(|(section, engine, what, parts)| {
        let what = (*what).to_owned();
        (*section, *engine, what, *parts)
    });
    let expected: Vec<_> = always
        .chain(expected_by_committee())
        .flat_map(|(section, engine, what, parts)| {
            let all = parts.iter().copied().chain(["total"]);
            all.map(move |part| {
                let [section, engine, part] = [section, engine, part].map(str::to_owned);
                (section, engine, what.clone(), part)
            })
        })
        .collect();
    for row in &expected {
        assert!(found.contains(row), "{row:?} is missing");
    }
    assert_eq!(found.len(), expected.len(), "rows that nobody expects");

    for row in rows {
        for figure in ["cpu_us", "lowest_cpu_us", "all_parties_cpu_us"] {
            assert!(row[figure].as_f64().unwrap() > 0.0, "{figure} of {row}");
        }
        assert!(
            row["lowest_cpu_us"].as_f64() <= row["cpu_us"].as_f64(),
            "{row}"
        );
        assert!(table.contains(row["what"].as_str().unwrap()), "{row}");
    }
    assert_eq!(report["is_quick"], true);
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
}
