//! What a machine is, as its settings say.

/// The card of a machine; what is empty is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Who made it.
    pub maker: String,
    /// What it is.
    pub model: String,
    /// Its number.
    pub serial: String,
    /// The release of its own program.
    pub firmware: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// How far its clock is to be trusted.
    pub clock: String,
}

impl Card {
    /// What it says, each line with its name.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let lines = [
            ("maker", self.maker.clone()),
            ("model", self.model.clone()),
            ("serial", self.serial.clone()),
            ("firmware", self.firmware.clone()),
            ("capabilities", self.capabilities.join(", ")),
            ("clock", self.clock.clone()),
        ];
        lines.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }
}
