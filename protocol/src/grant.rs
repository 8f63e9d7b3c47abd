//! Roles, and the grants they stand for.
//!
//! A grant is never transported: both sides derive it from the same membership records with the
//! functions here, so publisher, receiver and `why` cannot disagree about what is allowed.

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::limits::{GRANT_FILTERS_MAX, ROLES_MAX};
use crate::time::UnixMillis;
use crate::topic::{Name, Scope, Topic, TopicFilter};

/// A named preset of grants (the table is in `docs/architecture.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Publishes, serves and leases under its own scope; sees everything in the plant.
    Machine,
    /// As a machine, and the only role that may publish what came from partners.
    Gateway,
    /// Sees, and does nothing: panels and laptops.
    Observer,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Machine => "machine",
            Self::Gateway => "gateway",
            Self::Observer => "observer",
        })
    }
}

/// What one membership record says of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What people call it; unique in the plant.
    pub name: Name,
    /// Its roles; what any one allows is allowed.
    pub roles: Bounded<Role, ROLES_MAX>,
    /// Where it publishes; none for a pure observer.
    pub scope: Option<Scope>,
    /// What it may see; empty means everything its roles allow.
    pub subscribe: Bounded<TopicFilter, GRANT_FILTERS_MAX>,
    /// When the membership ends by itself.
    pub until: Option<UnixMillis>,
}

impl Terms {
    /// Whether the member may publish on `topic`.
    #[must_use]
    pub fn may_publish(&self, topic: &Topic) -> bool {
        self.roles.iter().any(|role| match role {
            Role::Machine => self.is_own(topic),
            Role::Gateway => self.is_own(topic) || topic.is_under("partner"),
            Role::Observer => false,
        })
    }

    /// Whether the member may publish wherever it might under `before`.
    #[must_use]
    pub fn publishes_all_of(&self, before: &Self) -> bool {
        let (now, then) = (&self.roles, &before.roles);
        let to_partners = now.contains(&Role::Gateway) || !then.contains(&Role::Gateway);
        !before.may_call() || (self.may_call() && self.scope == before.scope && to_partners)
    }

    /// Whether the member may see `topic`.
    #[must_use]
    pub fn may_see(&self, topic: &Topic) -> bool {
        !self.roles.is_empty()
            && (self.subscribe.is_empty() || self.subscribe.iter().any(|f| f.matches(topic)))
    }

    /// Whether the member may ask others to do something. There are no verbs of admins yet: no verb
    /// can be called `admin`.
    #[must_use]
    pub fn may_call(&self) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::Machine | Role::Gateway))
    }

    /// Whether others may ask the member to do something: it has a scope of its own to do it in.
    #[must_use]
    pub fn may_serve(&self) -> bool {
        self.may_call() && self.scope.is_some()
    }

    /// Whether `self` allows nothing that `wider` does not: what a redeemer may hand out.
    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        let filters_within = wider.subscribe.is_empty()
            || (!self.subscribe.is_empty()
                && self.subscribe.iter().all(|filter| wider.subscribe.contains(filter)));
        let until_within = match (self.until, wider.until) {
            (_, None) => true,
            (Some(own), Some(widest)) => own <= widest,
            (None, Some(_)) => false,
        };
        self.name == wider.name
            && self.scope == wider.scope
            && self.roles.iter().all(|role| wider.roles.contains(role))
            && filters_within
            && until_within
    }

    fn is_own(&self, topic: &Topic) -> bool {
        self.scope.as_ref().is_some_and(|scope| topic.is_under(scope.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(roles: &[Role], scope: Option<&str>) -> Terms {
        Terms {
            name: "press-1".parse().expect("a name"),
            roles: roles.to_vec().try_into().expect("few roles"),
            scope: scope.map(|s| s.parse().expect("a scope")),
            subscribe: Bounded::new(),
            until: None,
        }
    }

    fn topic(text: &str) -> Topic {
        text.parse().expect("a topic")
    }

    #[test]
    fn a_machine_publishes_under_its_scope_only() {
        let press = terms(&[Role::Machine], Some("hall/press-1"));
        assert!(press.may_publish(&topic("hall/press-1/temp")));
        assert!(!press.may_publish(&topic("hall/press-10/temp")));
        assert!(!press.may_publish(&topic("partner/acme/order")));
        assert!(press.may_see(&topic("hall/robot-1/temp")));
    }

    #[test]
    fn only_a_gateway_publishes_for_partners_and_an_observer_nothing() {
        let gateway = terms(&[Role::Gateway], Some("gateway-1"));
        assert!(gateway.may_publish(&topic("partner/acme/order")));
        let panel = terms(&[Role::Observer], Some("hall/panel"));
        assert!(!panel.may_publish(&topic("hall/panel/x")));
        assert!(panel.may_see(&topic("hall/press-1/temp")));
    }

    #[test]
    fn an_observer_neither_calls_nor_serves() {
        let press = terms(&[Role::Machine], Some("hall/press-1"));
        assert!(press.may_call() && press.may_serve());
        let homeless = terms(&[Role::Gateway], None);
        assert!(homeless.may_call() && !homeless.may_serve());
        let panel = terms(&[Role::Observer], Some("hall/panel"));
        assert!(!panel.may_call() && !panel.may_serve());
    }

    #[test]
    fn another_name_takes_nothing_from_what_a_member_publishes_and_another_scope_all() {
        let press = terms(&[Role::Machine], Some("a"));
        let gateway = terms(&[Role::Gateway], Some("a"));
        let renamed = Terms { name: "press-2".parse().expect("a name"), ..press.clone() };
        assert!(renamed.publishes_all_of(&press) && gateway.publishes_all_of(&press));
        assert!(!press.publishes_all_of(&gateway), "what came from partners");
        assert!(!terms(&[Role::Machine], Some("b")).publishes_all_of(&press));
        let panel = terms(&[Role::Observer], None);
        assert!(!panel.publishes_all_of(&press) && press.publishes_all_of(&panel));
    }

    #[test]
    fn attenuation_never_widens() {
        let mut wide = terms(&[Role::Machine, Role::Gateway], Some("a"));
        let mut narrow = terms(&[Role::Machine], Some("a"));
        assert!(narrow.is_within(&wide));
        assert!(!wide.is_within(&narrow));
        wide.until = Some(UnixMillis(10));
        assert!(!narrow.is_within(&wide));
        narrow.until = Some(UnixMillis(9));
        assert!(narrow.is_within(&wide));
        wide.subscribe = vec!["a/#".parse().expect("a filter")].try_into().expect("one");
        assert!(!narrow.is_within(&wide), "an empty list sees more than a short one");
    }
}
