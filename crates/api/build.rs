//! Compiles `proto/` without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Asked for when it runs, not when it is compiled: checkouts may share one build cache.
    let root = format!("{}/../../proto", std::env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed={root}");
    println!("cargo:rerun-if-env-changed=CARGO_MANIFEST_DIR");
    let files = protox::compile(["mpc/v1/node.proto"], [root])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
