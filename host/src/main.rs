//! `ofn-gateway`: see [`ofn_gateway::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ofn_gateway::cli::main()
}
