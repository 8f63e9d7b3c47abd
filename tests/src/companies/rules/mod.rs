//! What must hold between companies, whatever happens. One file each.

mod everything_comes_in_order;
mod no_loop;
mod nothing_after_the_end;
mod nothing_outside_its_terms;
mod nothing_without_an_agreement;
mod receipts_agree;

use super::{Seen, World};

/// Something that holds in every run.
pub trait Rule {
    /// What it says, as its file is called.
    fn name(&self) -> &'static str;

    /// Looks at what happened.
    ///
    /// # Errors
    /// What is wrong.
    fn see(&mut self, _world: &World, _seen: &Seen) -> Result<(), String> {
        Ok(())
    }

    /// Looks when nothing has gone wrong for a while; asked again until it holds.
    ///
    /// # Errors
    /// What is still wrong.
    fn at_rest(&mut self, _world: &mut World) -> Result<(), String> {
        Ok(())
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Box<dyn Rule>> {
    vec![
        Box::<nothing_without_an_agreement::Rule>::default(),
        Box::<nothing_outside_its_terms::Rule>::default(),
        Box::<nothing_after_the_end::Rule>::default(),
        Box::new(no_loop::Rule),
        Box::<everything_comes_in_order::Rule>::default(),
        Box::<receipts_agree::Rule>::default(),
    ]
}
