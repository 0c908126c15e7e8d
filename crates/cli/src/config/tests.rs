use std::fs;

use super::*;

fn nothing(_: &str) -> Option<String> {
    None
}

fn source(settings: &Settings, setting: Setting) -> (&str, &Source) {
    let value = settings.get(setting).unwrap();
    (&value.text, &value.source)
}

#[test]
fn settings__should_take_flag_over_environment_over_file_over_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.toml");
    fs::write(
        &path,
        "endpoint = \"http://file\"\ntenant = \"file\"\ninitiator = \"file\"\n",
    )
    .unwrap();
    let environment = |name: &str| match name {
        "QUORATE_ENDPOINT" => Some("http://environment".to_owned()),
        "QUORATE_TENANT" => Some("environment".to_owned()),
        _ => None,
    };
    let flags = [(Setting::Endpoint, "http://flag".to_owned())].into();
    let settings = Settings::resolve(&flags, Some(&path), &environment).unwrap();
    assert_eq!(
        source(&settings, Setting::Endpoint),
        ("http://flag", &Source::Flag)
    );
    assert_eq!(
        source(&settings, Setting::Tenant),
        ("environment", &Source::Environment)
    );
    assert_eq!(
        source(&settings, Setting::Initiator),
        ("file", &Source::File)
    );
    assert_eq!(
        source(&settings, Setting::WaitMs),
        ("30000", &Source::Default)
    );
    assert_eq!(settings.get(Setting::Manifest), None);
}

#[test]
fn config_file__should_be_the_flags_then_the_environments_then_the_users_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("initiator = \"{name}\"\n")).unwrap();
        path
    };
    let (flag, named) = (file("flag"), file("named"));
    let own = file("quorate/client.toml");
    let home = folder.path().display().to_string();
    let both = |name: &str| match name {
        "QUORATE_CONFIG" => Some(named.display().to_string()),
        "XDG_CONFIG_HOME" => Some(home.clone()),
        _ => None,
    };
    let only_own = |name: &str| (name == "XDG_CONFIG_HOME").then(|| home.clone());
    let none = BTreeMap::new();
    let read = |config: Option<&Path>, environment: Environment<'_>| {
        Settings::resolve(&none, config, environment)
            .unwrap()
            .file()
            .map(Path::to_owned)
    };
    assert_eq!(read(Some(&flag), &both), Some(flag.clone()));
    assert_eq!(read(None, &both), Some(named.clone()));
    assert_eq!(read(None, &only_own), Some(own));
    assert_eq!(read(None, &nothing), None);
}

#[test]
fn config_file__must_exist_if_it_was_named() {
    let missing = Path::new("/nonexistent/client.toml");
    let error = Settings::resolve(&BTreeMap::new(), Some(missing), &nothing).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/client.toml"),
        "{error}"
    );
}

#[test]
fn config_file__must_refuse_settings_that_it_does_not_know() {
    let error = parse("endpont = \"x\"", Path::new("/")).unwrap_err();
    assert!(
        error.contains("endpont") && error.contains("endpoint"),
        "{error}"
    );
    assert!(parse("endpoint = [1]", Path::new("/")).is_err());
    assert!(parse("endpoint", Path::new("/")).is_err());
}

#[test]
fn paths_of_a_file__should_start_at_its_folder() {
    let values = parse(
        "manifest = \"m.json\"\npids = \"/abs\"\nwait_ms = 5",
        Path::new("/d"),
    )
    .unwrap();
    assert_eq!(values[&Setting::Manifest], "/d/m.json");
    assert_eq!(values[&Setting::Pids], "/abs");
    assert_eq!(values[&Setting::WaitMs], "5");
}

#[test]
fn missing_setting__should_say_how_to_give_it() {
    let settings = Settings::resolve(&BTreeMap::new(), None, &nothing).unwrap();
    let remedy = settings
        .required(Setting::InitiatorKeyFile)
        .unwrap_err()
        .remedy();
    for way in [
        "--initiator-key-file",
        "QUORATE_INITIATOR_KEY_FILE",
        "`initiator_key_file`",
    ] {
        assert!(remedy.contains(way), "{remedy}");
    }
}
