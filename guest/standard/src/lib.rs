//! The standard component: [`ofn_policy::Standard`] behind the contract's exports.

ofn_component::export!(ofn_policy::Standard);

#[cfg(test)]
mod tests;
