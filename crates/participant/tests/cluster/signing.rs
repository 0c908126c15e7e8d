use crate::support::{create, run, start, transfer, transfer_digest, verified};

#[tokio::test(flavor = "multi_thread")]
async fn any_two_of_three__should_sign() {
    let (cluster, mut doubles) = start(3).await;
    let certificate = create(&cluster, &mut doubles, 2).await;
    let key = &certificate.statement;
    for (nonce, at) in [[0, 1], [0, 2], [1, 2]].iter().enumerate() {
        let nonce = nonce as u64;
        let proposal = transfer(&cluster, key.key, nonce, at);
        let outcomes = run(&mut doubles, at, &proposal).await;
        for outcome in outcomes {
            verified(&outcome, key, &transfer_digest(nonce));
        }
    }
}
