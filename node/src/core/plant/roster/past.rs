//! The terms that members ever had. A group of a data log is judged by the record that it names, so
//! that old entries stay readable after their author's terms changed or its membership ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::{GroupId, PublicKey, RecordId};

/// One record that counted at some time, and where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// What it allowed.
    pub terms: Terms,
    /// The data leaves that each amendment names which lets its member publish less: groups beyond
    /// them act under it no more.
    pub ended_at: Vec<Vec<GroupId>>,
}

/// All of them, by member.
pub(super) type Pasts = BTreeMap<PublicKey, Arc<BTreeMap<RecordId, Past>>>;

/// A record that counts.
pub(super) fn begins(pasts: &mut Pasts, node: PublicKey, record: RecordId, terms: &Terms) {
    let past = Past { terms: terms.clone(), ended_at: Vec::new() };
    Arc::make_mut(pasts.entry(node).or_default()).insert(record, past);
}

/// An amendment took its place that allows less.
pub(super) fn ends(pasts: &mut Pasts, node: &PublicKey, record: &RecordId, leaves: &[GroupId]) {
    let past = pasts.get_mut(node).and_then(|records| Arc::make_mut(records).get_mut(record));
    if let Some(past) = past {
        past.ended_at.push(leaves.to_vec());
    }
}
