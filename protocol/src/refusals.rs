//! The table of all refusals: number, what is wrong, what mends it.
//!
//! 100 to 199 go over the wire between nodes; from [`LOCAL_FROM`](crate::refusal::LOCAL_FROM) on they are said
//! on one machine only: why a node does not start, what the command line and the local API deny.
//! Numbers are never reused. Words in capitals (`NAME`, `HOME`) stand for what the reader puts there.

use crate::refusal_table::refusals;

refusals! {
    /// The one answer that a stranger gets.
    NotAdmitted = 100, "this peer is not admitted here",
        "ask an admin for an invitation: gearmesh add NAME";
    /// Too many peers are being admitted at once.
    Busy = 101, "too many connections are waiting to be admitted", "try again in a few seconds";
    /// The peer speaks another version of the protocol.
    Version = 102, "the two programs speak different versions of the protocol",
        "bring both machines to the same release of gearmesh";
    /// Frames that are malformed, oversized, or out of turn.
    Protocol = 103, "the peer broke the protocol", "bring both machines to the same release of gearmesh";
    /// The key was thrown out.
    Revoked = 110, "this key was revoked",
        "a revoked key never comes back; start with a fresh home and ask for a new invitation";
    /// The membership had an end, and it has passed.
    MembershipEnded = 111, "this membership had an end date, which has passed",
        "ask an admin for more time: gearmesh set NAME --until WHEN";
    /// The key is not in the roster.
    NotAMember = 112, "this key is not a member of the plant",
        "ask an admin for an invitation: gearmesh add NAME";
    /// The code is for another plant than the machine that answers.
    OtherPlant = 120, "the machine that answered belongs to another plant than the code",
        "check the address, or ask the admin of the right plant for a new code";
    /// No such invitation.
    InvitationUnknown = 121, "the redeemer does not know this invitation",
        "ask the admin for a new code: gearmesh add NAME";
    /// The invitation is over, by the redeemer's clock.
    InvitationExpired = 122, "this invitation has expired (by the redeemer's clock)",
        "ask the admin for a new code: gearmesh add NAME";
    /// All its uses are taken by other keys.
    InvitationUsed = 123, "this invitation was already used by another machine",
        "ask the admin for a new code: gearmesh add NAME";
    /// The invitation is for one key, and this is another.
    InvitationBound = 124, "this invitation was made for another machine's key",
        "use the code on the machine it was made for, or ask for a new one";
    /// The invitation was withdrawn.
    InvitationRevoked = 125, "this invitation was withdrawn",
        "ask the admin for a new code: gearmesh add NAME";
    /// The machine that answered is not the one the invitation names.
    NotTheRedeemer = 127, "the machine that answered is not the one that redeems this invitation",
        "check the address in the code; the admin may have to issue a new one: gearmesh add NAME";
    /// The node that redeems cannot write at the moment.
    RedeemerNotReady = 128, "the redeemer cannot write the admission at the moment",
        "look at gearmesh status on the redeemer (disk full?), then join again";
    /// The key is a member already, by another invitation.
    AlreadyMember = 129, "this machine is already a member of the plant",
        "to start over, revoke it first: gearmesh revoke NAME --reason replaced";
    /// The publisher's grant does not cover the topic.
    TopicNotGranted = 130, "the publisher may not publish on this topic",
        "publish under the machine's own scope (gearmesh status shows it)";
    /// The subscriber's grant does not cover the topic.
    SubscribeNotGranted = 131, "this member may not see this topic",
        "ask an admin to let it see more: gearmesh set NAME --see FILTER";
    /// Another member has the name, or a scope that overlaps, which the invitation gives.
    NameOrScopeTaken = 132, "the name or scope that the invitation gives belongs to another member by now",
        "revoke that member if this machine replaces it, or ask for a code with another name: gearmesh add NAME";
    /// Another claim came first, or a person joined it by hand.
    ClaimedAlready = 133, "the machine has joined a plant meanwhile",
        "look at the machine whose it is: gearmesh claims; who has it by mistake gives it back: gearmesh leave, gearmesh wipe";
    /// Another claim is being followed.
    ClaimUnderWay = 134, "the machine is following another claim at this moment",
        "wait a minute, then look whether it is still free: gearmesh add NAME --found";
    /// The words at the machine were others, or nobody wanted it there.
    ClaimDeclined = 135, "a person at the machine said no",
        "compare the words once more at the machine: gearmesh add NAME --found";
    /// Its time is over, or it was started anew.
    ClaimClosed = 136, "the machine does not let itself be found any more",
        "start it so that it does, and look again: gearmesh up --claimable";
    /// It followed the claim, and that led nowhere.
    ClaimFailed = 137, "the machine could not redeem the invitation that it was handed",
        "its own screen says why; see whether it can reach this node: gearmesh doctor, on both";
    /// The author of a trust record may not say this.
    NotAuthorised = 140, "the key that signed this may not do it",
        "sign with an admin key of this plant";
    /// A record builds on something the node does not have.
    MissingParent = 141, "the record builds on one this node does not have yet",
        "wait until the node has caught up (gearmesh status), then try again";
    /// A key that no record of the plant names.
    UnknownAuthor = 142, "no record of this plant names the key that signed this",
        "check that the keyring belongs to this plant";
    /// The node could not make the record durable.
    NotStored = 143, "the node could not write the record to its disk",
        "free some space on the node's disk, then try again";
    /// A log has reached its bound.
    LogFull = 144, "this log holds as many records as a log may",
        "use another admin key";
    /// More members were asked for than keep copies.
    ReplicasTooFew = 145, "so many members do not keep copies of this machine's log",
        "ask for fewer: gearmesh members shows the machines and gateways, which keep copies";
    /// The own log has reached its bound, and none of it may be let go.
    NotReplicated = 146, "too much of what this machine wrote is on no other machine's disk yet",
        "bring back a member that keeps copies: gearmesh members shows who is away";
    /// Of a log of which nothing is here.
    NoCopy = 147, "this member keeps no copy of that log",
        "ask a machine or gateway that does: gearmesh members shows who is online";
    /// A verb that nobody serves at the target.
    VerbUnknown = 150, "this machine serves no such verb at the moment",
        "see which it serves: gearmesh verbs MACHINE";
    /// The caller's grant does not cover the verb.
    CallNotGranted = 151, "the caller may not ask machines to do anything",
        "call from a machine or gateway, or have an admin make the caller one: gearmesh set NAME --role machine";
    /// Arguments that the verb's schema does not allow.
    ArgumentsUnfit = 152, "the arguments are not what the verb takes",
        "see what it takes: gearmesh verbs MACHINE";
    /// More than a command may carry.
    CommandTooLarge = 153, "the arguments of a command have at most 64 KiB",
        "send less, or say where the rest is to be found";
    /// One id, two contents.
    CommandIdTaken = 154, "this id belongs to another command of the same caller",
        "give a new command a new id; a retry repeats machine, verb and arguments";
    /// A call to another machine, or from a moment that never was.
    CallMisdirected = 155, "the call is not for this machine, or names a time that it never issued",
        "bring both machines to the same release of gearmesh";
    /// The target holds as many commands as it may.
    CommandsFull = 156, "too many commands wait at this machine, or are too young to be forgotten",
        "try again in a few seconds";
    /// A query as a command, or the other way round.
    VerbKind = 157, "a query was called as a command, or a command as a query",
        "see which it is: gearmesh verbs MACHINE; queries are called with --query";
    /// No such resource at the arbiter.
    ResourceUnknown = 158, "this machine has no such resource",
        "see which there are: gearmesh lease list";
    /// The asker's grant does not cover leases.
    LeaseNotGranted = 159, "this member may not hold leases",
        "ask from a machine or gateway, or have an admin add this one anew as one: gearmesh add NAME";
    /// Longer than the resource is given away for.
    LeaseTimeUnfit = 160, "the resource is not given away for such a time",
        "ask for 1 s or more, and at most what gearmesh lease list shows; a lease can be renewed";
    /// Every place is taken, and the asker does not wait.
    ResourceTaken = 161, "others hold the resource",
        "wait for it: --wait 30s; see who holds it: gearmesh lease list";
    /// The arbiter's queue has reached its bound.
    LeaseQueueFull = 162, "too many wait for the resource already", "try again later";
    /// The arbiter waits until leases of its earlier lives are over.
    ArbiterStarting = 163, "the machine with the resource has just started, and gives nothing away until earlier leases are over",
        "wait for it: --wait 60s";
    /// One id, two wishes.
    LeaseIdTaken = 164, "this id belongs to another wish of the same machine",
        "give a new wish a new id; a repeated one names the same resource, time and loss behaviour";
    /// A verb that is executed under a lease alone.
    TokenMissing = 165, "the verb is executed only for whoever holds a lease of its resource",
        "call with the token of a lease: gearmesh lease run RESOURCE -- COMMAND";
    /// The lease of the token is over.
    TokenStale = 166, "the lease that this token is of is over",
        "acquire a new one, and look at the machine before going on";
    /// The token is of an earlier life of the arbiter.
    TokenOfEarlierLife = 167, "the machine with the resource was started anew since it gave this token",
        "renew the lease, which brings a new token, or acquire a new one";
    /// A number that was never given.
    TokenUnknown = 168, "no such token was ever given for the resource",
        "use the token as the lease brought it: gearmesh lease list";
    /// The token of another member.
    TokenForeign = 169, "this token was given to another machine",
        "acquire a lease of this machine's own";
    WorkNotGranted = 170, "this member may not offer work items",
        "offer from a machine or gateway, or have an admin add this one anew as one: gearmesh add NAME";
    WorkFull = 171, "as many work items, or arguments of such length, are open as this node may have",
        "wait until some are done; see which: gearmesh jobs";
    WorkIdTaken = 172, "this id belongs to another work item of this node",
        "give a new item a new id; a repeated one has the same verb and arguments";

    // 185–199: what gateways of different companies refuse each other.
    LinkUnknown = 185, "this link stands for no proposal",
        "ask the partner for a new link: gearmesh share";
    LinkExpired = 186, "the proposal behind this link is over (by the offering gateway's clock)",
        "ask the partner for a new link: gearmesh share";
    LinkUsed = 187, "somebody has accepted the proposal behind this link already",
        "if that was not you, tell the partner at once, and ask for a new link: gearmesh share";
    AgreementUnknown = 188, "there is no such agreement",
        "see which there are: gearmesh agreements";
    AgreementEnded = 189, "the agreement has ended", "make a new one: gearmesh share";
    AcceptanceWrong = 190, "what was accepted is not what was proposed",
        "ask the partner for a new link: gearmesh share";
    VerbNotAgreed = 191, "the agreement names no such verb",
        "see what it names: gearmesh agreements";
    CallDenied = 192, "a person at the partner's did not allow it",
        "ask the partner why; a new call has a new id";
    MachineAway = 193, "the partner's machine cannot be reached at the moment, or does not know the verb",
        "try again later, with a new call";
    /// It did what no honest gateway does.
    KeptOut = 195, "this gateway is kept out for a minute, because of what it sent",
        "see why at the other side, which has an alarm: gearmesh agreements";
    /// A key that signed for the plant once, and was thrown out.
    AdminRevoked = 196, "this admin's key was revoked",
        "ask who holds the root's keyring: gearmesh admin list";
    /// A key that signs for no one here.
    NotAnAdminThere = 197, "that member knows no admin with this key",
        "see whether the root has added it: gearmesh admin list; a member may have to catch up first";
    /// As many admins visit as may.
    VisitsFull = 198, "as many admins as may be are at this member over the network",
        "try again in a minute, or at another member: --node IP:PORT";

    // 200–222: a node does not start, or no node answers. Never on the wire from here on.
    HomeOpen = 200, "the home, or the key in it, can be read by others; it holds secrets",
        "chmod -R go-rwx HOME, and look who had access";
    Running = 201, "a node is running in this home already",
        "look at it: gearmesh --home HOME status";
    KeyMissing = 202, "the key of the member in this home is gone",
        "restore node.key from a copy, or revoke the member and join again in another home";
    KeyDamaged = 203, "the home's key file holds no key",
        "restore node.key from a copy; nothing can draw it again";
    HomeUnusable = 204, "the home cannot be read or written",
        "check its path, its owner and the space on its disk, or choose another: --home DIR";
    HomePathTooLong = 205, "the path of the home is too long for a socket",
        "choose a home with a shorter path: --home DIR";
    PortInUse = 206, "another program listens on this address",
        "choose another address: --listen IP:PORT";
    NoPort = 207, "no free port is left", "choose a port: --listen IP:PORT";
    CannotListen = 208, "this machine cannot listen on this address",
        "choose an address of this machine: --listen IP:PORT";
    NoMulticast = 209, "nodes cannot be discovered by multicast here",
        "start with --no-mdns, and name a member to dial: --connect IP:PORT";
    JournalForeign = 210, "the home's journal is of another release of gearmesh",
        "start the node with the release that wrote the journal";
    JournalDamaged = 211, "the home's journal is no journal of gearmesh, or is damaged throughout",
        "restore the journal from a copy, or revoke the member and join again in another home";
    JournalUnusable = 212, "the home's journal cannot be opened",
        "check the owner of the home, and that its disk is sound and has space";
    JournalNotWritten = 213, "the home's journal cannot be written",
        "free some space on the node's disk, and check that it is sound";
    NoRandom = 214, "the system gave no random bytes",
        "wait until the system has started up, then try again";
    SocketUnusable = 215, "the socket of the local API cannot be opened",
        "check that the home is on a local disk and belongs to the user who runs the node";
    KeyUnusable = 216, "the node's key cannot be used for connections",
        "restore node.key from a copy; nothing can draw it again";
    JournalMissing = 217, "the journal in this home holds nothing of the plant to which the node belongs",
        "restore the file journal from a copy, or revoke the member and join again in another home";
    KeyForeign = 218, "the key in this home is not of the member whose journal is there",
        "restore node.key and journal from the same copy of this machine's home";
    DataUnusable = 219, "the durable values in the home cannot be used",
        "check the owner of the home, and that its disk is sound and has space";
    NoNode = 220, "no node is running in this home", "start it: gearmesh --home HOME up";
    NoHome = 221, "there is no node home here",
        "found a plant: gearmesh --home HOME init NAME; or join one: gearmesh --home HOME join CODE";
    NodeForbidden = 222, "the node in this home belongs to another user",
        "type the command as the user who runs the node";

    // 223–259: what the command line refuses.
    NodeStopped = 223, "the node stopped before it had answered", "start it again: gearmesh up";
    AnswerUnreadable = 224, "the node's answer was not understood",
        "bring gearmesh and the node to the same release";
    NoCode = 225, "this is no invitation code",
        "a code starts with gm1: and stands in what gearmesh add printed";
    CodeMistyped = 226, "the invitation code was mistyped",
        "compare the code character by character, or ask for a new one";
    CodeTruncated = 227, "the invitation code is cut off",
        "copy it to its end; compare the code character by character, or ask for a new one";
    SettledElsewhere = 228, "only the machine that wrote a log can settle it",
        "type this on that machine: gearmesh settle";
    NotARegistrar = 230, "this node does not redeem invitations",
        "type this on a registrar: gearmesh members shows which they are";
    ListensNowhere = 231, "this node listens nowhere, so no machine could reach it",
        "connect it to the network, or start it with --listen IP:PORT";
    NameTaken = 232, "the name belongs to another machine",
        "choose another name, or revoke the machine first: gearmesh revoke NAME";
    NameInvited = 233, "the name is promised to a machine that has not joined yet",
        "use the code that was made for it, choose another name, or wait until the code is over";
    ScopeTaken = 234, "the scope overlaps another machine's",
        "give the machine a scope of its own: --scope area/line/machine";
    OneScope = 235, "one scope cannot be given to several machines",
        "add the machines one by one, each with its --scope";
    NameUnknown = 236, "no member has this name", "see who there is: gearmesh members";
    NameAmbiguous = 237, "several members have this name",
        "say which: --key and its check words, or the first digits of its key";
    RevokedAlready = 238, "this member is revoked already", "nothing is to be done";
    HostNameUnfit = 239, "this machine's host name cannot be a node's name",
        "give the node a name: --node-name NAME";
    BelongsAlready = 240, "the node in this home belongs to a plant already",
        "a node belongs to one plant; found or join another in another home: --home DIR";
    BlankTitle = 241, "a plant cannot have a blank name",
        "give it a name that people know it by: gearmesh init \"Rossi\"";
    KeyringMissing = 242, "there is no keyring here",
        "type this where the plant was founded, or name the keyring: --keyring DIR";
    KeyringForeign = 243, "the keyring is of another plant", "name the right one: --keyring DIR";
    KeyringDamaged = 244, "the keyring is damaged", "restore the keyring from its copy";
    KeyringOpen = 245, "the keyring can be read by others; it holds the plant's secret",
        "chmod -R go-rwx KEYRING, and look who had access";
    KeyringExists = 246, "there is a keyring already",
        "it may hold the only key of a plant: name another with --keyring DIR";
    KeyringUnusable = 247, "the keyring cannot be read or written",
        "check its path, its owner and the space on its disk, or name another: --keyring DIR";
    KeyringBehind = 248, "the key was used in several places, and this keyring knows none of them",
        "use the keyring that signed last, or its newest copy: --keyring DIR";
    NotSigned = 249, "nothing was signed: the key signed records that this keyring did not write",
        "if the key was stolen, treat the plant as compromised and found it again";
    ClocksDiffer = 250, "the clocks of this machine and of the node are far apart",
        "set the wrong one right before you sign anything";
    NotConfirmed = 251, "not confirmed, so nothing was done",
        "answer the question on a terminal, or say --yes";
    CutNeeded = 252, "the key signed records or durable values: how much of that still counts?",
        "say it with --cut: a group of each list, or all";
    CutMisplaced = 253, "a cut goes with the reason compromised only",
        "leave --cut away: all that the key signed until now stays";
    CutUnknown = 254, "no one group of the key begins like this",
        "write the digits as the list shows them; without --cut, the command lists them";
    RedeemerSilent = 255, "the redeemer does not answer",
        "see that the machine that made the code is running (gearmesh up) and reachable from here; \
         if it is gone for good, the admin makes a new code: gearmesh add NAME";
    DemoFailed = 256, "the demo did not get as far as it should",
        "read what the step says; GEARMESH_LOG=info shows more";
    Interrupted = 257, "interrupted", "start it again";
    WrongWords = 258, "the words of the command line are wrong",
        "see which it takes: gearmesh COMMAND --help";
    SystemRefused = 259, "the system refused what this needs",
        "mend what the system names, then try again";

    // 260–319: what the local API refuses.
    RequestMalformed = 260, "the request has not the form that it needs",
        "compare it with docs/local-api.md";
    PathUnknown = 261, "nothing answers at this path", "see the paths in docs/local-api.md";
    MethodWrong = 262, "the path does not answer to this method",
        "see the paths in docs/local-api.md";
    BodyTooLarge = 263, "the body is larger than the local API takes",
        "send at most 1 MiB in one request";
    BodyKind = 264, "the body is of the wrong kind",
        "send JSON with the header content-type: application/json";
    TopicMalformed = 265, "this is no topic",
        "write levels with / between them, without + and #: part/count";
    FilterMalformed = 266, "this is no topic filter",
        "write levels with / between them, + for any one level, # at the end for all the rest";
    FilterMatchesNothing = 267, "no member can ever publish what this filter matches",
        "begin with a member's scope as gearmesh members shows it, in lower case, or with +";
    ValueTooLarge = 268, "the value is larger than a sample may be",
        "publish at most 512 KiB at once";
    ValueNotFinite = 269, "the value is no finite number",
        "publish bad quality or no value instead";
    SubscribersFull = 270, "too many subscribers follow topics at this node already",
        "end a subscription that nobody needs any more";
    GroupMalformed = 271, "this is no group that this plant's members could read",
        "send the bytes of a signed group as docs/wire.md gives them";
    JoinUnderWay = 272, "this node is redeeming another code at the moment",
        "wait until that has ended, at most 25 s, then try again";
    NotAnUpgrade = 273, "this path answers only to a request for a stream",
        "send the headers connection: Upgrade and upgrade: gearmesh-stream";
    StreamsFull = 274, "too many streams publish at this node already",
        "publish several topics over one stream, or end one that nobody needs any more";
    StreamMalformed = 275, "what came over the stream is none of its frames",
        "compare it with the frames in docs/local-api.md";
    StreamFrameTooLong = 276, "a frame of the stream is longer than any may be",
        "send frames of at most 1 MiB";
    StreamStalled = 277, "a frame of the stream was begun and not finished",
        "write every frame as a whole, within 10 s";
    StreamAliasUnknown = 278, "a value came under an alias that stands for no topic",
        "give the alias its topic first, and use aliases below 4,096";
    ConsumerBusy = 279, "another program reads by this name",
        "end it, or give this one a name of its own";
    ConsumerUnknown = 280, "no program reads by this name",
        "begin with GET /v1/consume, and confirm while it is open";
    /// A file given to `verify` that is no export.
    ExportUnreadable = 281, "this is no export that this release can read",
        "export again as --jsonl, with this release or a newer one of verify";
    /// A file given to `verify` whose lines do not prove what they say.
    ExportWrong = 282, "the file is not what its authors signed",
        "do not rely on it: export again from a member that you trust";
    NotForked = 283, "the durable values of this machine have one end: nothing is to be settled",
        "see what is wrong with a member: gearmesh why NAME";
    BranchesChanged = 284, "the branches are others by now than those that were shown",
        "look at them again: gearmesh settle";
    NoCopiesReached = 285, "this node keeps no durable values, and no member that does is linked to it",
        "start a machine or gateway, or wait until one is back: gearmesh members shows who is away";
    CopiesUnusable = 286, "what other members sent of durable values was wrong, or did not come in time",
        "try again; the log of this node (GEARMESH_LOG=warn) says which member it was";
    MachineUnreachable = 287, "the machine cannot be reached from here",
        "see how it stands: gearmesh members; --wait waits for it as long as the command lives";
    OutcomeUnknown = 288, "the machine did not say in time what became of the command",
        "ask again with the same --id: it is not executed twice";
    CallsFull = 289, "too many calls of this node wait for an answer", "try again in a few seconds";
    ArgumentsNotJson = 290, "the arguments are no JSON",
        "write JSON, in quotes for the shell: '{\"part\": 17}'";
    VerbTaken = 291, "another program serves this verb here already",
        "end it, or give the verb another name";
    VerbsFull = 292, "this machine serves as many verbs, or schemas of such length, as it may",
        "serve at most 64 verbs with schemas of 128 KiB together";
    SchemaUnusable = 293, "this is no JSON Schema that arguments can be checked against",
        "write a JSON Schema (draft 2020-12) that names no other documents";
    ServeNotGranted = 294, "this member may not serve verbs",
        "serve on a machine or gateway, or have an admin make this one a machine: gearmesh set NAME --role machine";
    RunUnknown = 295, "this run is over, or never was", "answer each run once, within its time";
    CommandFailed = 296, "the machine tried, and did not succeed",
        "mend what its program says, then call anew";
    CommandExpired = 297, "the command's time ran out before it was begun; it was not executed",
        "call anew; --ttl 60s gives a busy machine more time";
    CommandIndeterminate = 298, "the machine or its program went down before it said what became of the command",
        "look at the machine whether it was executed; under this id it is not executed again";
    LeaseUnknown = 299, "this machine holds no lease with this id, and waits for none",
        "see what it holds: gearmesh lease list";
    LeaseOver = 300, "the lease is over",
        "acquire a new one, and look at the machine before going on";
    LeasesFull = 301, "this machine holds, or waits for, as many leases as it may",
        "release one that nobody needs any more";
    LeaseNotInTime = 302, "the resource did not become free in time",
        "wait longer: --wait 5m; see who holds it: gearmesh lease list";
    ResourceAmbiguous = 303, "several machines have a resource of this name",
        "say which: MACHINE/RESOURCE";
    LeaseNeeded = 304, "this machine holds no lease of the resource at the moment",
        "acquire it first: gearmesh lease acquire RESOURCE";
    NoSuchResource = 305, "no machine that is linked has a resource of this name",
        "see which there are: gearmesh lease list; its machine may be away: gearmesh members";
    LeaseLost = 306, "the lease was lost while the command ran",
        "look at the machine before you go on";
    ResourcesUnfit = 307, "a machine has at most 64 resources, each with a name of its own",
        "name each once: --resource NAME";
    WorkUnknown = 308, "this node offers no work item with this id",
        "see which it offers: gearmesh jobs";
    WorkUnderWay = 309, "a machine works on the item",
        "wait what becomes of it: gearmesh jobs";
    WorkOver = 310, "the item is completed or has failed", "see what came of it: gearmesh jobs --all";
    OffererIsMember = 311, "the machine is a member still, and arbitrates its items itself",
        "revoke it first if it does not come back: gearmesh revoke NAME --reason lost";
    WorkFailed = 312, "the work item failed",
        "mend what is said of it, then offer it anew";
    // 320–344: members and who may sign for them, as the command line and the local API refuse.
    NothingChanged = 320, "nothing would be changed", "see how it stands: gearmesh members";
    ReplacedElsewhere = 321, "this node cannot make the code for the machine that takes its own place",
        "type this at another registrar: gearmesh members shows which they are";
    InvitationNotOpen = 322, "no open invitation has this name or begins like this",
        "see which are open: gearmesh invitations; a machine that has joined is revoked: gearmesh revoke NAME";
    OneKey = 323, "one key cannot be given to several machines",
        "add the machines one by one, each with its --for";
    StillAMember = 324, "the machine of this home is still a member of its plant",
        "have an admin take it out first: gearmesh revoke NAME --reason retired; or say --yes";
    FreshNotConfirmed = 325, "the key of this home was not given up",
        "type this on a terminal and confirm, or name the key that is to go: gearmesh up --fresh=DIGITS";
    NotAnAdmin = 326, "the key of this keyring may not sign for the plant",
        "have the holder of the root key add it: gearmesh admin add NAME KEY; gearmesh admin request shows the key";
    RootNeeded = 327, "only the root makes and removes admins, and this keyring holds an admin's key",
        "type this with the root's keyring: --keyring DIR; where the root is on sheets: gearmesh recover";
    AdminUnknown = 328, "no admin has this name", "see who there is: gearmesh admin list";
    RegistrarAlready = 329, "this member redeems invitations already",
        "see who does: gearmesh admin list";
    ThresholdUnfit = 330, "so many root keys cannot be needed",
        "say how many of them act together: at least 2, and no more than there are";
    SheetUnreadable = 331, "this is no line of a recovery sheet, or it was mistyped",
        "compare it letter by letter; it starts with gr1:";
    SheetForeign = 332, "this sheet is of another plant", "take the sheets of this plant: its check words stand on them";
    SheetsTooFew = 333, "more sheets are needed", "bring together as many as stand on each of them";
    RootNotOnSheets = 334, "the root of this plant is a key in a keyring, not on sheets",
        "restore the root's keyring from its copy: --keyring DIR";
    PassphraseNeeded = 335, "the key of the keyring is behind a passphrase",
        "type this on a terminal, or name a file with the passphrase: GEARMESH_PASSPHRASE_FILE";
    PassphraseWrong = 336, "this is not the passphrase of the keyring",
        "type it again; without it only a copy without passphrase, or the recovery sheets, help";
    PassphraseUnfit = 337, "this is no fit passphrase", "choose a longer one, and type it twice alike";
    NobodyReached = 338, "no member is reached, so nobody would know that this machine has left",
        "connect it first; or have an admin take it out: gearmesh revoke NAME --reason retired";
    ValuesHereAlone = 339, "durable values of this machine are on no other member's disk yet",
        "wait until a machine or gateway has them; or let them go: gearmesh leave --lose-values";
    NotSignedYet = 340, "what is to be signed was written down, and nothing is done yet",
        "where the keyring is: gearmesh sign FILE; then here: gearmesh hand-in FILE.signed";
    PaperUnfit = 341, "this file holds nothing that was to be signed, or was signed, for this plant",
        "write it down anew: --unsigned FILE";
    NoRegistrar = 342, "this member redeems no invitations", "see who does: gearmesh admin list";
    RegistrarEnded = 343, "this member redeemed invitations once, and was told to stop for good",
        "name another member, or give the machine a new key: gearmesh replace NAME";
    ClockUnset = 344, "the clock of this machine stands before 1975, when no link can be proven",
        "set the clock, for example: timedatectl set-time '2026-11-22 14:03:00'";
    // 345–359: the settings of a node, and programs that reach it over the network.
    ConfigUnreadable = 345, "the file of settings cannot be read",
        "write it as gearmesh config prints it";
    SettingUnknown = 346, "there is no such setting", "see which there are: gearmesh config";
    SettingWrong = 347, "a setting has a value that it cannot have",
        "see what it may be: gearmesh config";
    TokenNeeded = 348, "nobody is answered here without a token",
        "make one: gearmesh token add NAME --read; send it as Authorization: Bearer TOKEN";
    ApiTokenUnknown = 349, "there is no such token, or it was removed",
        "see which there are: gearmesh token list";
    TokenTooNarrow = 350, "the token does not allow this",
        "make another: gearmesh token add NAME, with --read, --publish, --call or --admin";
    HostForeign = 351, "the request names another machine than this one",
        "ask for http://127.0.0.1:PORT or http://localhost:PORT, with the port of the API";
    TokensOpen = 352, "the tokens of this node can be read by others",
        "chmod go-rwx HOME/tokens, and look who had access";
    TokensUnusable = 353, "the tokens of this node cannot be used",
        "mend or remove the file tokens in the home, then make new ones: gearmesh token add NAME";
    TokenNameTaken = 354, "a token has this name already",
        "choose another name, or remove it first: gearmesh token remove NAME";
    TokenNameUnknown = 355, "no token has this name", "see which there are: gearmesh token list";
    ApiNotLoopback = 356, "the API answers on addresses of this machine alone",
        "say --api 127.0.0.1:PORT; from elsewhere come through a proxy with TLS or through ssh -L";
    ApiUnusable = 357, "the API cannot listen on this address",
        "choose another port: --api 127.0.0.1:PORT";
    // 360–399: what the node and the command line refuse about partners.
    PartnersOff = 360, "this node does not meet partners",
        "start it on a gateway of the plant: gearmesh up --partners";
    NotAGateway = 361, "this node is no gateway of its plant, so nothing may cross here",
        "add a gateway: gearmesh add NAME --role gateway";
    NoLink = 362, "this is no link from a partner",
        "a link starts with gs1: and stands in what gearmesh share printed";
    LinkMistyped = 363, "the link was mistyped or cut off",
        "copy it to its end, or ask the partner to send it again";
    ShareTaken = 364, "a share or agreement has this name already",
        "choose another name, or end that one first: gearmesh end NAME";
    ShareUnknown = 365, "no share or agreement has this name",
        "see which there are: gearmesh shares, gearmesh agreements";
    TermsUnusable = 366, "these terms cannot be kept", "change what the message names";
    WordsDiffer = 367, "these are not the words of the agreement",
        "call the partner at a number you know; if its words stay others, somebody else has the link: gearmesh end NAME";
    NotAccepted = 368, "nobody has accepted this proposal yet",
        "send the partner the link, and wait until gearmesh shares says accepted";
    PartnerUnreachable = 369, "the partner's gateway does not answer",
        "check that it runs and can be reached from here at the addresses in the link";
    PartnersFull = 370, "there are as many agreements as one gateway can keep",
        "end one that nobody needs any more: gearmesh end NAME";
    PartnerStoreUnusable = 371, "what was agreed with partners cannot be read or written",
        "check the owner of the home, and that its disk is sound and has space";
    CallNotWaiting = 372, "no call of a partner with this number waits for a person",
        "see which do: gearmesh share requests";
    AgreementWrong = 373, "the papers of the agreement do not prove all that they say",
        "keep the home as it is; compare with what the partner has: gearmesh verify --agreement NAME there";
    NoticeWrong = 374, "this gateway notice is not signed by the admin who signed the agreement",
        "ask the partner, at a number you know, who made it";
    NoticeEarly = 375, "a gateway notice before this one has not come",
        "ask the partner for a file with all of them: gearmesh share notice NAME --out FILE";
    NotForThisGateway = 376, "these papers are not made over to this gateway",
        "where the agreement is now: gearmesh share move NAME --to GATEWAY; the old one is gone: gearmesh share succeed FILE";
    ShareMoving = 377, "the share cannot be moved at this moment",
        "try again in a moment; withdraw a new sheet that waits: gearmesh amend NAME --withdraw";
    NoPapers = 378, "this file holds no papers of a share, or no notice",
        "name the file that gearmesh share papers, share move or share notice wrote";
    NoticeOther = 379, "another gateway notice of this number was taken already",
        "the partner's admin has signed two; ask, at a number you know, which one counts, and end the agreement if nobody knows: gearmesh end NAME";
    // 400–419: looking after a machine.
    LedgerWrong = 400, "the journal of this home does not prove all that it says",
        "what is damaged or missing comes again from members while the node runs: gearmesh up";
    NoLedger = 401, "there is no ledger here: this node belongs to no plant yet",
        "join one: gearmesh join CODE";
    DoctorFound = 402, "something here needs a person", "do what stands below each finding";
    NoSystemd = 404, "systemd does not run this machine",
        "start the node by what does: it stays in the foreground and stops on SIGTERM: gearmesh up";
    ServiceNotDone = 405, "the service could not be changed",
        "mend what the system names; writing units takes root: sudo gearmesh service install";
    ServiceMissing = 406, "the node is no service here", "install it: sudo gearmesh service install";
    RecordingUnreadable = 407, "the recording cannot be read", "check its path and its owner";
    RecordingUnknown = 408, "this is no recording that can be played",
        "play SHDR as MTConnect adapters write it, or CSV whose first line has the names";
    BackupUnreadable = 410, "this is no backup that can be read",
        "name a whole file that gearmesh backup wrote; gearmesh verify FILE looks through it";
    BackupWrong = 411, "this is not the passphrase of the backup, or the file was changed",
        "type the passphrase again; if it is the right one, take another copy of the file";
    BackupEmpty = 412, "there is nothing here to back up",
        "name the home or the keyring: --home DIR, --keyring DIR";
    BackupInTheWay = 413, "something is already where this would be put",
        "name another place, or move away what is there";
    Stopped = 414, "it was told to stop, and left nothing behind", "type it again when there is time";
    // 420–429: machines that let themselves be found.
    NoneFound = 420, "no machine was found here that lets itself be found",
        "say so at the machine: gearmesh up --claimable; where multicast does not reach: gearmesh add NAME --found=IP:PORT";
    WordsUnmatched = 421, "no machine that was found shows these words",
        "do not let it in; look again, and compare anew at the machine: gearmesh add NAME --found";
    WhichMachine = 422, "it was not said which of the machines is meant",
        "compare the words at the machine, then name them: gearmesh add NAME --found --words 'WORDS'";
    NotFoundYet = 423, "this node has not found that machine",
        "look first: gearmesh add --found";
    FoundSilent = 424, "the machine does not answer any more",
        "see whether it runs, and look again: gearmesh add NAME --found";
    NotClaimable = 425, "this machine does not let itself be found",
        "start its node so that it does: gearmesh up --claimable";
    ClaimUnknown = 426, "nobody who wants this machine showed these words",
        "see who does: gearmesh claims; if the admin sees others, say no";
    NoLookingAround = 427, "this node cannot ask by multicast who is there",
        "name the machine's address: gearmesh add NAME --found=IP:PORT";
    // 430–439: visits.
    NotForVisits = 430, "this cannot be asked for over the network",
        "type it at the machine itself, or over ssh";
    NodeWordUnfit = 431, "this command is for the machine itself, and takes no --node",
        "type it there; what an admin signs and looks at takes --node: gearmesh --help";
    KeyringNew = 432, "this keyring has signed for no plant yet, so it cannot tell which node is one of its own",
        "name the plant once: --plant ID; gearmesh status --json shows the id at any member";
    // 440–449: the root.
    RootFrozen = 440, "several roots want to take over, and none of them signs anything",
        "see which; then each admin: gearmesh root show, gearmesh root settle WORDS";
    RootReplaced = 441, "another root took the place of this one, or wants to",
        "see which one acts, and take its keys: gearmesh root show";
    RotationUnknown = 442, "no rotation has these words or digits",
        "see which there are: gearmesh root show";
    NothingToSettle = 443, "no roots wait for a decision", "see how the root stands: gearmesh root show";
    VoteUncounted = 444, "what this admin says would not count here",
        "see who decides, and who is for what: gearmesh root show";
}
