//! Companies that share with each other: the real cores of their gateways, over a simulated network.
//!
//! A run is a function of its seed. People make agreements, some of which are never confirmed, and
//! end them; machines publish; gateways crash between any two effects and start again from what was
//! on their disks; sessions break, gossip is lost, repeated, reordered and changed on the way, clocks
//! are wrong by years, and old groups go. After that all is well for a while, and everything must
//! have come to whom it belongs. What must hold is in [`rules`], one file each.

mod company;
mod disk;
mod network;
mod people;
pub mod rules;

use std::time::Duration;

use gearmesh_node::core::clock::Now;
use gearmesh_node::core::partner::{Answer, Effect, Input, Wish, WishId};
use gearmesh_protocol::ids::{Nonce, ShareId, SheetId};
use gearmesh_protocol::partner::{ShareEntry, SheetTopic};
use gearmesh_protocol::partner_local::PartnersStatus;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::topic::{Topic, TopicFilter};

use crate::world::dice::Dice;
pub use company::Company;
use network::Network;
use people::Plan;
use rules::Rule;

/// One step of the simulated time, as the real gateway's.
const STEP: Duration = Duration::from_millis(250);

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(40);

/// How long all is well after that, at most, until everything has come to whom it belongs.
const CALM: Duration = Duration::from_secs(200);

/// What may be seen of a run.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A person of a company confirmed an agreement.
    Confirmed {
        /// Who.
        who: usize,
        /// What.
        sheet: SheetId,
    },
    /// A gateway knows that an agreement ended.
    EndKnown {
        /// Who.
        who: usize,
        /// Which.
        sheet: SheetId,
    },
    /// A value was published in a plant.
    Published {
        /// In whose.
        who: usize,
        /// Where.
        topic: Topic,
        /// What.
        sample: Sample,
    },
    /// A gateway wrote values into the log of its own stream.
    Written {
        /// Who.
        who: usize,
        /// Under which agreement.
        sheet: SheetId,
        /// What.
        entries: Vec<ShareEntry>,
        /// Whether the plant stood behind the agreement.
        stands: bool,
    },
    /// A gateway gossiped something.
    Gossiped {
        /// Who.
        who: usize,
        /// Where.
        topic: Nonce,
    },
    /// A group of values entered a plant.
    Entered {
        /// Whose.
        who: usize,
        /// Under which agreement.
        sheet: SheetId,
        /// Where they landed, and what.
        values: Vec<(Topic, Sample)>,
    },
    /// A group that entered is on the disk as such: it does not come again.
    Kept {
        /// Whose.
        who: usize,
        /// Under which agreement.
        sheet: SheetId,
    },
    /// A gateway crashed.
    Crashed {
        /// Whose.
        who: usize,
    },
    /// A gateway was told that values are gone.
    Lost {
        /// Who.
        who: usize,
        /// Under which agreement.
        sheet: SheetId,
        /// How many.
        entries: u64,
    },
}

/// An agreement as the people of a run mean it.
#[derive(Clone, Debug)]
pub struct Meant {
    /// Its id.
    pub sheet: SheetId,
    /// The stream.
    pub share: ShareId,
    /// Who sends.
    pub sender: usize,
    /// Who gets it.
    pub receiver: usize,
    /// What the receiver calls the sender.
    pub called: String,
    /// The lines that the sender sends.
    pub lines: Vec<(SheetTopic, TopicFilter)>,
}

/// All companies, and what is between them.
pub struct World {
    /// The companies.
    pub companies: Vec<Company>,
    /// Chance.
    pub dice: Dice,
    /// Since the run began.
    pub at: Duration,
    /// One for each direction of each agreement, once it has an id.
    pub meant: Vec<Meant>,
    /// What was seen in this step, in order.
    pub seen: Vec<Seen>,
    network: Network,
    plans: Vec<Plan>,
    next: i64,
}

/// Runs a seed. What is wrong with it.
///
/// # Errors
/// Which rule was broken, when and how.
pub fn run(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    let mut rules = rules::all();
    while world.at < TROUBLE {
        world.step(true);
        check(&world, &mut rules)?;
    }
    world.calm_down();
    let end = world.at + CALM;
    loop {
        world.step(false);
        check(&world, &mut rules)?;
        let open =
            rules.iter_mut().find_map(|rule| Some((rule.name(), rule.at_rest(&mut world).err()?)));
        match open {
            None => return Ok(()),
            Some((name, wrong)) if world.at >= end => return Err(format!("{name}: {wrong}")),
            Some(_) => {}
        }
    }
}

fn check(world: &World, rules: &mut [Box<dyn Rule>]) -> Result<(), String> {
    for seen in &world.seen {
        for rule in &mut *rules {
            let judged = rule.see(world, seen);
            judged.map_err(|wrong| format!("{} after {:?}: {wrong}", rule.name(), world.at))?;
        }
    }
    Ok(())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = 2 + dice.below(2);
        let companies = (0..count).map(|number| Company::new(number, &mut dice)).collect();
        let plans = Plan::some(count, &mut dice);
        let mut world = Self {
            companies,
            dice,
            at: Duration::ZERO,
            meant: Vec::new(),
            seen: Vec::new(),
            network: Network::default(),
            plans,
            next: 0,
        };
        (0..count).for_each(|who| world.start(who));
        world
    }

    /// The clocks of a company.
    #[must_use]
    pub fn now(&self, who: usize) -> Now {
        self.companies[who].clocks(self.at)
    }

    /// Whether both sides of an agreement run, and know of no end.
    #[must_use]
    pub fn is_running_between(&self, sheet: &SheetId) -> bool {
        let meant = self.meant.iter().find(|meant| meant.sheet == *sheet);
        meant.is_some_and(|meant| {
            [meant.sender, meant.receiver].into_iter().all(|who| {
                let core = self.companies[who].core.as_ref();
                core.is_some_and(|core| core.live(self.now(who)).any(|deal| deal.sheet() == *sheet))
            })
        })
    }

    /// How all agreements of a company stand, as it says itself.
    ///
    /// # Panics
    /// It does not say.
    pub fn status(&mut self, who: usize) -> PartnersStatus {
        let now = self.now(who);
        let core = self.companies[who].core.as_mut().expect("it runs");
        let wish = Input::Wish { id: WishId(0), wish: Box::new(Wish::Status) };
        let status = core.handle(now, wish).into_iter().find_map(|effect| match effect {
            Effect::Answer { answer, .. } => match *answer {
                Answer::Status(status) => Some(status),
                _ => None,
            },
            _ => None,
        });
        status.expect("a status")
    }

    fn step(&mut self, trouble: bool) {
        self.seen.clear();
        self.at += STEP;
        if trouble {
            self.make_trouble();
        }
        for who in 0..self.companies.len() {
            if self.companies[who].core.is_none() && self.companies[who].down_until <= self.at {
                self.start(who);
            }
        }
        self.deliver();
        self.people_act();
        for who in 0..self.companies.len() {
            self.machines_publish(who, trouble);
            self.give(who, Input::Tick);
            self.cross(who);
        }
    }

    fn calm_down(&mut self) {
        self.network.mend();
        for company in &mut self.companies {
            company.down_until = self.at;
            company.crashes = 0;
        }
    }

    fn make_trouble(&mut self) {
        let count = self.companies.len();
        if self.dice.percent(2) {
            let who = self.dice.below(count);
            self.crash(who);
        }
        if self.dice.percent(2) {
            let (one, other) = (self.dice.below(count), self.dice.below(count));
            let until = self.at + self.dice.millis(500, 9_000);
            self.network.part(one, other, until);
            self.cut(one, other);
        }
        if self.dice.percent(1) {
            let who = self.dice.below(count);
            self.companies[who].is_gateway ^= self.dice.percent(50);
        }
    }

    /// A machine of a plant publishes, now and then. All values differ.
    fn machines_publish(&mut self, who: usize, trouble: bool) {
        if !trouble || !self.dice.percent(40) {
            return;
        }
        const TOPICS: [&str; 5] = [
            "hall/press-1/count",
            "hall/press-2/count",
            "hall/robot/secret",
            "erp/orders",
            "admin/x",
        ];
        for _ in 0..=self.dice.below(3) {
            self.next += 10;
            let topic = TOPICS[self.dice.below(TOPICS.len())];
            let value = Value::Integer(self.next + i64::try_from(who).unwrap_or(0));
            let topic: Topic = topic.parse().expect("a topic");
            let sample = Sample::good(value, self.now(who).wall);
            self.publish(who, topic, sample);
        }
    }

    /// A value appears in a plant, wherever it comes from.
    fn publish(&mut self, who: usize, topic: Topic, sample: Sample) {
        let now = self.now(who);
        let company = &mut self.companies[who];
        if company.core.is_some() {
            let lines: Vec<_> = company.bridge.filters().map(|(id, _)| id).collect();
            lines.iter().for_each(|id| company.bridge.offer(now, id, &topic, &sample));
        }
        self.seen.push(Seen::Published { who, topic, sample });
    }
}
