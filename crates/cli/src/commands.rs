//! What each command does: settings and arguments in, a report out.

mod batch;
mod completion;
mod config;
mod doctor;
mod intent;
mod key;
mod lift_ban;
mod node;
mod payload;
mod session;
mod sign;
mod tx;
mod verify;

use quorate_intent::Manifest;

pub(crate) use batch::sign_batch;
pub(crate) use key::{CreateOrder, create_key, fetch_key};
pub(crate) use payload::Payload;
pub(crate) use sign::{SignOrder, sign};

use crate::args::{Cli, Command, DoctorArgs, GlobalArgs, NodeAction};
use crate::config::{Environment, Setting, Settings};
use crate::console::Console;
use crate::error::CliError;
use crate::http::ApiClient;
use crate::intents::{IntentSigner, read_manifest};
use crate::{bench, dev, enroll};

/// What every command gets.
pub struct Context {
    /// Flags of every command.
    pub global: GlobalArgs,
    /// How to talk.
    pub console: Console,
    /// Flag over environment over file over default.
    pub settings: Settings,
}

impl Context {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`CliError::Invalid`].
    pub fn new(global: GlobalArgs, environment: Environment<'_>) -> Result<Self, CliError> {
        let console = Console::new(global.json);
        let settings =
            Settings::resolve(&global.settings(), global.config.as_deref(), environment)?;
        Ok(Self {
            global,
            console,
            settings,
        })
    }

    /// What answers are checked with, who signs intents, and the service.
    pub(crate) fn connect(&self) -> Result<Connection, CliError> {
        let manifest = read_manifest(&self.settings)?;
        let signer = IntentSigner::new(&self.settings, &manifest)?;
        let client = ApiClient::new(&self.settings)?;
        let wait_ms = self.settings.millis(Setting::WaitMs)?;
        Ok(Connection {
            manifest,
            signer,
            client,
            wait_ms,
        })
    }
}

/// Everything that a call to the service needs.
pub(crate) struct Connection {
    pub(crate) manifest: Manifest,
    pub(crate) signer: IntentSigner,
    pub(crate) client: ApiClient,
    pub(crate) wait_ms: u64,
}

/// Does what the command line says, and prints the result.
///
/// # Errors
/// [`CliError`]; its exit code says who must act.
pub async fn run(cli: Cli, environment: Environment<'_>) -> Result<(), CliError> {
    let Cli { global, command } = cli;
    // Commands that need no client configuration must not fail because of a broken one.
    match command {
        Command::Dev(args) => return dev::run(args, Console::new(global.json), environment).await,
        Command::Completion { shell } => {
            return Console::new(global.json).report(&completion::script(shell));
        }
        Command::Coordinator => return crate::coordinator::run(global.config.as_deref()).await,
        Command::Node(NodeAction::Enroll(action)) => {
            let console = Console::new(global.json);
            return console.report(&enroll::run(action, &console)?);
        }
        Command::Doctor(DoctorArgs {
            process: Some(config),
        }) => return doctor::run_for_process(&Console::new(global.json), &config).await,
        Command::Tx(action) => {
            let console = Console::new(global.json);
            return console.report(&tx::run(action)?);
        }
        _ => {}
    }
    let context = Context::new(global, environment)?;
    let report = match command {
        Command::Key(action) => key::run(&context, action).await?,
        Command::Sign(args) => sign::run(&context, args).await?,
        Command::SignBatch(args) => batch::run(&context, args).await?,
        Command::Verify(args) => verify::run(&context, args).await?,
        Command::Session(action) => session::run(&context, action).await?,
        Command::Node(action) => node::run(&context, action).await?,
        Command::Intent(action) => intent::run(&context, action).await?,
        Command::Config(_) => config::show(&context),
        Command::Doctor(_) => return doctor::run(&context).await,
        Command::Bench(args) => bench::run(&context, args).await?,
        Command::Dev(_) | Command::Completion { .. } | Command::Coordinator | Command::Tx(_) => {
            unreachable!("handled above")
        }
    };
    context.console.report(&report)
}
