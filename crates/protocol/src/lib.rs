//! Round driver, inbox, echo broadcast, abort with culprits, deterministic simulator.
