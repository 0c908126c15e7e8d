//! The command line: what it takes, what it refuses, and its help.

#![allow(non_snake_case, reason = "test names are subject__should_result")]
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use quorate_cli::args::Cli;

fn refusal(arguments: &str) -> ErrorKind {
    let words = ["quorate"].into_iter().chain(arguments.split_whitespace());
    match Cli::try_parse_from(words) {
        Ok(_) => panic!("`{arguments}` was taken"),
        Err(error) => error.kind(),
    }
}

fn takes(arguments: &str) {
    let words = ["quorate"].into_iter().chain(arguments.split_whitespace());
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("`{arguments}`: {error}");
    }
}

#[test]
fn definition__should_be_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn commands__should_take_what_the_documentation_says() {
    for arguments in [
        "dev",
        "dev --dir d --nodes 5 --http 127.0.0.1:9000 --detach",
        "dev stop --dir d",
        "dev status --dir d --json",
        "dev start-node --dir d node-1",
        "dev stop-node node-1 --kill --dir d",
        "coordinator --config coordinator.toml",
        "key create --chain ethereum --threshold 2 --nodes 3 --name hot --tag a --tag b",
        "key create --threshold 2 --node node-1 --node node-3 --right raw_hash --algorithm ECDSA",
        "sign-batch --key key_x --tx-file transactions.txt --expires-in 60",
        "key list --status Active --limit 10",
        "key show key_x --config c.toml",
        "key update key_x --no-tags",
        "sign --key key_x --tx 02c0",
        "sign --key key_x --tx-file - --idempotency-key payment-7",
        "sign --key key_x --raw-hash 00",
        "sign --key key_x --message hello",
        "verify --key key_x --tx 02 --signature 00",
        "verify --public-key 02 --signature 00 --message-hex 00",
        "session show ses_x",
        "session watch ses_x",
        "session list --key key_x --intent-digest 00",
        "session cancel ses_x",
        "node list",
        "node show node-1",
        "tx ethereum --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --value 0.1ether --nonce 0 \
         --gas 21000 --max-fee 20gwei --priority-fee 1gwei --chain-id 31337 --data 00",
        "intent build create-key --threshold 2",
        "tx bitcoin --public-key 02 --algorithm ECDSA --chain bitcoin \
         --input abababababababababababababababababababababababababababababababab:0 \
         --previous-tx 02 --to bc1q=0.1btc --to 1x=700 --fee-rate 3 --no-replacement",
        "tx solana --from 8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR9 \
         --to 8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR9 --amount 0.1sol \
         --blockhash 8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR9 --message-version 0",
        "node enroll install --dir d --approval a --authority-fingerprint 12ab",
        "intent build sign --key key_x --tx 02",
        "intent show 00",
        "config show",
        "doctor",
        "bench sign --concurrency 1,16 --seconds 5 --warmup 1 --threshold 3 --nodes 5 --save f",
        "bench sign --rate 50.5 --key key_x",
        "bench keygen --seconds 5",
        "completion bash",
    ] {
        takes(arguments);
    }
}

#[test]
fn sign__must_have_exactly_one_payload() {
    assert_eq!(refusal("sign --key k"), ErrorKind::MissingRequiredArgument);
    assert_eq!(
        refusal("sign --key k --tx 00 --raw-hash 00"),
        ErrorKind::ArgumentConflict
    );
    assert_eq!(refusal("sign --tx 00"), ErrorKind::MissingRequiredArgument);
}

#[test]
fn committee__must_be_named_in_one_way() {
    assert_eq!(
        refusal("key create --nodes 3 --node node-1"),
        ErrorKind::ArgumentConflict
    );
}

#[test]
fn verify__must_have_a_key() {
    assert_eq!(
        refusal("verify --tx 00 --signature 00"),
        ErrorKind::MissingRequiredArgument
    );
    let both = "verify --key k --public-key 02 --tx 00 --signature 00";
    assert_eq!(refusal(both), ErrorKind::ArgumentConflict);
}

#[test]
fn values__must_be_readable() {
    let address = "tx ethereum --to 0x7099 --nonce 0 --max-fee 1 --chain-id 1";
    assert_eq!(refusal(address), ErrorKind::ValueValidation);
    assert_eq!(refusal("dev --http nowhere"), ErrorKind::ValueValidation);
    let solana = "tx solana --from 1 --to 1 --amount 1 --blockhash 1";
    assert_eq!(refusal(solana), ErrorKind::ValueValidation);
    let bitcoin = "tx bitcoin --public-key 02 --algorithm ECDSA --chain bitcoin --to a=1 --fee 1";
    assert_eq!(refusal(bitcoin), ErrorKind::MissingRequiredArgument);
    let coin = format!("{bitcoin} --input {}", "ab".repeat(32));
    assert_eq!(refusal(&coin), ErrorKind::ValueValidation);
    let coin = format!("{coin}:0 --fee-rate 1");
    assert_eq!(refusal(&coin), ErrorKind::ArgumentConflict);
    assert_eq!(
        refusal("bench sign --concurrency 1,x"),
        ErrorKind::ValueValidation
    );
    assert_eq!(refusal("frobnicate"), ErrorKind::InvalidSubcommand);
}

/// `QUORATE_BLESS=1 cargo test -p quorate-cli --test command_line` rewrites the files.
#[test]
fn help__should_be_what_was_agreed() {
    let commands: &[&[&str]] = &[
        &[],
        &["dev"],
        &["key", "create"],
        &["sign"],
        &["verify"],
        &["session"],
        &["tx", "ethereum"],
        &["tx", "bitcoin"],
        &["tx", "solana"],
        &["node", "enroll", "install"],
        &["bench", "sign"],
    ];
    for path in commands {
        let mut root = Cli::command();
        root.build();
        let mut command = &mut root;
        for name in *path {
            command = command.find_subcommand_mut(name).unwrap();
        }
        let found = format!("{}\n", command.render_help());
        let found = found
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect::<String>();
        let name = if path.is_empty() {
            "quorate".to_owned()
        } else {
            path.join("-")
        };
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let file = format!("{root}/tests/golden/{name}.txt");
        if std::env::var_os("QUORATE_BLESS").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        let agreed = std::fs::read_to_string(&file).unwrap();
        assert_eq!(found, agreed, "{file}");
    }
}
