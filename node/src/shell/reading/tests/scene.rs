//! A panel with links to two machines: its core is the real one, and each machine shows what its
//! own store holds, unless a test answers for it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::data::{DataFrame, LogEnds};
use gearmesh_protocol::durable::HistoryEntry;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{Incarnation, Nonce, PublicKey, RecordId};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::plant::{Address, ControlFrame, Greeting};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::shown::ReadRequest;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::TopicFilter;
use gearmesh_protocol::trust::TrustRecord;
use tokio::sync::{mpsc, watch};

use super::super::super::clock::Clock;
use super::super::super::core_handle::{CoreHandle, OpenTickets};
use super::super::super::counters::Counters;
use super::super::super::data::{DataStore, ReadError, Shelf};
use super::super::super::durable::Durable;
use super::super::super::plant::live::Live;
use super::super::super::showing;
use super::super::Reading;
use super::super::consumer::Consumer;
use super::super::consumers::Consumers;
use super::super::cursors::Cursors;
use super::super::export::Export;
use super::super::history::Wanted;
use super::super::log_reader::{Eyes, LogReader, ReadGroup};
use super::super::source::{Members, Source, Sources};
use crate::core::clock::Now;
use crate::core::plant::data::{DataEffect, DataInput, Keep, Shown, WrongPage};
use crate::core::plant::evidence::{Evidence, Verifier};
use crate::core::plant::roster::{Member, Roster};
use crate::core::plant::world::{self, few, first, key, records, signing};
use crate::core::plant::{Effect, Input, LinkId, LinkUp, Plant, Start};
use crate::core::random::Random;
use crate::core::record::Record;

/// The machines, in the order of their links.
const MACHINES: [&str; 2] = ["left", "right"];

/// How often the panel's core hears that time passes.
const TICK: Duration = Duration::from_millis(50);

/// What answers in the place of a machine.
type Script = Box<dyn FnMut(&str, &ReadRequest) -> Option<DataFrame> + Send>;

/// A panel and the machines it is linked to.
pub(super) struct Scene {
    core: CoreHandle,
    heard: Arc<Shelf>,
    roster: Roster,
    plant: world::Plant,
    admitted: BTreeMap<&'static str, RecordId>,
    stores: BTreeMap<&'static str, DataStore>,
    script: Arc<Mutex<Script>>,
    wrong: Arc<Mutex<Vec<WrongPage>>>,
    folder: tempfile::TempDir,
}

/// Where effects of the panel's core go.
struct Panel {
    plant: Plant,
    clock: Clock,
    tickets: Arc<OpenTickets>,
    heard: Arc<Shelf>,
    stores: BTreeMap<&'static str, DataStore>,
    script: Arc<Mutex<Script>>,
    wrong: Arc<Mutex<Vec<WrongPage>>>,
    inputs: mpsc::Sender<Input>,
    sees: Member,
    beats: u64,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::with(|_| Vec::new()).await
    }

    /// A scene in whose plant `admin` also wrote what `more` says, knowing who was admitted.
    pub(super) async fn with(
        more: impl FnOnce(&BTreeMap<&'static str, RecordId>) -> Vec<TrustRecord>,
    ) -> Self {
        let mut plant = world::Plant::at_work();
        let mut admitted = BTreeMap::new();
        for name in MACHINES {
            let record = records::admit(name, records::machine(name));
            admitted.insert(name, first(&plant.write("admin", record)));
        }
        let (roles, scope) = (few(vec![Role::Observer]), None);
        let panel = Terms { roles, scope, ..records::machine("panel") };
        plant.write("admin", records::admit("panel", panel));
        for record in more(&admitted) {
            plant.write("admin", record);
        }
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        let clock = Clock::start();
        let open = |name: &&'static str| {
            let data = folder.path().join(name).join("data");
            // Segments of 256 KiB, so that some can be let go.
            let keep = Keep { log_bytes: 2 << 20, ..Keep::default() };
            (*name, DataStore::open(&data, Some(plant.id), &keep, clock).expect("a store").0)
        };
        let stores: BTreeMap<&'static str, DataStore> = MACHINES.iter().map(open).collect();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(|_, _| None)));
        let wrong = Arc::<Mutex<Vec<WrongPage>>>::default();
        let (heard, tickets) = (Arc::<Shelf>::default(), Arc::<OpenTickets>::default());
        let (inputs, waiting) = mpsc::channel(64);
        let restored = restore(&plant);
        let (views, view) = watch::channel(Arc::new(restored.view()));
        let roster = plant.roster();
        let panel = Panel {
            plant: restored,
            clock,
            tickets: Arc::clone(&tickets),
            heard: Arc::clone(&heard),
            stores: stores.clone(),
            script: Arc::clone(&script),
            wrong: Arc::clone(&wrong),
            beats: 0,
            inputs: inputs.clone(),
            sees: roster.member(&key("panel")).expect("the panel").clone(),
        };
        tokio::spawn(async move {
            panel.run(waiting).await;
            drop(views);
        });
        let core = CoreHandle::new(inputs, view, tickets);
        let scene = Self { core, heard, roster, plant, admitted, stores, script, wrong, folder };
        for (number, name) in (1..).zip(MACHINES) {
            scene.core.tell(Input::LinkUp(link_up(number, name))).await;
        }
        scene
    }

    /// From now on this answers, where it has an answer.
    pub(super) fn answer_with(
        &self,
        script: impl FnMut(&str, &ReadRequest) -> Option<DataFrame> + Send + 'static,
    ) {
        *self.script.lock().expect("a script") = Box::new(script);
    }

    /// A group of `author` after these tips, with one value.
    pub(super) fn group(&self, author: &'static str, after: &[Tip], number: i64) -> VerifiedGroup {
        self.wide_group(author, after, number, 0)
    }

    /// A group that takes so many bytes more.
    pub(super) fn wide_group(
        &self,
        author: &'static str,
        after: &[Tip],
        number: i64,
        bytes: usize,
    ) -> VerifiedGroup {
        let entry = |topic: &str, value| {
            let topic = format!("{author}/{topic}").parse().expect("a topic");
            let sample = Sample::good(value, UnixMillis(7));
            codec::encode(&DataEntry::Sample { topic, sample })
        };
        let text = Value::Text("x".repeat(bytes));
        let wide = (bytes > 0).then(|| entry("part/text", text));
        let draft = Draft {
            log: LogId { author: key(author), kind: LogKind::Data },
            incarnation: Incarnation([1; 16]),
            after: after.to_vec(),
            acting_under: self.admitted[author],
            salt: Salt([3; 16]),
            entries: std::iter::once(entry("part/count", Value::Integer(number)))
                .chain(wide)
                .collect(),
        };
        Group::write(&signing(author), &self.plant.id, draft).expect("a group")
    }

    /// A chain of groups of `author`, in its own store.
    pub(super) async fn row(
        &self,
        author: &'static str,
        numbers: Range<i64>,
    ) -> Vec<VerifiedGroup> {
        let mut groups: Vec<VerifiedGroup> = Vec::new();
        for number in numbers {
            let after: Vec<Tip> = groups.last().map(VerifiedGroup::tip).into_iter().collect();
            groups.push(self.group(author, &after, number));
        }
        self.store(author, &groups).await;
        groups
    }

    /// A machine gets groups.
    pub(super) async fn store(&self, at: &str, groups: &[VerifiedGroup]) {
        let groups = groups.iter().cloned().map(Arc::new).collect();
        self.stores[at].append(groups).await.expect("stored");
    }

    /// The store of a machine.
    pub(super) fn at(&self, machine: &str) -> &DataStore {
        &self.stores[machine]
    }

    /// A machine says where its copies end.
    pub(super) async fn tell(&self, at: &str) {
        let store = &self.stores[at];
        for author in store.authors() {
            self.say(at, author, store.ends(&author)).await;
        }
    }

    /// A machine says that its copy of a log ends there.
    pub(super) async fn say(&self, at: &str, author: PublicKey, ends: Vec<Tip>) {
        let link = link_of(at);
        let ends = vec![LogEnds { author, ends: few(ends) }];
        let ends = DataInput::Ends { link, ends };
        let changed = self.heard.changed();
        self.core.tell(Input::Data(ends)).await;
        changed.await;
    }

    /// The link to a machine goes.
    pub(super) async fn lose(&self, machine: &str) {
        let changed = self.heard.changed();
        self.core.tell(Input::LinkDown { link: link_of(machine) }).await;
        changed.await;
    }

    /// What machines were found to have shown wrongly.
    pub(super) fn wrong(&self) -> Vec<WrongPage> {
        self.wrong.lock().expect("a list").clone()
    }

    /// Reads on as long as there is something: the gaps in front of groups and their values, with
    /// their marks, and why it ended early.
    pub(super) async fn read(&self, reader: &mut LogReader) -> (Vec<Found>, Option<Refusal>) {
        let mut found = Vec::new();
        loop {
            match self.next(reader).await {
                Ok(Some(group)) => found.extend(found_in(&group)),
                Ok(None) => return (found, None),
                Err(ReadError::Refused { refusal }) => return (found, Some(refusal)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A reader of what `author` wrote.
    pub(super) fn reader(&self, author: &str, after: Vec<Tip>) -> LogReader {
        LogReader::new(self.source(), key(author), after, everything())
    }

    /// A reader of what `author` wrote, at a machine that keeps a copy.
    pub(super) fn reader_at(&self, machine: &str, author: &str) -> LogReader {
        let source = Source::Store(self.stores[machine].clone());
        LogReader::new(source, key(author), Vec::new(), everything())
    }

    /// A program that reads by a name.
    pub(super) async fn consumer(&self) -> Consumer {
        let counters = Arc::<Counters>::default();
        let live = Live::new(self.core.view(), Clock::start(), Arc::clone(&counters));
        let live = Arc::new(live);
        // An observer writes nothing down in a log.
        let (durable, _) = Durable::new(self.core.clone(), live, counters);
        let members = Members::new(self.core.clone(), Arc::clone(&self.heard));
        let sources = Sources::new(self.stores["right"].clone(), members);
        let cursors = Cursors::in_folder(self.folder.path().join("cursors"));
        let consumers = Consumers::new(self.core.clone(), sources, durable, cursors);
        consumers.open("mes".parse().expect("a name"), everything()).await.expect("a consumer")
    }

    /// What an export of a machine proves.
    pub(super) async fn export_at(&self, machine: &str) -> Evidence {
        let source = Source::Store(self.stores[machine].clone());
        let own = self.roster.member(&key("panel")).expect("the panel").clone();
        let wanted = Wanted { filter: everything(), since: None, until: None };
        let (ledger, roster) = (self.plant.ledger(), Arc::new(self.roster.clone()));
        let mut export = Export::new(source, &ledger, roster, own, wanted, UnixMillis(9));
        let mut verifier = Verifier::default();
        while let Some(line) = export.next().await.expect("a line") {
            verifier.take(line).expect("right");
        }
        verifier.finish().expect("it proves itself")
    }

    /// Where the panel reads.
    pub(super) fn source(&self) -> Source {
        Source::Members(Members::new(self.core.clone(), Arc::clone(&self.heard)))
    }

    pub(super) async fn next(
        &self,
        reader: &mut LogReader,
    ) -> Result<Option<ReadGroup>, ReadError> {
        let own = self.roster.member(&key("panel")).expect("the panel");
        let filter = everything();
        reader.next(&Eyes { roster: &self.roster, own, filter: &filter }).await
    }
}

impl Panel {
    async fn run(mut self, mut waiting: mpsc::Receiver<Input>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let input = tokio::select! {
                input = waiting.recv() => input,
                _ = ticks.tick() => Some(Input::Tick),
            };
            let Some(input) = input else { return };
            if matches!(input, Input::Tick) {
                self.beat();
            }
            let now = self.clock.now();
            let now = Now { tick: now.tick, wall: UnixMillis(world::FOUNDED + 500) };
            for effect in self.plant.handle(now, input) {
                self.carry_out(effect);
            }
        }
    }

    /// Machines are heard, so that their links stay.
    fn beat(&mut self) {
        self.beats += 1;
        let now = self.clock.now();
        for link in [LinkId(1), LinkId(2)] {
            let frame = ControlFrame::Beat { number: self.beats, seen: 0 };
            drop(self.plant.handle(now, Input::Frame { link, frame }));
        }
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Answer { ticket, answer } => self.tickets.answer(ticket, answer),
            Effect::Data(DataEffect::Heard { author, ends }) => self.heard.put([(author, ends)]),
            Effect::Data(DataEffect::Send { link, frame: DataFrame::Read(request) }) => {
                self.answer(link, request);
            }
            Effect::Data(DataEffect::Wrong { why, .. }) => {
                self.wrong.lock().expect("a list").push(why);
            }
            _ => {}
        }
    }

    /// A machine answers.
    fn answer(&self, link: LinkId, request: ReadRequest) {
        let name = MACHINES[usize::try_from(link.0).expect("a small number") - 1];
        let scripted = (self.script.lock().expect("a script"))(name, &request);
        let (store, sees) = (self.stores[name].clone(), self.sees.clone());
        let (inputs, plant) = (self.inputs.clone(), self.plant.roster().expect("a plant").plant());
        tokio::spawn(async move {
            let number = request.number;
            let frame = match scripted {
                Some(frame) => frame,
                None => match showing::page(&store, &request, &sees).await.expect("a page") {
                    Ok(page) => DataFrame::Shown(page),
                    Err(refusal) => DataFrame::NotShown { number, refusal },
                },
            };
            let input = match frame {
                DataFrame::Shown(page) => {
                    let groups = page.groups.into_iter();
                    let groups = groups.map(|group| group.verify(&plant).expect("proven"));
                    let groups = groups.collect();
                    let page = Some(Shown { author: page.author, groups });
                    DataInput::Shown { link, number, page }
                }
                DataFrame::NotShown { refusal, .. } => {
                    DataInput::NotShown { link, number, refusal }
                }
                other => panic!("an answer was expected, not {other:?}"),
            };
            let _ = inputs.send(Input::Data(input)).await;
        });
    }
}

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// So many entries are missing.
    Gap(u64),
    /// A value.
    Value(i64),
    /// A value on a side branch.
    Beside(i64),
    /// A value beyond a cut.
    AfterCut(i64),
    /// So many values that are not believed.
    Withheld(u64),
}

fn found_in(group: &ReadGroup) -> Vec<Found> {
    let value = |entry: &HistoryEntry| match (&entry.sample.value, entry.fork, entry.after_cut) {
        (Value::Integer(number), false, false) => Some(Found::Value(*number)),
        (Value::Integer(number), true, false) => Some(Found::Beside(*number)),
        (Value::Integer(number), false, true) => Some(Found::AfterCut(*number)),
        _ => None,
    };
    let gap = (group.passed.gap > 0).then_some(Found::Gap(group.passed.gap));
    let withheld = (group.withheld > 0).then_some(Found::Withheld(group.withheld));
    gap.into_iter().chain(group.entries.iter().filter_map(value)).chain(withheld).collect()
}

/// The values of a group.
pub(super) fn numbers(group: &ReadGroup) -> Vec<i64> {
    let number = |value: &Value| match value {
        Value::Integer(number) => *number,
        other => panic!("a number was expected, not {other:?}"),
    };
    group.entries.iter().map(|entry| number(&entry.sample.value)).collect()
}

pub(super) fn everything() -> TopicFilter {
    "#".parse().expect("a filter")
}

fn link_of(machine: &str) -> LinkId {
    let at = MACHINES.iter().position(|name| *name == machine).expect("a machine");
    LinkId(at as u64 + 1)
}

fn restore(plant: &world::Plant) -> Plant {
    let ledger = plant.ledger();
    let mut journal = Vec::new();
    for page in ledger.pages() {
        journal.extend(page.acts.into_iter().map(Record::Act));
        journal.extend(page.groups.into_iter().map(Record::Group));
    }
    Plant::restore(Start {
        key: signing("panel"),
        incarnation: Incarnation([1; 16]),
        random: Random::new([7; 32]),
        records: journal,
        data: BTreeMap::new(),
        own_ends: Vec::new(),
        keep: Keep::default(),
        seeds: Vec::new(),
        resources: Vec::new(),
    })
}

fn link_up(number: u64, peer: &str) -> LinkUp {
    let greeting =
        |nonce: u8| Greeting { incarnation: Incarnation([nonce; 16]), nonce: Nonce([nonce; 16]) };
    let number_in_key = u8::try_from(number).expect("a small number");
    LinkUp {
        link: LinkId(number),
        peer: key(peer),
        is_dialer: false,
        ours: greeting(1),
        theirs: greeting(10 + number_in_key),
        address: Address::try_from(format!("/ip4/192.0.2.9/tcp/{number}")).expect("an address"),
    }
}
