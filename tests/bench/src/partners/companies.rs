//! Companies with gateways of gearmesh, which agree as people do: by what they type.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bench_common::within;
use serde_json::Value as Json;

use crate::programs::Places;
use crate::servers::free_address;

/// How long anything may take that a person types.
const TYPED_MAX: Duration = Duration::from_secs(20);

/// What a partner calls the agreement.
pub(super) const ACCEPTED: &str = "shared";

/// A company: a plant of one, and its gateway while it runs.
#[derive(Debug)]
pub(super) struct Company {
    program: PathBuf,
    pub(super) home: PathBuf,
    keyring: PathBuf,
    partners: SocketAddr,
    gateway: Option<Child>,
}

impl Company {
    /// Founds a plant, and starts its gateway.
    pub(super) fn found(places: &Places, folder: &Path, name: &str) -> Result<Self> {
        let own = folder.join(name);
        std::fs::create_dir_all(&own)?;
        let mut company = Self {
            program: places.programs.join("gearmesh"),
            home: own.join("home"),
            keyring: own.join("keyring"),
            partners: free_address()?,
            gateway: None,
        };
        company.types(&["init", name, "--node-name", "gateway-1"])?;
        company.up()?;
        Ok(company)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(&self.home).arg("--keyring").arg(&self.keyring).args(words);
        command
    }

    /// Types a command. What it says.
    pub(super) fn types(&self, words: &[&str]) -> Result<String> {
        let said = self.command(words).stdin(Stdio::null()).output()?;
        let error = String::from_utf8_lossy(&said.stderr);
        ensure!(said.status.success(), "{words:?}: {}", error.trim());
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// Types a command that somebody else waits for.
    pub(super) fn begins(&self, words: &[&str]) -> Result<Child> {
        let mut command = self.command(words);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    /// Starts its gateway, and waits until it answers. It ends with this program, however that ends.
    pub(super) fn up(&mut self) -> Result<()> {
        let log = File::create(self.home.with_extension("log"))?;
        let partners = self.partners.to_string();
        let mut command = self.command(&["up", "--listen", "127.0.0.1:0", "--partners", &partners]);
        command.args(["--no-mdns", "--no-host", "--until-stdin-ends"]);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn()?;
        self.gateway = Some(process);
        within(TYPED_MAX, || self.status().ok()).context("a gateway does not answer")?;
        Ok(())
    }

    /// Where partners come in.
    pub(super) const fn port(&self) -> u16 {
        self.partners.port()
    }

    /// Its gateway's process.
    pub(super) fn id(&self) -> Result<u32> {
        Ok(self.gateway.as_ref().context("its gateway does not run")?.id())
    }

    /// Ends its gateway, without a word.
    pub(super) fn down(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            let _ = gateway.kill();
            let _ = gateway.wait();
        }
    }

    /// How its agreements stand, from its local API.
    pub(super) fn status(&self) -> Result<Json> {
        let mut stream = UnixStream::connect(self.home.join("node.sock"))?;
        stream.set_read_timeout(Some(TYPED_MAX))?;
        stream.write_all(b"GET /v1/partner HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) = text.split_once("\r\n\r\n").context("no answer")?;
        let status: Json = serde_json::from_str(body)?;
        ensure!(status["agreements"].is_array(), "no status: {body}");
        Ok(status)
    }

    /// A count of one of its agreements.
    pub(super) fn count(&self, agreement: &str, what: &str) -> Result<u64> {
        let status = self.status()?;
        let mut agreements = status["agreements"].as_array().context("no agreements")?.iter();
        let found = agreements.find(|it| it["name"] == agreement);
        found.and_then(|it| it[what].as_u64()).with_context(|| format!("{agreement}: no {what}"))
    }

    /// Agrees with another on everything below `gateway-1/out`: on a stream of its own, or on one that
    /// several receive.
    pub(super) fn share_with(&self, partner: &Self, number: usize, fan_out: bool) -> Result<()> {
        let (name, title) = (share(number), format!("Partner {number}"));
        let own = ["--topics", "gateway-1/out/#", "--as", "out"];
        let mut words = vec!["share", &name, "--to", &title, "--yes"];
        let first = share(0);
        match (fan_out, number) {
            (true, 1..) => words.extend(["--join", &first]),
            (_, _) => words.extend(own),
        }
        if fan_out && number == 0 {
            words.push("--fan-out");
        }
        let said = self.types(&words)?;
        let link = said.split_whitespace().find(|word| word.starts_with("gs1:"));
        let link = link.context("no link")?;
        let said = partner.types(&["accept", link, "--name", ACCEPTED, "--yes", "--json"])?;
        let accepted: Json = serde_json::from_str(&said)?;
        let words = accepted["words"].as_str().context("no words")?;
        let came = within(TYPED_MAX, || {
            let status = self.status().ok()?;
            let mut shares = status["shares"].as_array()?.iter();
            shares.any(|it| it["name"] == name && it["state"] == "accepted").then_some(())
        });
        came.context("what the partner signed does not come")?;
        let mut confirm = vec!["share", "confirm", &name];
        confirm.extend(words.split(' '));
        self.types(&confirm)?;
        let heard = within(TYPED_MAX, || partner.count(ACCEPTED, "received").ok());
        heard.map(drop).context("the partner does not hear that it is confirmed")
    }
}

/// What whoever gives calls an agreement.
pub(super) fn share(number: usize) -> String {
    format!("share-{number}")
}

impl Drop for Company {
    fn drop(&mut self) {
        self.down();
    }
}
