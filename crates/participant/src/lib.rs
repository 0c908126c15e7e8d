//! One participant: decides for itself and runs rounds beside its shares.
