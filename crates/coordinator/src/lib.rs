//! The coordinator: lead with a store and connections to participants; holds no secret.
