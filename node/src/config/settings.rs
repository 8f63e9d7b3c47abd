//! The list of all settings, and the file that shows them.

use super::raw::Raw;

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Truth,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `section.key`.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is by itself, as TOML.
    pub default: &'static str,
    /// The option of `gearmesh up` that does the same, and wins.
    pub option: Option<&'static str>,
    /// What it does.
    pub words: &'static str,
}

/// All settings, in the order in which they are printed; those of one section stand together.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "network.listen",
        kind: Kind::Texts,
        default: "[]",
        option: Some("--listen"),
        words: "Where to listen: \"IP:PORT\" or \"IP\". With none: every interface, port 7430 or the next\n\
                free one.",
    },
    Setting {
        name: "network.connect",
        kind: Kind::Texts,
        default: "[]",
        option: Some("--connect"),
        words: "Members to dial besides those that are found: \"IP:PORT\" or \"IP\". Needed where multicast\n\
                does not reach: another subnet, another building, the other site of a company.",
    },
    Setting {
        name: "network.mdns",
        kind: Kind::Truth,
        default: "true",
        option: Some("--no-mdns"),
        words: "Whether to look for other nodes by multicast (mDNS).",
    },
    Setting {
        name: "keep.bytes",
        kind: Kind::Text,
        default: "\"256M\"",
        option: Some("--keep-bytes"),
        words: "How much of each machine's durable values is kept here; older ones go.",
    },
    Setting {
        name: "keep.all_bytes",
        kind: Kind::Text,
        default: "\"4G\"",
        option: Some("--keep-all-bytes"),
        words: "How much of all machines' durable values together is kept here.",
    },
    Setting {
        name: "keep.time",
        kind: Kind::Text,
        default: "\"\"",
        option: Some("--keep"),
        words: "How long durable values are kept here: \"90d\", \"12h\". Empty: as long as there is room.",
    },
    Setting {
        name: "host.publish",
        kind: Kind::Truth,
        default: "true",
        option: Some("--no-host"),
        words: "Whether to publish this machine's processor, memory, disks, network and temperatures.",
    },
    Setting {
        name: "leases.resources",
        kind: Kind::Texts,
        default: "[]",
        option: Some("--resource"),
        words: "What is wired to this machine and used by machines one after the other, for which it gives\n\
                leases: [\"crane\", \"buffer,places=3,longest=30s\"].",
    },
    Setting {
        name: "board.follow",
        kind: Kind::Texts,
        default: "[]",
        option: None,
        words: "Topic filters that this node follows all the time, so that gearmesh get, gearmesh top and\n\
                dashboards have the last value of each at once: [\"+/host/#\"].",
    },
    Setting {
        name: "machine.maker",
        kind: Kind::Text,
        default: "\"\"",
        option: None,
        words: "What this machine is; other members see it with gearmesh machines. Who made it.",
    },
    Setting {
        name: "machine.model",
        kind: Kind::Text,
        default: "\"\"",
        option: None,
        words: "What it is.",
    },
    Setting {
        name: "machine.serial",
        kind: Kind::Text,
        default: "\"\"",
        option: None,
        words: "Its serial number.",
    },
    Setting {
        name: "machine.firmware",
        kind: Kind::Text,
        default: "\"\"",
        option: None,
        words: "The release of its own program.",
    },
    Setting {
        name: "machine.capabilities",
        kind: Kind::Texts,
        default: "[]",
        option: None,
        words: "What it can do: [\"turn\", \"mill\"].",
    },
    Setting {
        name: "machine.clock",
        kind: Kind::Text,
        default: "\"\"",
        option: None,
        words: "How far its clock is to be trusted: \"ptp\", \"ntp\", \"by hand\".",
    },
    Setting {
        name: "api.listen",
        kind: Kind::Text,
        default: "\"\"",
        option: Some("--api"),
        words: "Where programs on this machine that have a token (gearmesh token add) reach the node by\n\
                HTTP, besides the socket in its home: \"127.0.0.1:7480\". Empty: nowhere.",
    },
    Setting {
        name: "partners.listen",
        kind: Kind::Text,
        default: "\"\"",
        option: Some("--partners"),
        words: "Where a gateway meets partners, other companies, under signed agreements (gearmesh share):\n\
                \"0.0.0.0:7440\". Empty: nowhere.",
    },
    Setting {
        name: "claims.open",
        kind: Kind::Text,
        default: "\"\"",
        option: Some("--claimable"),
        words: "For how long after its start a machine without a plant lets itself be found and claimed by an\n\
                admin who types no code at it (gearmesh add NAME --found): \"30m\". Empty: not at all.",
    },
    Setting {
        name: "claims.confirm",
        kind: Kind::Truth,
        default: "false",
        option: Some("--confirm"),
        words: "Whether somebody at the machine has to compare the words and say so before it follows a claim\n\
                (gearmesh claims). Without that it follows the first.",
    },
    Setting {
        name: "log.filter",
        kind: Kind::Text,
        default: "\"warn,gearmesh_node=warn\"",
        option: None,
        words: "What the node writes to standard error, in tracing's syntax; the environment variable\n\
                GEARMESH_LOG wins.",
    },
    Setting {
        name: "log.form",
        kind: Kind::Text,
        default: "\"text\"",
        option: Some("--log"),
        words: "How it is written: \"text\" for people, or \"json\", an object on each line.",
    },
];

const HEAD: &str = "\
# The settings of a gearmesh node: gearmesh.toml in its home, or the file that `gearmesh up --config`
# names. Behind `#` stands what holds where a line says nothing else. Options of `gearmesh up` win over
# this file. A node reads it when it starts.
";

/// The file with all settings: those that `raw` gives as it gives them, the others with what they are
/// by themselves, as comments.
#[must_use]
pub fn printed(raw: &Raw) -> String {
    let mut text = HEAD.to_owned();
    let mut open = "";
    for setting in SETTINGS {
        let (section, key) = setting.name.split_once('.').unwrap_or(("", setting.name));
        if section != open {
            text.push_str(&format!("\n[{section}]\n"));
            open = section;
        }
        let option = setting.option.map(|option| format!(" (up {option})")).unwrap_or_default();
        for line in format!("{}{option}", setting.words).lines() {
            text.push_str(&format!("# {line}\n"));
        }
        match raw.get(setting.name) {
            Some(given) => text.push_str(&format!("{key} = {}\n", given.value)),
            None => text.push_str(&format!("#{key} = {}\n", setting.default)),
        }
    }
    text
}

/// The setting whose name is most like another, if one is.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let key = |name: &'static str| name.split('.').next_back().unwrap_or(name);
    let typed = name.split('.').next_back().unwrap_or(name);
    let likeness = |setting: &Setting| {
        let whole = strsim::jaro_winkler(name, setting.name);
        whole.max(strsim::jaro_winkler(typed, key(setting.name)))
    };
    let best = SETTINGS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKE_ENOUGH).then_some(best.name)
}

/// From here on a name counts as mistyped rather than as another word.
const LIKE_ENOUGH: f64 = 0.75;
