//! What holders did, and what the arbiter ended: a history that stateright's tester judges.

use std::collections::BTreeSet;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// A token by the life's number and its own.
pub(crate) type Token = (u64, u64);

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Acquire,
    /// Renew what an earlier life gave.
    Revive(Token),
    Write(Token),
    /// The arbiter ends a lease.
    End(Token),
    /// The arbiter begins another life.
    Start,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Held(Token),
    Accepted,
    Refused,
    Done,
}

/// Who does it: a holder, or the arbiter.
pub(crate) type Who = usize;

#[derive(Clone, Debug)]
enum Event {
    Invoked(Who, Operation),
    Returned(Who, Outcome),
}

/// One after the other, as it would be if there were no time and no network.
#[derive(Clone, Debug)]
struct Resource {
    places: usize,
    last: Token,
    lasting: BTreeSet<Token>,
    revivable: BTreeSet<Token>,
}

impl SequentialSpec for Resource {
    type Op = Operation;
    type Ret = Outcome;

    fn invoke(&mut self, _: &Operation) -> Outcome {
        // Nothing in flight is ever in a history.
        Outcome::Refused
    }

    fn is_valid_step(&mut self, operation: &Operation, outcome: &Outcome) -> bool {
        match (operation, outcome) {
            (Operation::Acquire, Outcome::Held(token)) => self.give(*token),
            (Operation::Revive(old), Outcome::Held(token)) => {
                self.revivable.remove(old) && self.give(*token)
            }
            (Operation::Write(token), Outcome::Accepted) => self.lasting.contains(token),
            (Operation::End(token), Outcome::Done) => {
                self.lasting.remove(token);
                self.revivable.remove(token);
                true
            }
            (Operation::Start, Outcome::Done) => {
                self.revivable.append(&mut self.lasting);
                true
            }
            (_, outcome) => *outcome == Outcome::Refused,
        }
    }
}

impl Resource {
    /// Gives a place under a token above all before, if one is free.
    fn give(&mut self, token: Token) -> bool {
        let is_free = self.lasting.len() + self.revivable.len() < self.places;
        let is_new = token > self.last;
        self.last = self.last.max(token);
        self.lasting.insert(token);
        is_free && is_new
    }
}

/// All that was done, in the order in which it was begun and ended.
#[derive(Debug, Default)]
pub(crate) struct History {
    events: Vec<Event>,
}

impl History {
    pub(crate) fn invoked(&mut self, who: Who, operation: Operation) {
        self.events.push(Event::Invoked(who, operation));
    }

    pub(crate) fn returned(&mut self, who: Who, outcome: Outcome) {
        self.events.push(Event::Returned(who, outcome));
    }

    /// Something that is done at once.
    pub(crate) fn done(&mut self, who: Who, operation: Operation) {
        self.invoked(who, operation);
        self.returned(who, Outcome::Done);
    }

    /// What nobody heard the end of has no part in the history: whatever the arbiter did for it, it
    /// also ended.
    fn without_open_ends(&self) -> Vec<&Event> {
        let mut kept = vec![true; self.events.len()];
        for (at, event) in self.events.iter().enumerate() {
            let Event::Invoked(who, _) = event else { continue };
            let next = self.events[at + 1..].iter().find(|event| match event {
                Event::Invoked(other, _) | Event::Returned(other, _) => other == who,
            });
            kept[at] = matches!(next, Some(Event::Returned(..)));
        }
        self.events.iter().zip(kept).filter_map(|(event, kept)| kept.then_some(event)).collect()
    }

    /// Whether it could have been done one after the other. Of how many operations it is.
    pub(crate) fn judge(&self, places: usize) -> Result<usize, String> {
        let (lasting, revivable) = (BTreeSet::new(), BTreeSet::new());
        let resource = Resource { places, last: (0, 0), lasting, revivable };
        let mut tester = LinearizabilityTester::new(resource);
        for event in self.without_open_ends() {
            match event.clone() {
                Event::Invoked(who, operation) => tester.on_invoke(who, operation)?,
                Event::Returned(who, outcome) => tester.on_return(who, outcome)?,
            };
        }
        match tester.is_consistent() {
            true => Ok(tester.len()),
            false => Err(format!("not linearizable: {:#?}", self.without_open_ends())),
        }
    }
}

#[test]
fn a_history_that_nobody_could_have_done_is_found() {
    let token = |number| (1, number);
    let mut history = History::default();
    for who in [1, 2] {
        history.invoked(who, Operation::Acquire);
    }
    history.returned(1, Outcome::Held(token(1)));
    history.returned(2, Outcome::Held(token(2)));
    assert!(history.judge(1).is_err(), "two at once");
    assert!(history.judge(2).is_ok());

    let mut history = History::default();
    history.invoked(1, Operation::Acquire);
    history.returned(1, Outcome::Held(token(1)));
    history.done(0, Operation::End(token(1)));
    history.invoked(1, Operation::Write(token(1)));
    history.returned(1, Outcome::Refused);
    assert!(history.judge(1).is_ok());
    history.invoked(1, Operation::Write(token(1)));
    history.returned(1, Outcome::Accepted);
    assert!(history.judge(1).is_err(), "a stale write");
}
