//! The client's settings: flag over `QUORATE_*` environment over file over default.

mod setting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use setting::Setting;

use crate::error::CliError;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment variable of the setting.
    Environment,
    /// The configuration file.
    File,
    /// Nobody said anything.
    Default,
}

impl Source {
    /// One word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        }
    }
}

/// A value and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As it was written; paths of a file are already below the file's folder.
    pub text: String,
    /// Where it came from.
    pub source: Source,
}

/// All settings of one call.
#[derive(Debug, Clone)]
pub struct Settings {
    file: Option<PathBuf>,
    values: BTreeMap<Setting, Value>,
}

/// Looks up an environment variable. Passed in, so that tests need not change the process.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// Collects all settings.
    ///
    /// - `flags`: what the command line gave.
    /// - `config`: the file of `--config`.
    ///
    /// # Errors
    /// [`CliError::Invalid`] if a file that was named does not exist, or is not valid.
    pub fn resolve(
        flags: &BTreeMap<Setting, String>,
        config: Option<&Path>,
        environment: Environment<'_>,
    ) -> Result<Self, CliError> {
        let (file, in_file) = read_file(config, environment)?;
        let mut values = BTreeMap::new();
        for setting in Setting::ALL {
            let flag = flags.get(&setting).map(|text| (text.clone(), Source::Flag));
            let variable = || environment(setting.variable()).map(|t| (t, Source::Environment));
            let written = || {
                in_file
                    .get(&setting)
                    .map(|text| (text.clone(), Source::File))
            };
            let default = || {
                setting
                    .default()
                    .map(|text| (text.to_owned(), Source::Default))
            };
            let found = flag.or_else(variable).or_else(written).or_else(default);
            if let Some((text, source)) = found {
                values.insert(setting, Value { text, source });
            }
        }
        Ok(Self { file, values })
    }

    /// The file that was read.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A value, if there is one.
    #[must_use]
    pub fn get(&self, setting: Setting) -> Option<&Value> {
        self.values.get(&setting)
    }

    /// A value that the command cannot do without.
    ///
    /// # Errors
    /// [`CliError::Invalid`] that names flag, variable and file.
    pub fn required(&self, setting: Setting) -> Result<&str, CliError> {
        self.get(setting)
            .map(|value| value.text.as_str())
            .ok_or_else(|| {
                let name = setting.name();
                let remedy = format!(
                    "give --{}, set {}, or write `{name}` to the configuration file; `quorate dev` \
                 writes one (use it with --config D/client.toml)",
                    setting.flag(),
                    setting.variable(),
                );
                CliError::invalid(format!("`{name}` is not configured"), remedy)
            })
    }

    /// A path that the command cannot do without.
    ///
    /// # Errors
    /// As [`Self::required`].
    pub fn path(&self, setting: Setting) -> Result<PathBuf, CliError> {
        self.required(setting).map(PathBuf::from)
    }

    /// A number of milliseconds.
    ///
    /// # Errors
    /// [`CliError::Invalid`] if it is not a whole number.
    pub fn millis(&self, setting: Setting) -> Result<u64, CliError> {
        let text = self.required(setting)?;
        text.parse().map_err(|_| {
            let what = format!("`{}` is not a whole number: `{text}`", setting.name());
            CliError::invalid(what, "give milliseconds")
        })
    }
}

type InFile = BTreeMap<Setting, String>;

/// `--config`, then `QUORATE_CONFIG`, then the user's own file if it exists.
fn read_file(
    config: Option<&Path>,
    environment: Environment<'_>,
) -> Result<(Option<PathBuf>, InFile), CliError> {
    let named = config.map(Path::to_owned);
    let named = named.or_else(|| environment("QUORATE_CONFIG").map(PathBuf::from));
    let path = match named {
        Some(path) => path,
        None => match own_file(environment).filter(|path| path.exists()) {
            Some(path) => path,
            None => return Ok((None, InFile::new())),
        },
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let what = format!(
            "{}: the configuration cannot be read: {error}",
            path.display()
        );
        CliError::invalid(
            what,
            "name an existing file with --config or QUORATE_CONFIG",
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let values = parse(&text, &folder).map_err(|why| {
        let what = format!("{}: {why}", path.display());
        CliError::invalid(
            what,
            "docs/configuration.md lists the settings of client.toml",
        )
    })?;
    Ok((Some(path), values))
}

/// `client.toml` of the user.
fn own_file(environment: Environment<'_>) -> Option<PathBuf> {
    let folder = environment("XDG_CONFIG_HOME").filter(|text| !text.is_empty());
    let folder = folder.map(PathBuf::from);
    let folder =
        folder.or_else(|| environment("HOME").map(|home| Path::new(&home).join(".config")));
    folder.map(|folder| folder.join("quorate").join("client.toml"))
}

fn parse(text: &str, folder: &Path) -> Result<InFile, String> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.to_string())?;
    let mut values = InFile::new();
    for (name, value) in &table {
        let setting = Setting::parse(name).ok_or_else(|| {
            let known = Setting::ALL.map(Setting::name).join(", ");
            format!("unknown setting `{name}`; known: {known}")
        })?;
        let text = match value {
            toml::Value::String(text) if setting.is_path() => {
                folder.join(text).display().to_string()
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            _ => return Err(format!("`{name}` must be a text or a number")),
        };
        values.insert(setting, text);
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
