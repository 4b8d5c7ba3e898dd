//! Where servers' root file systems come from.

pub(super) mod this_system;
