//! One node of a gearmesh plant.
//!
//! ```text
//!                       protocol            what is on the wire and what is signed
//!                          ▲
//!         ┌────────────────┼─────────────────┐
//!         │                core              │   decides; opens nothing
//!         │                plant             │
//!         └────────────────▲─────────────────┘
//!         │                shell             │   moves bytes, records and timers
//!         │   plant · journal · local API    │
//!         └────────────────▲─────────────────┘
//!                     main.rs
//! ```

pub mod core;
pub mod shell;
