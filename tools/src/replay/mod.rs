//! `gearmesh replay`: plays a recording as if its machine were here, marked in every sample as what it is.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use gearmesh_client::{Client as Program, ClientError, PublishError, PublishHandle, Publishing};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Sample;

use crate::cli::{Context, ReplayArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::now;

mod recording;
mod shdr;
mod table;

use recording::{Moment, pause};
use table::Columns;

/// Bytes of the longest line of a recording.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Between two lines of a recording that has no times, and where two recordings were put together.
const USUAL_PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &Context, args: ReplayArgs) -> Result<u8, Failure> {
    // Says what is wrong where no node runs, or none that may publish.
    let _status: gearmesh_protocol::local::Status =
        Client::of(&context.home)?.get("/v1/status").await?;
    let home = std::path::absolute(&context.home).map_err(Failure::system)?;
    let publishing = Program::at(home).publisher().await.map_err(of_client)?;
    let mut player = Player { publishing, under: args.topic, played: 0, left_out: 0 };
    loop {
        let mut recording = Recording::open(&args.file)?;
        let mut before = None;
        while let Some(moment) = recording.next()? {
            tokio::time::sleep(pause(before, moment.at, USUAL_PAUSE).div_f64(args.speed.0)).await;
            before = moment.at.or(before);
            player.play(&moment)?;
        }
        player.publishing.flush().await.map_err(of_client)?;
        if !args.again {
            break;
        }
    }
    player.tell(context)
}

/// A recording that is read.
enum Recording {
    Shdr(BufReader<File>),
    Table(Columns, csv::Reader<BufReader<File>>),
}

impl Recording {
    /// Opens a file, and sees by its first line what it is.
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = || File::open(path).map(BufReader::new);
        let mut lines = file().map_err(|error| unreadable(path, &error))?;
        let first = line(&mut lines).map_err(|error| unreadable(path, &error))?.unwrap_or_default();
        let again = file().map_err(|error| unreadable(path, &error))?;
        if shdr::is_shdr(&first) {
            return Ok(Self::Shdr(again));
        }
        let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(again);
        let head = table.headers().map_err(|error| unreadable(path, &error))?;
        if head.len() < 2 && !first.contains(',') {
            return Err(Failure::from(Refusal::RecordingUnknown)
                .saying(format!("{} is neither SHDR nor a table", path.display())));
        }
        let columns = Columns::of(head);
        Ok(Self::Table(columns, table))
    }

    /// What was said next; none at the end.
    fn next(&mut self) -> Result<Option<Moment>, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::from(Refusal::RecordingUnreadable).saying(error)
        };
        match self {
            Self::Shdr(lines) => loop {
                match line(lines).map_err(|error| failed(&error))? {
                    None => return Ok(None),
                    Some(text) => {
                        if let Some(moment) = shdr::moment(&text) {
                            return Ok(Some(moment));
                        }
                    }
                }
            },
            Self::Table(columns, table) => {
                let mut row = csv::StringRecord::new();
                let more = table.read_record(&mut row).map_err(|error| failed(&error))?;
                Ok(more.then(|| columns.moment(&row)))
            }
        }
    }
}

/// The next line, whatever bytes are in it; none at the end.
fn line(lines: &mut BufReader<File>) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut limited = std::io::Read::take(lines, LINE_BYTES_MAX as u64);
    match limited.read_until(b'\n', &mut bytes)? {
        0 => Ok(None),
        _ => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

/// Who publishes a recording.
struct Player {
    publishing: Publishing,
    under: String,
    played: u64,
    left_out: u64,
}

impl Player {
    /// Publishes what was said at one moment, with the time at which it was said.
    fn play(&mut self, moment: &Moment) -> Result<(), Failure> {
        for recorded in &moment.values {
            let topic = format!("{}/{}", self.under.trim_end_matches('/'), recorded.name);
            let sample = Sample {
                value: recorded.value.clone(),
                quality: recorded.quality,
                source_time: moment.at.unwrap_or_else(now),
                unit: recorded.unit.clone(),
                replay: true,
            };
            match self.topic(&topic)?.publish(&sample) {
                Ok(()) => self.played += 1,
                Err(PublishError::Full | PublishError::Sample(_)) => self.left_out += 1,
                Err(error) => return Err(of_publish(error)),
            }
        }
        Ok(())
    }

    fn topic(&self, topic: &str) -> Result<PublishHandle, Failure> {
        self.publishing.topic(topic).map_err(of_publish)
    }

    fn tell(&self, context: &Context) -> Result<u8, Failure> {
        if context.json {
            let told = serde_json::json!({ "played": self.played, "left_out": self.left_out });
            output::json_document(&told)?;
        } else {
            let values = output::counted(self.played, "value", "values");
            output::line(format!("played {values}, each marked as replay"));
        }
        if self.left_out > 0 {
            let values = output::counted(self.left_out, "value", "values");
            output::note(format!("{values} were left out: too large, or the node took no more"));
        }
        Ok(DONE)
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    let said = format!("{} cannot be read: {error}", path.display());
    Failure::from(Refusal::RecordingUnreadable).saying(said)
}

fn of_client(error: ClientError) -> Failure {
    error.reason().into()
}

fn of_publish(error: PublishError) -> Failure {
    Failure::from(Refusal::TopicMalformed).saying(error)
}
