//! Publishing and following values at the gearmesh node of the same machine.
//!
//! A program opens a stream over the node's socket and keeps it: one to publish as many topics as
//! it likes, one for each filter that it follows. The node does the rest; who is a member, who may
//! publish where and who follows what is its matter.
//!
//! ```no_run
//! use gearmesh_client::{Client, Delivery};
//! use gearmesh_protocol::sample::{Sample, Value};
//! use gearmesh_protocol::time::UnixMillis;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // The home of a node that runs (`gearmesh --home DIR up`).
//! let client = Client::at("/var/lib/press-1");
//!
//! // Publish under the node's own scope: `<scope>/force`, to whoever follows it.
//! let publishing = client.publisher().await?;
//! let force = publishing.topic("force")?;
//! force.publish(&Sample::good(Value::Float(812.5), UnixMillis(1_795_363_200_000)))?;
//!
//! // Follow what the neighbours publish, many values at once if they are fast.
//! let mut temperatures = client.follow(&"hall/+/temperature".parse()?).await?;
//! let mut values = Vec::new();
//! temperatures.next_many(&mut values, 1024).await?;
//! for delivery in values {
//!     match delivery {
//!         Delivery::Value(value) => println!("{}  {}", value.source.topic, value.sample.value),
//!         Delivery::Lost { count, .. } => println!("{count} values came too fast"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A stream that ended stays ended, and says why: [`ClientError::reason`] is the node's refusal with
//! its code and what mends it. A program that wants to go on opens another.

use std::path::PathBuf;

use gearmesh_protocol::stream::{FOLLOW_PATH, PUBLISH_PATH};
use gearmesh_protocol::topic::TopicFilter;

mod error;
mod following;
mod open;
mod publishing;

pub use error::{ClientError, PublishError};
pub use following::{Arrived, Delivery, Following, Series, SeriesDelivery, Source};
pub use publishing::{PENDING_BYTES_MAX, PublishHandle, Publishing, Refused};

/// The way to one node.
#[derive(Clone, Debug)]
pub struct Client {
    home: PathBuf,
}

impl Client {
    /// The node of a home. Nothing is opened yet.
    #[must_use]
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into() }
    }

    /// Opens a stream that publishes. The node takes its values at once; a link that cannot carry
    /// them all loses older ones for newer ones of the same topic.
    ///
    /// # Errors
    /// No node runs there, it is no member of a plant, or as many streams as it takes publish
    /// already.
    pub async fn publisher(&self) -> Result<Publishing, ClientError> {
        Ok(Publishing::over(open::stream(&self.home, PUBLISH_PATH).await?))
    }

    /// Opens a stream that publishes only as fast as every link takes its values, so that a program
    /// that can slow down loses nothing to its own speed. A link that takes nothing for a second is
    /// not waited for.
    ///
    /// # Errors
    /// As [`Client::publisher`].
    pub async fn paced_publisher(&self) -> Result<Publishing, ClientError> {
        let path = format!("{PUBLISH_PATH}?paced=true");
        Ok(Publishing::over(open::stream(&self.home, &path).await?))
    }

    /// Opens a stream of what a filter stands for, from now on.
    ///
    /// # Errors
    /// No node runs there, it may not follow the filter or nothing can ever come of it, or as many
    /// subscribers as it takes follow already.
    pub async fn follow(&self, filter: &TopicFilter) -> Result<Following, ClientError> {
        let path = format!("{FOLLOW_PATH}?filter={}", open::query(filter.as_str()));
        let (socket, unread) = open::stream(&self.home, &path).await?;
        Ok(Following::over(socket, unread))
    }
}
