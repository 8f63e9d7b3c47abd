//! What a node in the foreground says of its plant while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::listen::plain;
use crate::core::plant::news::{Line, Scene};
use crate::core::plant::view::View;

/// Lines said within one [`SPAN`]; the rest is counted.
const LINES_MAX: usize = 20;

/// How long a count of lines holds.
const SPAN: Duration = Duration::from_secs(10);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Changes of the plant, as lines for people.
pub struct News {
    views: watch::Receiver<Arc<View>>,
    last: Scene,
}

impl News {
    /// Changes from now on, and what already needs a person.
    pub(super) fn new(mut views: watch::Receiver<Arc<View>>) -> Self {
        let last = Scene::of(&views.borrow()).in_order();
        views.mark_changed();
        Self { views, last }
    }

    /// Says each change as long as the node runs. Of a flood it says the beginning and how much
    /// more there was.
    pub async fn tell(mut self, say: impl Fn(&Line)) {
        let mut said = 0;
        let mut held_back = 0;
        let mut end = Instant::now() + SPAN;
        loop {
            let more = tokio::time::timeout_at(end, self.views.changed()).await;
            if more.is_err() {
                if held_back > 0 {
                    say(&Line::new("", format!("… and {held_back} more changes")));
                }
                (said, held_back, end) = (0, 0, Instant::now() + SPAN);
                continue;
            }
            if let Ok(Err(_)) = more {
                // The node stops; who waits for this waits for something else as well.
                return std::future::pending().await;
            }
            let now = Scene::of(&self.views.borrow_and_update());
            for line in self.last.news(&now) {
                match said < LINES_MAX {
                    true => say(&Line { text: plain(&line.text), ..line }),
                    false => held_back += 1,
                }
                said += 1;
            }
            self.last = now;
            // Views come with every beat; what changed within a moment is told together.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
