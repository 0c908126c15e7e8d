//! Checks of signatures with public keys alone; holds no secret type of a share.
