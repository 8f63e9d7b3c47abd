//! What a program that follows was told of topics and authors: the aliases of one stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::framing::framed;
use gearmesh_protocol::live::Alias;
use gearmesh_protocol::stream::put_source;

use super::super::super::plant::live::Origin;

/// The sources that have an alias now. Their number is bounded by that of the aliases, which are
/// given in turn.
#[derive(Default)]
pub(super) struct Sources {
    next: u64,
    given: Vec<Arc<Origin>>,
    /// Where the given ones lie in memory: values of one route share theirs, so that most are known
    /// at a glance.
    by_place: BTreeMap<usize, Alias>,
    by_origin: BTreeMap<Arc<Origin>, Alias>,
}

impl Sources {
    /// The alias of a source; one that is new is introduced first.
    pub(super) fn alias(&mut self, origin: &Arc<Origin>, out: &mut Vec<u8>) -> Alias {
        let here = place(origin);
        if let Some(alias) = self.by_place.get(&here) {
            return *alias;
        }
        let known = self.by_origin.get(origin).copied();
        let alias = known.unwrap_or_else(|| self.introduce(origin, out));
        if let Some(given) = self.given.get_mut(alias.index()) {
            let before = std::mem::replace(given, Arc::clone(origin));
            self.by_place.remove(&place(&before));
        }
        self.by_place.insert(here, alias);
        alias
    }

    fn introduce(&mut self, origin: &Arc<Origin>, out: &mut Vec<u8>) -> Alias {
        let alias = Alias::in_turn(self.next);
        self.next += 1;
        match self.given.get(alias.index()) {
            Some(before) => drop(self.by_origin.remove(before)),
            None => self.given.push(Arc::clone(origin)),
        }
        self.by_origin.insert(Arc::clone(origin), alias);
        let Origin { topic, author, name } = &**origin;
        framed(out, |out| put_source(out, alias, author, name, topic));
        alias
    }
}

fn place(origin: &Arc<Origin>) -> usize {
    Arc::as_ptr(origin).addr()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::PublicKey;
    use gearmesh_protocol::limits::LIVE_ALIASES_MAX;

    use super::*;

    fn origin(number: usize) -> Arc<Origin> {
        let topic = format!("press-1/t{number}").parse().expect("a topic");
        let author = PublicKey::of(&SigningKey::from_bytes(&[7; 32]));
        Arc::new(Origin { topic, author, name: "press-1".parse().expect("a name") })
    }

    #[test]
    fn a_source_is_introduced_once_wherever_it_lies() {
        let (mut sources, mut out) = (Sources::default(), Vec::new());
        let one = origin(1);
        let alias = sources.alias(&one, &mut out);
        let told = out.len();
        assert!(told > 0);
        for again in [Arc::clone(&one), origin(1), origin(1), one] {
            assert_eq!(sources.alias(&again, &mut out), alias);
        }
        assert_eq!(out.len(), told, "nothing more was said");
        assert_ne!(sources.alias(&origin(2), &mut out), alias);
        assert_eq!(sources.by_place.len(), 2, "places that nobody keeps are forgotten");
    }

    #[test]
    fn more_sources_than_aliases_take_them_in_turn_and_the_tables_keep_their_bound() {
        let (mut sources, mut out) = (Sources::default(), Vec::new());
        let first = origin(0);
        let alias = sources.alias(&first, &mut out);
        for number in 1..=LIVE_ALIASES_MAX {
            sources.alias(&origin(number), &mut out);
        }
        assert_eq!(sources.given.len(), LIVE_ALIASES_MAX);
        assert_eq!(sources.by_place.len(), LIVE_ALIASES_MAX);
        assert_eq!(sources.by_origin.len(), LIVE_ALIASES_MAX);
        out.clear();
        assert_ne!(sources.alias(&first, &mut out), alias, "its alias went to the last");
        assert!(!out.is_empty(), "so it is introduced again");
    }
}
