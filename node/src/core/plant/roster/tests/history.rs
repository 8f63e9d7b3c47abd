//! Histories that nobody wrote: what any key might sign at any time, honest or not.
//!
//! Every history begins with a plant at work, or else most of what follows would be void for the
//! dull reason that nobody was ever delegated.

use std::sync::Arc;

use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{PublicKey, RecordId};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Act, Amendment, Invitation, Reason, TrustRecord};
use proptest::prelude::{Strategy, any};
use proptest::sample::Index;

use crate::core::plant::ledger::entries_of;
use crate::core::plant::world::records::{
    admin, admit, invite, machine, offer, redeem, registrar, revoke, revoke_wholly, vote, withdraw,
};
use crate::core::plant::world::{Piece, Plant, few, first, key};

/// Every key that appears. `root` stands for the threshold of its plant; `root-1` is one key of
/// three, or nobody, where the root is one key.
const ROLES: [&str; 11] = [
    "root",
    "root-1",
    "admin-1",
    "admin-2",
    "registrar-1",
    "registrar-2",
    "node-1",
    "node-2",
    "node-3",
    "node-4",
    "stranger",
];
/// Who signs: those who may say something more often than those who may not.
const AUTHORS: [&str; 12] = [
    "root",
    "root",
    "root-1",
    "admin-1",
    "admin-1",
    "admin-1",
    "admin-2",
    "admin-2",
    "registrar-1",
    "registrar-1",
    "registrar-2",
    "node-1",
];
const CODES: [&str; 3] = ["code-1", "code-2", "code-3"];
const REASONS: [Reason; 4] = [Reason::Retired, Reason::Lost, Reason::Replaced, Reason::Compromised];

/// One thing that somebody signs. Which key, record or group is meant is chosen among those that
/// there are when it is signed.
#[derive(Clone, Debug)]
pub(super) struct Action {
    author: Index,
    /// After which of the author's groups, if not the last.
    beside: Option<Index>,
    verb: u8,
    object: Index,
    other: Index,
    terms: u8,
    leaves: Vec<Index>,
}

/// Up to `most` actions.
pub(super) fn actions(most: usize) -> impl Strategy<Value = Vec<Action>> {
    let beside = proptest::option::weighted(0.2, any::<Index>());
    let leaves = proptest::collection::vec(any::<Index>(), 0..3);
    let picks = (any::<Index>(), any::<Index>(), any::<Index>());
    let action = (beside, leaves, picks, any::<u8>(), any::<u8>());
    let action = action.prop_map(|(beside, leaves, (author, object, other), verb, terms)| Action {
        author,
        beside,
        verb,
        object,
        other,
        terms,
        leaves,
    });
    proptest::collection::vec(action, 0..most)
}

/// The plant in which all this was signed.
pub(super) fn plant(has_one_root: bool, actions: &[Action]) -> Plant {
    let mut plant = if has_one_root {
        Plant::with_one_root()
    } else {
        Plant::founded(&["root-1", "root-2", "root-3"], 2)
    };
    sign(&mut plant, has_one_root, "root", None, admin("admin-1"));
    sign(&mut plant, has_one_root, "root", None, admin("admin-2"));
    for (author, registrar_name, code) in
        [("admin-1", "registrar-1", "code-1"), ("admin-2", "registrar-2", "code-2")]
    {
        plant.write(author, registrar(registrar_name));
        plant.write(author, invite(code, registrar_name, offered(0)));
    }
    plant.write("registrar-1", redeem("node-1", "code-1", offered(0)));
    plant.write("admin-1", admit("node-2", machine("robot")));
    for action in actions {
        let author = *action.author.get(&AUTHORS);
        let record = record(&plant, action);
        sign(&mut plant, has_one_root, author, action.beside, record);
    }
    plant
}

/// One thing that happens to the root.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// Before which of the actions.
    at: Index,
    verb: u8,
    /// Which root or rotation is meant.
    which: Index,
    /// Which of the acts stay, and who votes.
    choice: u8,
    leaves: Vec<Index>,
}

/// Up to `most` turns.
pub(super) fn turns(most: usize) -> impl Strategy<Value = Vec<Turn>> {
    let leaves = proptest::collection::vec(any::<Index>(), 0..3);
    let turn = (any::<Index>(), any::<u8>(), any::<Index>(), any::<u8>(), leaves);
    let turn =
        turn.prop_map(|(at, verb, which, choice, leaves)| Turn { at, verb, which, choice, leaves });
    proptest::collection::vec(turn, 0..=most)
}

/// A plant where all this was signed, while others wanted to be its root.
pub(super) fn plant_that_turns(has_one_root: bool, actions: &[Action], turns: &[Turn]) -> Plant {
    let mut plant = plant(has_one_root, &[]);
    let mut roots: Vec<(RecordId, Vec<String>)> = Vec::new();
    for (number, action) in actions.iter().enumerate() {
        for turn in turns.iter().filter(|turn| turn.at.index(actions.len()) == number) {
            take_turn(&mut plant, has_one_root, &mut roots, turn);
        }
        let author = *action.author.get(&AUTHORS);
        let record = record(&plant, action);
        sign(&mut plant, has_one_root, author, action.beside, record);
    }
    plant
}

fn take_turn(
    plant: &mut Plant,
    has_one_root: bool,
    roots: &mut Vec<(RecordId, Vec<String>)>,
    turn: &Turn,
) {
    let meant = roots.get(turn.which.index(roots.len() + 1)).cloned();
    match (turn.verb % 6, meant) {
        (0 | 1, meant) => {
            let first: &[&str] = if has_one_root { &["root"] } else { &["root-1", "root-3"] };
            let (after, signers) = match &meant {
                Some((id, keys)) => (Some(*id), keys.iter().map(String::as_str).collect()),
                None => (None, first.to_vec()),
            };
            let to = [1, 2].map(|number| format!("root-of-{}-{number}", roots.len()));
            let acts: Vec<Act> = plant.pieces().iter().filter_map(act_of).collect();
            let stays =
                |at: usize| turn.choice >> (at % 8) & 1 == 0 || turn.choice.is_multiple_of(3);
            let acts: Vec<&Act> =
                acts.iter().enumerate().filter(|(at, _)| stays(*at)).map(|(_, act)| act).collect();
            let groups = groups_of(plant, "root");
            let mut leaves = picked(&groups, &turn.leaves);
            leaves.truncate(1);
            let names = [to[0].as_str(), to[1].as_str()];
            let id = plant.rotate(&signers, after, &names, (&leaves, &acts));
            roots.push((id, to.to_vec()));
        }
        (2..=4, Some((id, _))) => {
            let voters: [&[&str]; 4] =
                [&["admin-1"], &["admin-2"], &["admin-1", "admin-2"], &["node-1"]];
            for voter in voters[usize::from(turn.choice % 4)] {
                plant.write(voter, vote(id));
            }
        }
        (5, Some((id, keys))) => {
            let signers: Vec<&str> = keys.iter().map(String::as_str).collect();
            let whom = ROLES[usize::from(turn.choice) % ROLES.len()];
            let record =
                if turn.choice.is_multiple_of(2) { admin(whom) } else { revoke_wholly(whom) };
            plant.act_of(id, &signers, record);
        }
        _ => {}
    }
}

fn act_of(piece: &Piece) -> Option<Act> {
    match piece {
        Piece::Act(act) => Some(act.clone()),
        Piece::Group(_) => None,
    }
}

fn sign(
    plant: &mut Plant,
    has_one_root: bool,
    author: &str,
    beside: Option<Index>,
    record: TrustRecord,
) {
    if author == "root" && !has_one_root {
        plant.act(&["root-1", "root-2"], record);
        return;
    }
    let written = groups_of(plant, author);
    match beside {
        Some(at) => {
            let at = at.index(written.len() + 1).checked_sub(1);
            plant.fork(author, at.map(|at| written[at].as_ref()), record);
        }
        None => {
            plant.write(author, record);
        }
    }
}

fn record(plant: &Plant, action: &Action) -> TrustRecord {
    let whom = *action.object.get(&ROLES);
    let code = *action.other.get(&CODES);
    match action.verb % 16 {
        0 => admin(whom),
        1 | 2 => registrar(whom),
        3 | 4 => {
            let uses = u16::from(action.terms % 3);
            let bound_to = action.terms.is_multiple_of(5).then(|| key(whom));
            let redeemer =
                if action.terms.is_multiple_of(2) { "registrar-1" } else { "registrar-2" };
            let offer = offer(code, redeemer, offered(action.terms));
            TrustRecord::Invitation(Invitation { uses, bound_to, ..offer })
        }
        5 | 6 => admit(whom, offered(action.terms)),
        7 | 8 => redeem(whom, code, offered(action.terms)),
        9 | 10 => {
            let (node, replaces) = membership(plant, action.other).unwrap_or((key(whom), NOTHING));
            let (terms, data_leaves) = (offered(action.terms), few(Vec::new()));
            TrustRecord::Amendment(Amendment { node, replaces, terms, data_leaves })
        }
        11 => revoke_wholly(whom),
        12 => withdraw(code, &picked(&groups_of(plant, "registrar-1"), &action.leaves)),
        _ => {
            let reason = REASONS[usize::from(action.terms) % REASONS.len()];
            revoke(whom, reason, &picked(&groups_of(plant, whom), &action.leaves))
        }
    }
}

const NOTHING: RecordId = RecordId([0; 32]);

/// Terms of which some are within others.
fn offered(choice: u8) -> Terms {
    let mut terms = machine(if choice % 7 == 6 { "crane" } else { "press" });
    if choice % 3 == 1 {
        terms.until = Some(UnixMillis(5_000 + u64::from(choice)));
    }
    if choice % 4 == 3 {
        terms.roles = few(vec![Role::Machine, Role::Gateway]);
    }
    terms
}

fn groups_of(plant: &Plant, author: &str) -> Vec<Arc<VerifiedGroup>> {
    let by_author = |piece: &Piece| match piece {
        Piece::Group(group) if group.header().log.author == key(author) => Some(Arc::clone(group)),
        Piece::Group(_) | Piece::Act(_) => None,
    };
    plant.pieces().iter().filter_map(by_author).collect()
}

fn picked<'a>(groups: &'a [Arc<VerifiedGroup>], leaves: &[Index]) -> Vec<&'a VerifiedGroup> {
    let any = !groups.is_empty();
    leaves.iter().filter(|_| any).map(|leaf| leaf.get(groups).as_ref()).collect()
}

/// A record that admits or amends somebody, and whom.
fn membership(plant: &Plant, at: Index) -> Option<(PublicKey, RecordId)> {
    let found: Vec<_> = plant
        .pieces()
        .iter()
        .filter_map(|piece| match piece {
            Piece::Group(group) => Some(group),
            Piece::Act(_) => None,
        })
        .filter_map(|group| {
            let entry = entries_of(group).next()?.entry?;
            match entry.record {
                TrustRecord::Admission(admission) => Some((admission.node, first(group))),
                TrustRecord::Amendment(amendment) => Some((amendment.node, first(group))),
                _ => None,
            }
        })
        .collect();
    (!found.is_empty()).then(|| *at.get(&found))
}
