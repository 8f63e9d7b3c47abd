//! The plant plane: the closed mesh of one company.
pub mod delivery;
pub mod ledger;
pub mod log;
pub mod redeem;
pub mod roster;
