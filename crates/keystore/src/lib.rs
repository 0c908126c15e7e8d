//! Sealed shares by epoch, the record of what was signed, durable files.
