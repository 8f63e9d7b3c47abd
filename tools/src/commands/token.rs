//! `gearmesh token`: who may reach the node over the network, and what for.

use std::collections::BTreeSet;

use gearmesh_node::home::Home;
use gearmesh_node::tokens::{Scope, Token, Tokens};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use serde_json::json;

use crate::cli::{Context, TokenAddArgs, TokenCommand};
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::now;

pub(crate) fn run(context: &Context, command: TokenCommand) -> Result<u8, Failure> {
    if !context.home.exists() {
        return Err(Refusal::NoHome.into());
    }
    let tokens = Tokens::of(&Home::open(&context.home)?);
    let known = tokens.all()?.to_vec();
    match command {
        TokenCommand::Add(args) => add(context, &tokens, known, &args)?,
        TokenCommand::List => list(context, &known)?,
        TokenCommand::Remove { name } => remove(&tokens, &known, &name)?,
    }
    Ok(DONE)
}

fn add(
    context: &Context,
    tokens: &Tokens,
    mut known: Vec<Token>,
    args: &TokenAddArgs,
) -> Result<(), Failure> {
    if known.iter().any(|token| token.name == args.name) {
        return Err(Failure::from(Refusal::TokenNameTaken)
            .saying(format!("there is a token {} already", args.name)));
    }
    let (token, secret) = Token::draw(args.name.clone(), args.scopes(), now())?;
    known.push(token);
    tokens.write(&known)?;
    if context.json {
        return output::json_document(&json!({ "name": args.name, "token": *secret }));
    }
    output::line(&*secret);
    output::note("Nobody can show it again. A program sends it as: Authorization: Bearer TOKEN");
    Ok(())
}

fn list(context: &Context, known: &[Token]) -> Result<(), Failure> {
    if context.json {
        let line =
            |token: &Token| json!({ "name": token.name, "scopes": token.scopes, "at": token.at });
        return output::json_document(&known.iter().map(line).collect::<Vec<_>>());
    }
    let row =
        |token: &Token| vec![token.name.to_string(), words(&token.scopes), token.at.to_string()];
    output::table(&["NAME", "MAY", "MADE"], &known.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn words(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ")
}

fn remove(tokens: &Tokens, known: &[Token], name: &Name) -> Result<(), Failure> {
    let rest: Vec<Token> = known.iter().filter(|token| token.name != *name).cloned().collect();
    if rest.len() == known.len() {
        return Err(
            Failure::from(Refusal::TokenNameUnknown).saying(format!("there is no token {name}"))
        );
    }
    tokens.write(&rest)?;
    output::line(format!("{name} opens nothing any more"));
    Ok(())
}
