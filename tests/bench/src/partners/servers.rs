//! Servers and brokers of several companies: one that gives, and one of each partner.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use crate::programs::Places;
use crate::servers::{Company, free_address};

/// Where values are published, where partners come in, and where each of them is read.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) gives: Company,
    pub(super) at: SocketAddr,
    pub(super) door: SocketAddr,
    pub(super) partners: Vec<(Company, SocketAddr)>,
}

impl Servers {
    /// `nats-server` with a leaf node of each partner.
    pub(super) fn nats(
        places: &Places,
        partners: usize,
        tls: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let (at, door) = (free_address()?, free_address()?);
        let gives = Company::nats_hub(places, at, door, tls, folder)?;
        let leaf = |number: usize| {
            let (own, at) = (folder.join(format!("leaf-{number}")), free_address()?);
            std::fs::create_dir_all(&own)?;
            Ok((Company::nats_leaf(places, at, door, tls, &own)?, at))
        };
        let partners = (0..partners).map(leaf).collect::<Result<_>>()?;
        Ok(Self { gives, at, door, partners })
    }

    /// `mosquitto` with a bridge of each partner.
    pub(super) fn mosquitto(
        partners: usize,
        topic: &str,
        tls: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let at = free_address()?;
        let gives = Company::mosquitto(at, tls, folder)?;
        let bridge = |number: usize| {
            let (own, here) = (folder.join(format!("bridge-{number}")), free_address()?);
            std::fs::create_dir_all(&own)?;
            let bridge = (at, topic, format!("partner-{number}"));
            Ok((Company::mosquitto_bridge(here, bridge, tls, &own)?, here))
        };
        let partners = (0..partners).map(bridge).collect::<Result<_>>()?;
        Ok(Self { gives, at, door: at, partners })
    }
}
