//! The schemas that agreements name by their hashes, ready to be checked against.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::partner_agreement::schema_hash;
use serde_json::Value as Json;

use super::super::commands::schema::Schema;
use crate::core::bridge::Schemas;

/// The schemas of all agreements under which something may flow.
#[derive(Default)]
pub(super) struct Shelf {
    ready: BTreeMap<[u8; 32], Result<Schema, String>>,
}

impl Shelf {
    /// Has these schemas ready, and no others.
    pub(super) fn follow<'a>(&mut self, texts: impl Iterator<Item = &'a str>) {
        let texts: BTreeMap<[u8; 32], &str> =
            texts.map(|text| (schema_hash(text.as_bytes()), text)).collect();
        let wanted: BTreeSet<[u8; 32]> = texts.keys().copied().collect();
        self.ready.retain(|hash, _| wanted.contains(hash));
        for (hash, text) in texts {
            self.ready.entry(hash).or_insert_with(|| Schema::ready(text.as_bytes()));
        }
    }
}

impl Schemas for Shelf {
    fn check(&self, schema: &[u8; 32], value: &Json) -> Result<(), String> {
        match self.ready.get(schema) {
            Some(Ok(schema)) => schema.check(value),
            Some(Err(why)) => Err(format!("it is no schema: {why}")),
            None => Err("it is not here".to_owned()),
        }
    }
}
