//! Tests of the state machine, by subject.
//!
//! A test plays the shell: it feeds inputs, carries out effects as far as it likes, and looks at
//! what a node says and at what is on its disk.

mod addresses;
mod adopting;
mod ahead;
mod called;
mod calling;
mod credentials;
mod dialling;
mod duplicates;
mod durable;
mod holes;
mod journal;
mod keeping;
mod liveness;
mod lost_data;
mod members_only;
mod mesh;
mod observers;
mod offering;
mod own_log;
mod redeemer_crashes;
mod redeeming;
mod settling;
mod stage;
mod stolen_branches;
mod storing;
mod strange_lives;
mod syncing;
