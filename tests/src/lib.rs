//! A real control plane, for the demo, the end-to-end tests and the benchmarks.

pub mod arbitrary;
pub mod cluster;
pub mod control_plane;
pub mod corpus;
pub mod fuzz;
pub mod host;
pub mod implementation;
pub mod stage;
pub mod stepped;
pub mod traffic;
