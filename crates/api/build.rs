//! Compiles `proto/` without a system `protoc`.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    // Asked for when it runs, not when it is compiled: checkouts may share one build cache.
    let root = format!("{}/../../proto", std::env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed={root}");
    println!("cargo:rerun-if-env-changed=CARGO_MANIFEST_DIR");
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true);
    compiler.open_files(proto_files(&Path::new(&root).join("mpc/v1"))?)?;
    // For reflection, without the comments.
    let bytes = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("mpc.v1.binpb"), bytes)?;
    compiler.include_source_info(true);
    let files = compiler.file_descriptor_set();
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}

/// All of them, in one order everywhere.
fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
