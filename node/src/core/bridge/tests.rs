//! The bridge against a reference model of the terms, and against plants that do not stand behind
//! what was signed.

mod crossing;
mod model;
mod random;
mod word;
