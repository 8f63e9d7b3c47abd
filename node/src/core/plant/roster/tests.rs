//! Roster tests.
