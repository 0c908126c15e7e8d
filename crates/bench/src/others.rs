//! Engines of others, measured in the same run: on this machine, by this compiler, beside ours.

pub(crate) mod cait_sith;
pub(crate) mod dkls23;
pub(crate) mod frost;
