//! Writes the seeds of the fuzz targets into folders: `fuzz-seeds DIR`. For `make fuzz`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ofn_tests::fuzz::{TARGETS, seeds};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.context("usage: fuzz-seeds DIR")?;
    for (target, _) in TARGETS {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds(target)?.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}
