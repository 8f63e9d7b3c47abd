//! `gearmesh get` and `gearmesh machines`: what is known at this moment.

use gearmesh_protocol::board::{BoardValue, BoardValues, MachineCard};
use gearmesh_protocol::local::Presence;

use super::live::{quality, shown};
use crate::cli::{Context, GetArgs};
use crate::client::{Client, query};
use crate::exit::{DONE, Failure};
use crate::output;

/// The heads of a table of values.
pub(super) const HEADS: [&str; 5] = ["TOPIC", "VALUE", "AGE", "FROM", ""];

pub(crate) async fn get(context: &Context, args: GetArgs) -> Result<u8, Failure> {
    let board = values(&Client::of(&context.home)?, &args.filter).await?;
    if context.json {
        board.values.iter().try_for_each(output::json)?;
        return Ok(DONE);
    }
    if board.values.is_empty() {
        output::note(format!("nothing is known on {}", output::printable(&args.filter)));
    }
    output::table(&HEADS, &board.values.iter().map(row).collect::<Vec<_>>());
    if board.left_out > 0 {
        let topics = output::counted(board.left_out, "topic", "topics");
        output::note(format!("{topics} found no place on the board: ask for fewer at once"));
    }
    Ok(DONE)
}

/// The last known values of what a filter matches.
pub(super) async fn values(client: &Client, filter: &str) -> Result<BoardValues, Failure> {
    client.get(&format!("/v1/board?filter={}", query(filter))).await
}

/// One value as a row. What may have changed unheard is never shown as if it had not.
pub(super) fn row(value: &BoardValue) -> Vec<String> {
    let said = format!("{}{}", shown(&value.sample), quality(&value.sample));
    let stale = match value.stale {
        true => format!("STALE ({} is {})", value.author, away(value.presence)),
        false => String::new(),
    };
    let age = output::ago(value.age_ms / 1000);
    vec![value.topic.clone(), said, age, value.author.clone(), stale]
}

/// How a member stands whose value is stale: one that is back has not told it again yet.
const fn away(presence: Presence) -> &'static str {
    match presence {
        Presence::Here | Presence::Online => "back, and has not told it again",
        Presence::Quiet => "quiet",
        Presence::Unreachable => "unreachable",
        Presence::Left => "stopped",
        Presence::Revoked => "revoked",
    }
}

pub(crate) async fn machines(context: &Context) -> Result<u8, Failure> {
    let cards: Vec<MachineCard> = Client::of(&context.home)?.get("/v1/machines").await?;
    if context.json {
        output::json_document(&cards)?;
        return Ok(DONE);
    }
    let heads =
        ["NAME", "PRESENCE", "MAKER", "MODEL", "SERIAL", "FIRMWARE", "CLOCK", "CAN", "SCOPE"];
    output::table(&heads, &cards.iter().map(card).collect::<Vec<_>>());
    Ok(DONE)
}

fn card(card: &MachineCard) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let presence = match card.stale {
        true => format!("{} (stale)", card.presence),
        false => card.presence.to_string(),
    };
    vec![
        card.name.clone(),
        presence,
        text(&card.maker),
        text(&card.model),
        text(&card.serial),
        text(&card.firmware),
        text(&card.clock),
        card.capabilities.join(", "),
        text(&card.scope),
    ]
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::PublicKey;
    use gearmesh_protocol::sample::Sample;
    use gearmesh_protocol::time::UnixMillis;

    use super::*;

    #[test]
    fn what_is_stale_says_so_whatever_its_author_is() {
        let value = |stale, presence| BoardValue {
            topic: "press-1/x".to_owned(),
            author: "press-1".to_owned(),
            author_key: PublicKey::of(&SigningKey::from_bytes(&[5; 32])),
            sample: Sample::good(42.into(), UnixMillis(0)),
            age_ms: 61_000,
            stale,
            presence,
        };
        assert_eq!(
            row(&value(false, Presence::Online)),
            ["press-1/x", "42", "61 s", "press-1", ""]
        );
        for presence in [Presence::Online, Presence::Quiet, Presence::Unreachable, Presence::Left] {
            assert!(row(&value(true, presence))[4].starts_with("STALE (press-1 is "), "{presence}");
        }
    }
}
