//! The host of the OpenFunction Gateway: it watches the cluster, asks a policy component what
//! should be there, and writes what is missing.
//!
//! A [`pass`] is the whole way, once, for one OpenFunction Gateway: observe, decide, vet, plan,
//! apply, report. All else serves it:
//!
//! - [`api`], [`names`], [`kubernetes_gateway`]: the objects and the names in them;
//! - [`sandbox`], [`policies`], [`conformance`]: the components, and whether they keep the contract;
//! - [`cluster`]: reading and writing objects, in a real cluster or offline;
//! - [`controller`]: when to make a pass;
//! - [`cli`]: the commands.

pub mod api;
pub mod cli;
pub mod cluster;
pub mod conformance;
pub mod controller;
pub mod kubernetes_gateway;
pub mod managed_fields;
mod metrics;
pub mod names;
pub mod pass;
pub mod policies;
pub mod sandbox;
