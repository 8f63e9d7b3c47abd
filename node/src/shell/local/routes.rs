//! All paths of the local API: each with its handler, what a token needs for it, and what the OpenAPI
//! document says of it, so that neither can be without the other.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::stream::{FOLLOW_PATH, PUBLISH_PATH};

use super::super::tokens::Scope::{self, Admin, Call, Publish, Read};
use super::{
    State, acts, answer, audit, board, claims, commands, durable, found, inspect, items, join,
    leases, leave, live, membership, metrics, openapi, status, stream,
};

/// One path of the local API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) path: &'static str,
    /// What a token needs.
    pub(super) scope: Scope,
    /// What it does.
    pub(super) words: &'static str,
    /// Its parameters; a `?` behind one that may be left away.
    pub(super) parameters: &'static [&'static str],
    /// The schema of its body, if it has one.
    pub(super) body: Option<&'static str>,
    pub(super) answer: Answer,
    /// Whether an admin that comes over the network may ask for it.
    pub(super) is_for_visits: bool,
}

/// What a path answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// JSON of a schema.
    One(&'static str),
    /// A list of a schema.
    List(&'static str),
    /// Server-sent events, each with JSON of a schema.
    Events(&'static str),
    /// Text of this kind.
    Text(&'static str),
    /// Any JSON.
    Json,
    /// Frames, over the upgraded connection.
    Stream,
}

impl Route {
    const fn new(path: &'static str, scope: Scope, answer: Answer, words: &'static str) -> Self {
        Self { path, scope, words, parameters: &[], body: None, answer, is_for_visits: false }
    }

    /// Lets admins that come over the network ask for it.
    const fn visited(self) -> Self {
        Self { is_for_visits: true, ..self }
    }

    const fn asks(self, parameters: &'static [&'static str]) -> Self {
        Self { parameters, ..self }
    }

    const fn takes(self, body: &'static str) -> Self {
        Self { body: Some(body), ..self }
    }
}

/// The body of a request that is no JSON.
pub(super) const BYTES: &str = "bytes";

macro_rules! routes {
    ($($method:ident $handler:path: $route:expr;)*) => {
        /// All paths, each with its method.
        pub(super) const ROUTES: &[(&str, Route)] = &[$((stringify!($method), $route),)*];

        /// The handlers of all paths.
        pub(super) fn router(state: State) -> Router {
            let router = Router::new();
            $(let router = {
                const ROUTE: Route = $route;
                router.route(ROUTE.path, $method($handler))
            };)*
            router
                .fallback(answer::unknown_path)
                .method_not_allowed_fallback(answer::wrong_method)
                .layer(DefaultBodyLimit::max(FRAME_BYTES_MAX))
                .with_state(state)
        }
    };
}

use Answer::{Events, Json, List, One, Stream, Text};

routes! {
    get status::status:
        Route::new("/v1/status", Read, One("Status"), "What this node is and how it stands.")
            .visited();
    get status::members:
        Route::new("/v1/members", Read, List("MemberStatus"), "The members, this node first.")
            .visited();
    get membership::invitations:
        Route::new("/v1/invitations", Read, List("OpenInvitation"),
            "Invitations that a machine can still use.")
            .visited();
    post live::publish:
        Route::new("/v1/publish", Publish, One("Published"), "Publishes a value.")
            .takes("PublishRequest");
    get live::subscribe:
        Route::new("/v1/subscribe", Read, Events("SubscribeEvent"),
            "Follows values until one side ends it.")
            .asks(&["filter"]);
    post durable::publish:
        Route::new("/v1/durable", Publish, One("DurablePublished"),
            "Publishes a value that must not be lost.")
            .takes("DurableRequest");
    get durable::history:
        Route::new("/v1/history", Read, Events("HistoryEvent"), "Durable values of the past.")
            .asks(&["filter", "since?", "until?"]);
    get durable::export:
        Route::new("/v1/export", Read, Events("ExportLine"),
            "Durable values as lines that prove what they say.")
            .asks(&["filter", "since?", "until?"]);
    get durable::consume:
        Route::new("/v1/consume", Read, Events("ConsumeEvent"),
            "Durable values that a named program has not confirmed.")
            .asks(&["name", "filter"]);
    post durable::confirm:
        Route::new("/v1/consume/confirm", Read, One("Confirmed"),
            "A named program has done with what it got.")
            .takes("ConfirmRequest");
    get commands::verbs:
        Route::new("/v1/verbs", Read, List("VerbStatus"), "What machines can be asked for.")
            .asks(&["machine?"]);
    post commands::call:
        Route::new("/v1/call", Call, Events("CallEvent"),
            "Asks a machine to do something, at most once.")
            .takes("CallRequest");
    post commands::serve:
        Route::new("/v1/serve", Publish, Events("ServeEvent"),
            "Serves a verb until one side ends it.")
            .takes("ServeRequest");
    post commands::answer:
        Route::new("/v1/serve/answer", Publish, Json, "What came of a run.")
            .takes("RunAnswer");
    get leases::list:
        Route::new("/v1/leases", Read, List("ResourceStatus"), "Who holds what, and who waits.")
            .asks(&["resource?"]);
    post leases::acquire:
        Route::new("/v1/lease", Call, Events("LeaseNews"), "Asks for a lease of a resource.")
            .takes("LeaseRequest");
    post leases::renew:
        Route::new("/v1/lease/renew", Call, One("LeaseNews"), "Has a lease last for longer.")
            .takes("LeaseKey");
    post leases::release:
        Route::new("/v1/lease/release", Call, One("LeaseNews"), "Gives a lease back.")
            .takes("LeaseKey");
    post items::offer:
        Route::new("/v1/offer", Call, One("WorkKey"), "Offers work to whoever can do it.")
            .takes("OfferRequest");
    get items::list:
        Route::new("/v1/jobs", Read, List("WorkStatus"), "How work items stand.")
            .asks(&["all?"]);
    post items::cancel:
        Route::new("/v1/jobs/cancel", Call, One("WorkKey"), "Has a work item not done.")
            .takes("WorkKey");
    post items::rehome:
        Route::new("/v1/jobs/rehome", Admin, List("Rehomed"),
            "Offers here what a revoked member has left.")
            .takes("RehomeRequest");
    get inspect::log:
        Route::new("/v1/data/log", Read, One("DataLog"), "How a key's durable values stand.")
            .asks(&["key", "group?"])
            .visited();
    post inspect::settle:
        Route::new("/v1/data/settle", Admin, One("Settled"),
            "Joins the branches of this node's durable values.")
            .takes("SettleRequest");
    get inspect::why:
        Route::new("/v1/why", Read, One("Why"), "What is wrong with a member.")
            .asks(&["key"])
            .visited();
    get audit::log:
        Route::new("/v1/log", Read, One("AuditLog"), "Who did what, and when.")
            .asks(&["since?", "until?", "name?", "count?"])
            .visited();
    get stream::follow:
        Route::new(FOLLOW_PATH, Read, Stream, "A stream of frames of values.")
            .asks(&["filter"]);
    get stream::publish:
        Route::new(PUBLISH_PATH, Publish, Stream, "A stream of frames to publish by.")
            .asks(&["paced?"]);
    post join::join:
        Route::new("/v1/join", Admin, One("Joined"), "Joins a plant with an invitation code.")
            .takes("JoinRequest");
    get found::last:
        Route::new("/v1/found", Read, One("Found"), "Machines that the last look has found.");
    post found::look:
        Route::new("/v1/found", Admin, One("Found"), "Looks for machines that let themselves be found.")
            .takes("FoundRequest");
    post found::claim:
        Route::new("/v1/found/claim", Admin, One("Claimed"), "Hands a machine that was found its invitation.")
            .takes("ClaimRequest");
    get claims::shown:
        Route::new("/v1/claims", Read, One("Claims"), "How this machine may be claimed, and by whom.");
    post claims::decide:
        Route::new("/v1/claims", Admin, One("Claims"), "Says yes or no to a claim of this machine.")
            .takes("ClaimDecision");
    get membership::log:
        Route::new("/v1/trust/log", Read, One("TrustLog"), "The records that a key signed.")
            .asks(&["key"])
            .visited();
    post membership::store:
        Route::new("/v1/trust/groups", Admin, One("Stored"), "Hands in what an admin signed.")
            .takes(BYTES)
            .visited();
    post membership::preview:
        Route::new("/v1/trust/preview", Admin, List("Name"), "Who would be no member any more.")
            .takes(BYTES)
            .visited();
    get membership::confirmations:
        Route::new("/v1/trust/confirmations", Read, One("Confirmations"),
            "Who has a group of records.")
            .asks(&["group"])
            .visited();
    get membership::ends:
        Route::new("/v1/trust/ends", Read, One("LogEnds"), "Where all logs of a key end.")
            .asks(&["key"])
            .visited();
    get membership::terms:
        Route::new("/v1/trust/terms", Read, List("StandingTerms"),
            "What a member is, record by record.")
            .asks(&["key"])
            .visited();
    get membership::authorities:
        Route::new("/v1/trust/authorities", Read, List("AuthorityStatus"),
            "Who may sign for the plant, besides the root.")
            .visited();
    post acts::store:
        Route::new("/v1/trust/acts", Admin, One("StoredAct"),
            "Hands in what enough root keys signed.")
            .takes(BYTES)
            .visited();
    post acts::preview:
        Route::new("/v1/trust/acts/preview", Admin, List("Name"),
            "Who would be no member any more.")
            .takes(BYTES)
            .visited();
    get acts::root:
        Route::new("/v1/trust/root", Read, One("RootStatus"),
            "The keys above the admins, and what took the place of what.")
            .visited();
    get acts::confirmations:
        Route::new("/v1/trust/acts/confirmations", Read, One("Confirmations"), "Who has an act.")
            .asks(&["act"])
            .visited();
    post leave::leave:
        Route::new("/v1/leave", Admin, One("Left"), "Ends this node's own membership.")
            .takes("LeaveRequest");
    get board::board:
        Route::new("/v1/board", Read, One("BoardValues"), "The last known values.")
            .asks(&["filter"]);
    get board::machines:
        Route::new("/v1/machines", Read, List("MachineCard"), "What machines say of themselves.");
    get metrics::targets:
        Route::new("/v1/sd", Read, List("Targets"), "All members, for Prometheus' http_sd.");
    get openapi::document:
        Route::new("/v1/openapi.json", Read, Json, "This document.");
    get metrics::metrics:
        Route::new("/metrics", Read, Text("text/plain; version=0.0.4"),
            "What this node counts, for Prometheus.");
}

/// The paths about partners: who may have what signed and shared is up to those who may change the plant.
/// Their handlers are beside the partner plane, which not every node has.
const PARTNERS: &[(&str, Route)] = &[
    ("get", Route::new("/v1/partner", Read, Json, "How shares and agreements stand.")),
    ("post", Route::new("/v1/partner/draft", Admin, Json, "Drafts a proposal.")),
    ("post", Route::new("/v1/partner/propose", Admin, Json, "Keeps a draft that was signed.")),
    ("post", Route::new("/v1/partner/look", Admin, Json, "What a share link stands for.")),
    ("post", Route::new("/v1/partner/take", Admin, Json, "Takes what was looked at.")),
    ("post", Route::new("/v1/partner/accept", Admin, Json, "Accepts a sheet.")),
    ("post", Route::new("/v1/partner/confirm", Admin, Json, "Lets an agreement flow.")),
    ("post", Route::new("/v1/partner/end", Admin, Json, "Ends an agreement.")),
    ("post", Route::new("/v1/partner/withdraw", Admin, Json, "Withdraws a proposal.")),
    ("post", Route::new("/v1/partner/preview", Admin, Json, "What a partner would see.")),
    ("post", Route::new("/v1/partner/call", Call, Json, "Has a partner's machine do something.")),
    ("post", Route::new("/v1/partner/allow", Admin, Json, "Decides about a partner's call.")),
    ("post", Route::new("/v1/partner/papers", Admin, Json, "What another gateway needs to go on.")),
    ("post", Route::new("/v1/partner/move", Admin, Json, "Hands an agreement to another gateway.")),
    ("post", Route::new("/v1/partner/takeover", Admin, Json, "Goes on with an agreement.")),
    ("post", Route::new("/v1/partner/notices", Admin, Json, "A partner has another gateway.")),
];

/// All paths that a token may be for.
pub(super) fn all() -> impl Iterator<Item = &'static (&'static str, Route)> {
    ROUTES.iter().chain(PARTNERS)
}

/// The route of a request, if there is one. `HEAD` is answered by whoever answers `GET`.
pub(super) fn route(method: &str, path: &str) -> Option<&'static Route> {
    let method = if method.eq_ignore_ascii_case("head") { "get" } else { method };
    let is_it =
        |(of, route): &&(&str, Route)| of.eq_ignore_ascii_case(method) && route.path == path;
    all().find(is_it).map(|(_, route)| route)
}
