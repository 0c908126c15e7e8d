use serde_json::{Map, Value, json};

use super::Context;
use crate::config::Setting;
use crate::console::{Report, table};

/// Every setting with its value and where it came from. Settings are names and paths: no secrets.
pub(super) fn show(context: &Context) -> Report {
    let settings = &context.settings;
    let file = settings.file().map(|path| path.display().to_string());
    let mut json_values = Map::new();
    let mut rows = Vec::new();
    for setting in Setting::ALL {
        let value = settings.get(setting);
        let text = value.map(|value| value.text.clone());
        let source = value.map_or("not set", |value| value.source.as_str());
        let shown = vec![
            setting.name().to_owned(),
            text.clone().unwrap_or_default(),
            source.to_owned(),
            setting.variable().to_owned(),
        ];
        rows.push(shown);
        let entry = json!({ "value": text, "source": source, "variable": setting.variable() });
        json_values.insert(setting.name().to_owned(), entry);
    }
    let listed = table(&["setting", "value", "from", "variable"], rows);
    let named = file.as_deref().unwrap_or("none");
    let json = json!({ "file": file, "settings": Value::Object(json_values) });
    Report {
        json,
        human: format!("configuration file: {named}\n\n{listed}"),
    }
}
