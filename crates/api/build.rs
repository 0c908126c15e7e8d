//! Compiles `proto/` without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    println!("cargo:rerun-if-changed={root}");
    let files = protox::compile(["mpc/v1/node.proto"], [root])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
