//! `quorate-participant-byzantine`: the participant, doing what the script of a test says.

#[path = "main.rs"]
mod participant;

fn main() -> anyhow::Result<()> {
    quorate_participant::danger::awaken();
    participant::main()
}
