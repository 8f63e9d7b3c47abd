//! `gearmesh add --found`: machines that let themselves be found, and letting one of them in without
//! typing a code at it.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use gearmesh_protocol::claim::Claiming;
use gearmesh_protocol::found::{ClaimRequest, Claimed, Found, FoundMachine, FoundRequest};
use gearmesh_protocol::local::OpenInvitation;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::Reason;

use crate::cli::{AddArgs, Context, FoundAt};
use crate::client::Client;
use crate::commands::add::invite;
use crate::commands::invitations::withdrawal;
use crate::commands::offer::{self, Invite, Redeemer};
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::{Pen, Signer};

/// How often a claim is asked for again.
const ASK_EVERY: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: &Context, mut args: AddArgs) -> Result<u8, Failure> {
    if args.names.len() > 1 {
        return Err(Failure::from(Refusal::OneKey)
            .saying("one machine that was found cannot be given several names")
            .mended_by("let them in one by one: gearmesh add NAME --found"));
    }
    let client = Client::of(&context.home)?;
    let Some(name) = args.names.first().cloned() else {
        return list(context, &look(&client, &args).await?);
    };
    // Whoever cannot let a machine in need not look for one.
    let redeemer = Redeemer::here(&client).await?;
    drop(Pen::of(context, &redeemer.plant.id)?);
    let machine = meant(context, &client, &args).await?;
    args.node = Some(machine.key);
    let invites = invite(context, &client, &args).await?;
    let Some(invite) = invites.first() else { return Err(Refusal::NotSigned.into()) };
    output::note(format!("{name} is offered to the machine at {}", machine.address));
    match claim(context, &client, &machine, invite, args.expires).await {
        Ok(()) => offer::wait(context, &client, &invites, args.expires).await,
        Err(failure) => {
            // An invitation that the machine does not follow is of no use to anybody.
            if let Err(error) = withdraw(context, &client, &machine).await {
                output::note(format!(
                    "the invitation is still open ({}): gearmesh void {name}",
                    error.body()
                ));
            }
            Err(failure)
        }
    }
}

/// Looks around, or at the addresses that were named.
async fn look(client: &Client, args: &AddArgs) -> Result<Found, Failure> {
    let named = args.found.iter().filter_map(|place| match place {
        FoundAt::Around => None,
        FoundAt::Address(address) => Some(address.clone()),
    });
    let request = FoundRequest { addresses: named.collect() };
    if request.addresses.is_empty() {
        output::note("looking around; that takes some seconds");
    }
    client.post("/v1/found", &request).await
}

fn list(context: &Context, found: &Found) -> Result<u8, Failure> {
    if context.json {
        output::json_document(found)?;
        return Ok(DONE);
    }
    show(found);
    if found.machines.is_empty() {
        return Err(Refusal::NoneFound.into());
    }
    output::line(
        "\nCompare the words with those on the machine's screen (gearmesh claims shows them there);",
    );
    output::line("where it has no screen, the words of its key with those on its label. Then:");
    output::line(format!("  {} add NAME --found --words 'WORDS'", context.program()));
    Ok(DONE)
}

fn show(found: &Found) {
    let row = |(at, machine): (usize, &FoundMachine)| {
        vec![
            (at + 1).to_string(),
            machine.address.clone(),
            machine.words.clone(),
            machine.key_words.clone(),
            output::ago(machine.closes_in_s.into()),
        ]
    };
    let rows: Vec<Vec<String>> = found.machines.iter().enumerate().map(row).collect();
    if !rows.is_empty() {
        let head = ["", "ADDRESS", "WORDS ON ITS SCREEN", "WORDS OF ITS KEY", "OPEN FOR"];
        output::table(&head, &rows);
    }
    for missed in &found.missed {
        output::note(format!("{}: {}", missed.address, missed.cause));
    }
    if found.others > 0 {
        let others = output::counted(found.others, "other node", "other nodes");
        output::note(format!("{others} said nothing to a stranger, as members of plants do"));
    }
    if found.left_out > 0 {
        let more = output::counted(found.left_out, "more was", "more were");
        output::note(format!(
            "{more} announced and not asked, because there are too many; name an address: \
             --found=IP:PORT"
        ));
    }
}

/// The machine that a person means, by its words or by its number in the list.
async fn meant(
    context: &Context,
    client: &Client,
    args: &AddArgs,
) -> Result<FoundMachine, Failure> {
    if let Some(words) = &args.words {
        // The words on the screen are those of the last look; another one would change them.
        let last: Found = client.get("/v1/found").await?;
        if let Some(machine) = with_words(&last, words) {
            return Ok(machine);
        }
    }
    let found = look(client, args).await?;
    if let Some(machine) = args.words.as_ref().and_then(|words| with_words(&found, words)) {
        return Ok(machine);
    }
    if !context.json {
        show(&found);
    }
    if found.machines.is_empty() {
        let missed = found.missed.first();
        let none = Failure::from(Refusal::NoneFound);
        return Err(match missed {
            Some(missed) => none.saying(format!("{}: {}", missed.address, missed.cause)),
            None => none,
        });
    }
    match args.words {
        Some(_) => Err(Refusal::WordsUnmatched.into()),
        None => choose(&found),
    }
}

/// The one machine with these words: of this meeting, or of its key.
fn with_words(found: &Found, typed: &str) -> Option<FoundMachine> {
    let typed = typed.to_ascii_lowercase();
    let typed: Vec<&str> = typed.split_whitespace().collect();
    let is_it = |machine: &&FoundMachine| {
        [&machine.words, &machine.key_words]
            .iter()
            .any(|words| words.split(' ').eq(typed.iter().copied()))
    };
    let mut all = found.machines.iter().filter(is_it);
    let first = all.next()?;
    all.next().is_none().then(|| first.clone())
}

/// Asks a person which one it is.
fn choose(found: &Found) -> Result<FoundMachine, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Refusal::WhichMachine.into());
    }
    let mut out = std::io::stderr();
    let question = "Type the number of the machine that shows the same words: ";
    write!(out, "{question}").and_then(|()| out.flush()).map_err(Failure::system)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::system)?;
    let number: Option<usize> = answer.trim().parse().ok();
    let machine = number.and_then(|number| found.machines.get(number.checked_sub(1)?));
    machine.cloned().ok_or_else(|| Refusal::NotConfirmed.into())
}

/// Hands the invitation over, and asks until the machine follows it.
async fn claim(
    context: &Context,
    client: &Client,
    machine: &FoundMachine,
    invite: &Invite,
    longest: Duration,
) -> Result<(), Failure> {
    let request = ClaimRequest { key: machine.key, code: invite.code.clone() };
    let ask = async {
        let mut said = false;
        loop {
            let claimed: Claimed = match client.post("/v1/found/claim", &request).await {
                Ok(claimed) => claimed,
                // It may have joined between two questions, and knows this node as a member's now.
                Err(failure) if offer::has_joined(client, invite).await? => {
                    drop(failure);
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            };
            if claimed.state == Claiming::Joined {
                return Ok(());
            }
            if claimed.state == Claiming::Waiting && !said && !context.json {
                said = true;
                output::note(format!(
                    "somebody has to confirm it at the machine, if it shows: {}\n\
                     there: gearmesh claims --take '{}'",
                    machine.words, machine.words
                ));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    match tokio::time::timeout(longest, ask).await {
        Ok(done) => done,
        Err(_) => Err(Refusal::FoundSilent.into()),
    }
}

/// Takes back the invitation for a machine.
async fn withdraw(
    context: &Context,
    client: &Client,
    machine: &FoundMachine,
) -> Result<(), Failure> {
    let open: Vec<OpenInvitation> = client.get("/v1/invitations").await?;
    let status: gearmesh_protocol::local::Status = client.get("/v1/status").await?;
    let (Some(plant), Some(open)) =
        (status.plant, open.iter().find(|open| open.bound_to == Some(machine.key)))
    else {
        return Ok(());
    };
    let pen = Pen::of(context, &plant.id)?;
    let signer = Signer::new(client, &pen);
    signer.sign(withdrawal(client, open, Reason::Retired).await?).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gearmesh_protocol::ids::PublicKey;

    fn machine(seed: u8, words: &str, key_words: &str) -> FoundMachine {
        let seed = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        FoundMachine {
            key: PublicKey::of(&seed),
            key_words: key_words.to_owned(),
            address: String::new(),
            words: words.to_owned(),
            closes_in_s: 1,
        }
    }

    #[test]
    fn a_machine_is_meant_by_all_its_words_and_only_if_it_is_the_only_one() {
        let machines =
            vec![machine(1, "a b c d e", "k l m n o"), machine(2, "f g h i j", "k l m n o")];
        let found = Found { machines, ..Found::default() };
        let first = with_words(&found, " A b  c d e ").expect("by its screen");
        assert_eq!(first, found.machines[0]);
        for wrong in ["a b c d", "", "a b c d e f", "k l m n o"] {
            assert_eq!(with_words(&found, wrong), None, "{wrong}");
        }
    }
}
