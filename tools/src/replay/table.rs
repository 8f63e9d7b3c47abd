//! Recordings as tables: CSV with a line of names (RFC 4180). A column that is called time, timestamp or
//! date is when; every other one is a topic, with the unit that its name has in brackets.

use gearmesh_protocol::sample::{Quality, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Unit;

use super::recording::{Moment, Recorded, level};

/// Names of the column with the times.
const TIMES: [&str; 4] = ["time", "timestamp", "datetime", "date"];

/// What the columns are.
pub(super) struct Columns(Vec<Column>);

enum Column {
    Time,
    Value { name: String, unit: Option<Unit> },
}

impl Columns {
    /// The columns of a first line.
    pub(super) fn of(head: &csv::StringRecord) -> Self {
        Self(head.iter().map(column).collect())
    }

    /// One line of the table.
    pub(super) fn moment(&self, row: &csv::StringRecord) -> Moment {
        let mut moment = Moment::default();
        for (column, cell) in self.0.iter().zip(row) {
            match column {
                Column::Time => moment.at = time(cell),
                Column::Value { name, unit } => moment.values.push(recorded(name, unit, cell)),
            }
        }
        moment
    }
}

fn column(name: &str) -> Column {
    if TIMES.contains(&name.trim().to_ascii_lowercase().as_str()) {
        return Column::Time;
    }
    let (bare, unit) = match name.trim().strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((bare, unit)) => (bare, unit.trim().parse().ok()),
        None => (name, None),
    };
    Column::Value { name: level(bare), unit }
}

fn recorded(name: &str, unit: &Option<Unit>, cell: &str) -> Recorded {
    let quality = if cell.trim().is_empty() { Quality::Bad } else { Quality::Good };
    let (name, unit) = (name.to_owned(), unit.clone());
    Recorded { name, value: Value::from_text(cell.trim()), quality, unit }
}

/// A time as tables have it: in UTC where nothing else is said, with a `T` or a blank.
fn time(cell: &str) -> Option<UnixMillis> {
    let text = cell.trim().replace(' ', "T");
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_topics_with_their_units() {
        let head = csv::StringRecord::from(vec![
            "timestamp",
            "Air temperature [K]",
            "Torque [N·m]",
            "state",
        ]);
        let row = csv::StringRecord::from(vec!["2013-12-02 21:15:00", "298.1", "", "on"]);
        let moment = Columns::of(&head).moment(&row);
        assert_eq!(moment.at, "2013-12-02T21:15:00Z".parse().ok());
        let [air, torque, state] = moment.values.as_slice() else { panic!("{moment:?}") };
        assert_eq!((air.name.as_str(), &air.value), ("Air-temperature", &Value::Float(298.1)));
        assert_eq!(air.unit.as_ref().map(Unit::as_str), Some("K"));
        assert_eq!((torque.name.as_str(), torque.quality), ("Torque", Quality::Bad));
        assert_eq!(
            (state.value.clone(), state.quality),
            (Value::Text("on".to_owned()), Quality::Good)
        );
    }
}
