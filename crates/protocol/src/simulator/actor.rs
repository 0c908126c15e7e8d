use quorate_types::PartyIndex;
use rand_core::CryptoRng;

use crate::abort::Reason;
use crate::driver::{Driver, Effect};
use crate::phases::Phases;

/// What the simulator drives: a [`Driver`], or a test double that misbehaves.
pub trait Actor {
    /// What it produces.
    type Output;

    /// Takes one message that came over the link of `from`.
    fn receive(
        &mut self,
        from: PartyIndex,
        bytes: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Vec<Effect<Self::Output>>;

    /// Its time is up.
    fn expire(&mut self) -> Vec<Effect<Self::Output>>;

    /// Whether messages still matter to it.
    fn is_running(&self) -> bool;
}

impl<P: Phases> Actor for Driver<P> {
    type Output = P::Output;

    fn receive(
        &mut self,
        from: PartyIndex,
        bytes: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Vec<Effect<P::Output>> {
        Driver::receive(self, from, bytes, rng)
    }

    fn expire(&mut self) -> Vec<Effect<P::Output>> {
        self.give_up(Reason::TimedOut)
    }

    fn is_running(&self) -> bool {
        Driver::is_running(self)
    }
}

impl<A: Actor + ?Sized> Actor for Box<A> {
    type Output = A::Output;

    fn receive(
        &mut self,
        from: PartyIndex,
        bytes: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Vec<Effect<A::Output>> {
        (**self).receive(from, bytes, rng)
    }

    fn expire(&mut self) -> Vec<Effect<A::Output>> {
        (**self).expire()
    }

    fn is_running(&self) -> bool {
        (**self).is_running()
    }
}
