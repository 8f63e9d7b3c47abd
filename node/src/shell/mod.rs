//! The shell touches the outside: sockets, files, clocks, sensors. It decides nothing that the
//! core could decide.
//!
//! [`Node::start`] is the start-up story. Around the core's loop ([`runtime`]) run the plant's
//! swarm, the storage thread of the [`journal`], the [`local`] API and the sources.

mod allocator;
pub mod audit;
mod ballast;
mod belonging;
mod carrier;
mod clock;
pub mod commands;
mod configured;
mod contents;
mod core_handle;
mod counters;
pub mod daemon;
mod data;
mod data_effects;
mod data_writes;
mod durable;
mod embed;
mod erase;
mod frames;
mod fresh;
pub mod home;
pub mod items;
pub mod journal;
pub mod leases;
pub mod listen;
mod local;
mod news;
mod notify;
mod partner;
mod partners;
mod plant;
mod port_claim;
mod quantity;
mod reading;
mod refused;
mod run;
mod runtime;
mod showing;
mod source;
pub mod tokens;
mod values;
mod views;
pub mod visit;
mod voice;

pub use belonging::{FoundError, found, peek};
pub use contents::{CONTENTS, Kept};
pub use data::{DataError, SalvagedLog, salvage};
pub use durable::DurablePublisher;
pub use embed::NoTopic;
pub use erase::{Belonging, belonging, erase_home};
pub use news::News;
pub use partners::{PARTNER_PORT, PartnerPlaneError, PartnersError, papers};
pub use plant::live::{
    Arrived, Delivery, PublishError, Publisher, Samples, Series, SeriesDelivery, Subscription,
    TooManySubscribers,
};
pub use plant::swarm::PlaneError;
pub(crate) use quantity::resource;
pub use quantity::{bytes, duration};
pub use run::{Node, Options, StartError};
