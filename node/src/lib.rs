//! One node of a gearmesh plant.
//!
//! ```text
//!                       protocol            what is on the wire and what is signed
//!                          ▲
//!         ┌────────────────┼─────────────────┐
//!         │                core              │   decides; opens nothing
//!         │                plant             │
//!         └────────────────▲─────────────────┘
//!         │                shell             │   moves bytes, records and timers
//!         │  plant · journal · local · source│
//!         └────────────────▲─────────────────┘
//!               gearmeshd, gearmesh up
//! ```
//!
//! What the daemon and `gearmesh up` share is in [`daemon`]. A program may also be a node itself:
//!
//! ```no_run
//! use gearmesh_node::{AckLevel, Delivery, Node, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // The home of a machine that has joined a plant (`gearmesh --home DIR join CODE`).
//! let node = Node::start(Options::at("/var/lib/press-1")).await?;
//!
//! // Publish under the own scope: `<scope>/force`, to whoever follows it.
//! let force = node.publisher(&node.topic("force")?);
//! force.publish_value(812.5)?;
//!
//! // Count what must not be lost: it is on the disk when this comes back.
//! let parts = node.durable_publisher(&node.topic("parts")?);
//! parts.publish_value(1, AckLevel::Local).await?;
//!
//! // Follow what the neighbours publish, many values at once if they are fast.
//! let temperatures = node.subscribe("hall/+/temperature".parse()?)?;
//! let mut values = Vec::new();
//! temperatures.next_many(&mut values, 1024).await;
//! for delivery in values {
//!     match delivery {
//!         Delivery::Value(value) => println!("{}  {}", value.topic(), value.sample.value),
//!         Delivery::Lost { count, .. } => println!("{count} values came too fast"),
//!     }
//! }
//! node.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Machines also ask each other to do things. What is asked is written down before it is done, so it
//! is done at most once, whatever is lost, killed or sent twice:
//!
//! ```no_run
//! use gearmesh_node::commands::{Offer, Request};
//! use gearmesh_node::{Node, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let robot = Node::start(Options::at("/var/lib/robot-1")).await?;
//! let mut load = robot.serve(Offer::new("load".parse()?)).await?;
//! tokio::spawn(async move {
//!     while let Some(run) = load.next().await {
//!         match run.arguments["part"].as_u64() {
//!             Some(part) => run.done(&serde_json::json!({ "loaded": part })),
//!             None => run.failed(1, "which part?"),
//!         }
//!     }
//! });
//!
//! // On the press:
//! let press = Node::start(Options::at("/var/lib/press-1")).await?;
//! let arguments = serde_json::json!({ "part": 17 });
//! let request = Request::new(press.machine("robot-1")?, "load".parse()?, arguments);
//! println!("{:?}", press.call(request)?.outcome().await?);
//! # Ok(())
//! # }
//! ```

/// The settings of a node, as `gearmesh config` prints them.
pub mod config;

/// Public for the simulation in `tests/`, which runs the real thing in a world of its own, and for
/// nobody else: what is in here changes without notice.
#[doc(hidden)]
pub mod core;
/// What a program may use of it is named below.
#[doc(hidden)]
pub mod shell;

pub use shell::audit;
pub use shell::commands;
pub use shell::daemon;
pub use shell::home;
pub use shell::items;
pub use shell::leases;
pub use shell::listen;
pub use shell::papers;
pub use shell::tokens;
pub use shell::visit;
pub use shell::{
    Arrived, Belonging, CONTENTS, Delivery, DurablePublisher, FoundError, Kept, NoTopic, Node,
    Options, PublishError, Publisher, Samples, Series, SeriesDelivery, StartError, Subscription,
    TooManySubscribers, belonging, erase_home, found, peek,
};

/// Checking exports without a node.
pub use core::plant::evidence;

pub use core::plant::data::{Acknowledgement, Keep};
/// How safe a value is to be before its publisher hears that it is.
pub use gearmesh_protocol::durable::AckLevel;

/// What a home's journal holds, for tools that found a plant.
pub use core::record::Record;
