//! `gearmeshd`, and `gearmesh up`: one entry function for both.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;

use super::clock::{is_set, wall_now};
use super::configured::configuration;
pub use super::configured::settings;
use super::home::Home;
use super::listen::{DEFAULT_PORT, Endpoint};
use super::notify::Supervisor;
use super::quantity::resource;
pub use super::quantity::{bytes, duration};
use super::views::may_panic;
use super::voice::{JsonLines, Voice};
use super::{Node, Options, StartError};
use crate::config::{Config, LogForm};

/// Environment variable that names the home.
pub const HOME_VARIABLE: &str = "GEARMESH_HOME";

/// Environment variable for the log filter, in tracing's syntax.
pub const LOG_VARIABLE: &str = "GEARMESH_LOG";

/// Exit code of a node that could not start.
pub const EXIT_CANNOT_START: u8 = 3;

/// Exit code where the words of the command line are wrong.
pub const EXIT_WRONG_WORDS: u8 = 2;

/// How a node is started from a command line. What is not said here, the file of settings says.
#[derive(Args, Clone, Debug, Default)]
pub struct UpArgs {
    /// A file of settings (default: gearmesh.toml in the home, if it is there).
    ///
    /// `gearmesh config` prints one with all settings. What is said here as an option wins.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where to listen: IP:PORT or IP, repeated for several.
    ///
    /// Without it the node listens on every interface. Without a port it takes 7430 or the next
    /// free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<Endpoint>,

    /// A member to dial, besides those that are found: IP:PORT or IP, repeated for several.
    ///
    /// Needed where multicast does not reach: another subnet, another building.
    #[arg(long, value_name = "ADDR")]
    pub connect: Vec<Endpoint>,

    /// Do not look for other nodes by multicast (mDNS).
    #[arg(long)]
    pub no_mdns: bool,

    /// How much of each machine's durable values is kept here (256M); older ones go.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub keep_bytes: Option<u64>,

    /// How much of all machines' durable values together is kept here (4G): each has the same share.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub keep_all_bytes: Option<u64>,

    /// How long durable values are kept here, in days or hours (90d, 12h); without it as long as
    /// there is room.
    ///
    /// They go in parts, up to an eighth of the time later. What is on no other disk stays.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub keep: Option<Duration>,

    /// Something wired to this machine that machines use one after the other, for which it gives
    /// leases: NAME[,places=N][,longest=60s], repeated for several.
    ///
    /// After a start nothing is given away for the longest time, since somebody may still hold it.
    #[arg(long, value_name = "RESOURCE", value_parser = resource)]
    pub resource: Vec<Resource>,
    /// For a copy of another machine's disk: destroy the key and all that the node has stored here,
    /// and draw a new key. Asks on a terminal. With the first digits of that key it does not ask, and
    /// does nothing once the home has another.
    #[arg(long, value_name = "DIGITS", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    pub fresh: Option<String>,

    /// Meet partners (other companies) here, on a gateway of the plant: IP:PORT, or every interface at
    /// port 7440.
    ///
    /// Nothing crosses but what an admin of each side signed: docs/partners.md.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "0.0.0.0:7440")]
    pub partners: Option<SocketAddr>,

    /// Let this machine be found on the network and claimed by an admin who types no code here (gearmesh
    /// add NAME --found), for 30 minutes or so long (2h).
    ///
    /// Only while it has no plant; without --confirm it follows the first that claims it.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true,
          default_missing_value = "30m", value_parser = duration)]
    pub claimable: Option<Duration>,

    /// Follow no claim before somebody here has compared the words and said so: gearmesh claims.
    #[arg(long)]
    pub confirm: bool,

    /// Do not publish this machine's processor, memory, disks, network and temperatures.
    #[arg(long)]
    pub no_host: bool,

    /// Answer programs on this machine by HTTP at IP:PORT of loopback (127.0.0.1:7480), if they have
    /// a token: gearmesh token add.
    #[arg(long, value_name = "IP:PORT")]
    pub api: Option<SocketAddr>,

    /// What the node writes to standard error: `text` for people, or `json`, an object on each line.
    #[arg(long, value_name = "FORM", value_enum)]
    pub log: Option<LogForm>,

    /// Stop when standard input ends: for a program that starts nodes and may be killed.
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// The home if none is named: `$HOME/.gearmesh`.
#[must_use]
pub fn default_home() -> PathBuf {
    std::env::home_dir().unwrap_or_default().join(".gearmesh")
}

/// Runs a node in the foreground until it is told to stop (Ctrl-C or SIGTERM), and says why it
/// does not start.
#[must_use]
pub fn up(home: PathBuf, args: UpArgs) -> ExitCode {
    match serve(home, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refused) => {
            say(&format!("cannot start: {refused}\n              {}", refused.mend));
            ExitCode::from(EXIT_CANNOT_START)
        }
    }
}

/// Says of words that make no command line what is wrong with them. Help and version are printed as
/// they are: whoever typed those words asked for them.
#[must_use]
pub fn wrong_words(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let refused = unread_words(error).mended_by("see which it takes: gearmeshd --help");
    say(&format!("gearmeshd: {refused}\n           {}", refused.mend));
    ExitCode::from(EXIT_WRONG_WORDS)
}

/// How the command is typed, if clap has more to say of that than of the value of one word.
#[must_use]
pub fn usage(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::Usage)? {
        ContextValue::StyledStr(usage) => Some(usage.to_string()),
        _ => None,
    }
}

/// What is wrong with words that make no command line: what clap says of them, in one line and
/// without control characters that somebody typed or pasted.
#[must_use]
pub fn unread_words(error: &clap::Error) -> ErrorBody {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return ErrorBody::from(Refusal::WrongWords).saying("no command was given");
    }
    let said = error.render().to_string();
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    // From the end, for words that were typed may look like clap's own.
    let said = said.rfind("For more information, try").map_or(said, |end| &said[..end]).trim_end();
    let said = usage(error).and_then(|usage| said.strip_suffix(usage.trim())).unwrap_or(said);
    let said = said.replace("\n\n  tip:", "; tip:");
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut safe = String::new();
    for character in words.chars() {
        match character.is_control() {
            true => safe.extend(character.escape_default()),
            false => safe.push(character),
        }
    }
    ErrorBody::from(Refusal::WrongWords).saying(safe)
}

/// Runs a node in the foreground until it is told to stop (Ctrl-C or SIGTERM).
///
/// # Errors
/// Why it does not start.
pub fn serve(home: PathBuf, args: UpArgs) -> Result<(), ErrorBody> {
    let config = configuration(&home, &args)?;
    start_logging(&config);
    end_with_panics();
    if let Some(digits) = &args.fresh {
        let home = Home::open(&home).map_err(|error| ErrorBody::from(&error))?;
        super::fresh::begin_anew(&home, digits)?;
    }
    // One thread carries the links fastest (docs/decisions/0002); storage has its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ErrorBody::from(Refusal::SystemRefused).saying(error))?;
    let result = runtime.block_on(run(home, config, args.until_stdin_ends));
    // A reading of the host or of standard input may be stuck; nothing waits for it.
    runtime.shutdown_background();
    result.map_err(|error| ErrorBody::from(&error))
}

async fn run(home: PathBuf, config: Config, until_stdin_ends: bool) -> Result<(), StartError> {
    let voice = Voice::new(config.log_form);
    let options = options(home.clone(), config);
    // From here on a signal stops the node in good order, however long its start takes.
    let mut signals = Signals::new();
    let node = Node::start(options).await?;
    let home = Home::open(&home)?;
    let news = node.news();
    announce(voice, &node, &home).await;
    let supervisor = Supervisor::of_environment();
    supervisor.ready(&status(&node).await);
    let stop = async {
        tokio::select! {
            () = signals.wait() => {}
            () = stdin_ends(), if until_stdin_ends => {}
            () = news.tell(|line| voice.tell(line)) => {}
            () = node.tell_claims(|line| voice.tell(line)) => {}
            () = supervisor.keep_alive() => {}
        }
    };
    stop.await;
    supervisor.stopping();
    node.stop().await;
    voice.say("stopped", "");
    Ok(())
}

/// Says what runs where, and what to type next.
async fn announce(voice: Voice, node: &Node, home: &Home) {
    let addresses = node.listening().await;
    let home = home.path().display();
    voice.say("node running", format!("home {home}"));
    for address in &addresses {
        voice.say("listening", address.to_string());
    }
    let ports: Vec<u16> = addresses.iter().map(|address| address.port()).collect();
    if addresses.is_empty() {
        voice.say("listening", "nowhere yet: this machine has no network address; waiting for one");
    } else if node.uses_default_port() && !ports.contains(&DEFAULT_PORT) {
        voice.say("", format!("port {DEFAULT_PORT} is taken; this is the next free one"));
    }
    if let Some(cause) = node.without_quic() {
        voice.say("", format!("over TCP alone; not for QUIC: {cause}"));
    }
    if let Some(address) = node.api_address() {
        let url = format!("http://{address}/v1/ for whoever has a token: gearmesh token");
        voice.say("API", url);
    }
    let now = wall_now();
    if !is_set(now) {
        let refusal = Refusal::ClockUnset;
        voice.say("ALARM", format!("{now}: {} [code {}]", refusal.text(), refusal.code()));
        voice.say("", refusal.mend());
    }
    match node.plant_name() {
        Some(plant) => voice.say("plant", plant),
        None => {
            voice.say("no plant yet", format!("join one:   gearmesh --home {home} join CODE"));
            let found = "found one:  stop this node, then gearmesh --home";
            voice.say("", format!("{found} {home} init NAME"));
        }
    }
}

/// What a configuration asks for.
fn options(home: PathBuf, config: Config) -> Options {
    let claimable = config.opening();
    let Config {
        listen, connect, mdns, keep, host, resources, follow, card, api, partners, ..
    } = config;
    Options {
        home,
        listen,
        connect,
        mdns,
        host,
        keep,
        resources,
        follow,
        card,
        api,
        partners,
        claimable,
    }
}

/// What a supervisor shows of the node, in a line.
async fn status(node: &Node) -> String {
    let plant = node.plant_name().map(|plant| format!("plant {plant}"));
    let addresses: Vec<String> = node.listening().await.iter().map(ToString::to_string).collect();
    let plant = plant.unwrap_or_else(|| "no plant yet".to_owned());
    format!("{plant}, listening on {}", addresses.join(", "))
}

/// The signals that ask a node to stop.
struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            () = next(&mut self.interrupt) => {}
            () = next(&mut self.terminate) => {}
        }
    }
}

async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

async fn stdin_ends() {
    let read = || drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    drop(tokio::task::spawn_blocking(read).await);
}

/// A panic ends the node at once, in whatever task: whoever supervises it starts it again, and the
/// journal holds what counts. Only views may go without it.
fn end_with_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        if !may_panic(std::thread::current().name()) {
            std::process::abort();
        }
    }));
}

fn start_logging(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::try_from_env(LOG_VARIABLE)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(&config.log_filter));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would be said where nothing can be said, with a panic.
        .log_internal_errors(false);
    // A program that embeds the node may have set its own.
    drop(match config.log_form {
        LogForm::Text => tracing::subscriber::set_global_default(lines.finish()),
        LogForm::Json => {
            tracing::subscriber::set_global_default(lines.event_format(JsonLines).finish())
        }
    });
}

#[expect(clippy::print_stderr, reason = "a node in the foreground talks to its terminal")]
fn say(text: &str) {
    eprintln!("{text}");
}
