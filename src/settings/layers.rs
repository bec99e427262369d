//! The layers of the settings: default file, files, environment, flags, each over the one before.
//!
//! Every value is checked in its own layer, so that a fault names the spelling that holds it; what passes is merged,
//! and the merge remembers for each key which layer won.

use super::allowed::{self, Allowed, KEYS};
use super::nearest::nearest_key;
use super::problem::{Problem, SettingsError};
use super::report::Effective;
use super::rules::{self, RoutingRule};
use super::sections::Settings;
use super::spelling;
use super::{DEFAULT_FILE, cross};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Largest settings file that is read.
const MAX_FILE_BYTES: u64 = 4_194_304;
/// The origin of what nobody chose.
pub const DEFAULT_ORIGIN: &str = "default";

/// What the settings are made of, beside the default file. Holds secrets in plain text, so it cannot be printed.
#[derive(Clone, Default)]
pub struct Sources {
    /// A later file wins over an earlier one.
    pub files: Vec<PathBuf>,
    /// Name and value; names that do not start with `RUSHDESK__` are left alone, but for those that meant to.
    pub environment: Vec<(OsString, OsString)>,
    pub flags: Vec<Flag>,
}

/// One setting given on the command line.
#[derive(Clone, PartialEq, Eq)]
pub struct Flag {
    /// `section.key`.
    pub key: String,
    pub value: String,
    /// As the user wrote it, without the value: `--set server.listen` or `--listen`.
    pub spelling: String,
}

/// Settings that are fit for use.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    /// Every key with its value (secrets masked) and origin, in the order of the default file.
    pub effective: Vec<Effective>,
    /// What is allowed and yet worth a sentence to the operator.
    pub notices: Vec<String>,
}

/// The variables of this process, for `Sources::environment`.
pub fn process_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Lays the sources over the default file and checks the result, each key and the keys among each other.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Loaded, SettingsError> {
    let mut problems = Vec::new();
    let mut merged = Figment::new();
    for layer in layers(sources, &mut problems) {
        merged = merged.merge(checked(layer, &mut problems));
    }
    if !problems.is_empty() {
        return Err(SettingsError(problems));
    }
    let mut settings: Settings = merged.extract().map_err(|error| SettingsError(vec![unreadable(error)]))?;
    let origin =
        |key: &str| merged.find_metadata(key).map_or(DEFAULT_ORIGIN.to_owned(), |m| m.name.to_string());
    if let Some(key) = &settings.auth.visitor_public_key {
        match cross::public_key_pem(key) {
            Ok(pem) => settings.auth.visitor_public_key = Some(pem),
            Err(fault) => {
                problems.push(Problem::new(
                    "auth.visitor_public_key",
                    origin("auth.visitor_public_key"),
                    fault,
                ));
            }
        }
    }
    problems.extend(cross::problems(&settings, &origin));
    if !problems.is_empty() {
        return Err(SettingsError(problems));
    }
    let effective = effective(&merged, &origin);
    let notices = cross::notices(&settings);
    Ok(Loaded { settings, effective, notices })
}

/// Values of one origin.
struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }
    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn layers(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<Layer> {
    let mut layers = Vec::new();
    layers.extend(read_toml(DEFAULT_ORIGIN.to_owned(), DEFAULT_FILE, problems));
    for path in &sources.files {
        let origin = format!("file {}", path.display());
        match read_file(path) {
            Ok(text) => layers.extend(read_toml(origin, &text, problems)),
            Err(fault) => problems.push(Problem::new("", origin, fault)),
        }
    }
    layers.extend(
        sources.environment.iter().filter_map(|(name, value)| from_environment(name, value, problems)),
    );
    layers.extend(sources.flags.iter().filter_map(|flag| from_flag(flag, problems)));
    layers
}

fn read_file(path: &Path) -> Result<String, String> {
    let advice = "name a TOML file that can be read (`rushdesk config default` prints one)";
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}; {advice}"))?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("is {size} bytes long; at most {MAX_FILE_BYTES} are read; {advice}"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}; {advice}"))
}

fn read_toml(origin: String, text: &str, problems: &mut Vec<Problem>) -> Option<Layer> {
    match toml::from_str::<Dict>(text) {
        Ok(values) => Some(Layer { origin, values }),
        Err(error) => {
            // The message alone: the quoted line of the full error could hold a secret.
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.split('\n').count());
            problems.push(Problem::new(
                "",
                origin,
                format!("is no TOML: line {line}: {}", error.message().trim_end()),
            ));
            None
        }
    }
}

fn from_environment(name: &OsString, value: &OsString, problems: &mut Vec<Problem>) -> Option<Layer> {
    let origin = format!("environment {}", name.display());
    if let Some(key) = spelling::key_misspelled_by(name.to_str()?) {
        let right = spelling::variable(key);
        problems.push(Problem::new(key, origin, format!("is not read: write {right}, with two underscores")));
        return None;
    }
    let key = spelling::key_of_variable(name.to_str()?)?;
    let Some(text) = value.to_str() else {
        problems.push(Problem::new(key, origin, "is no UTF-8 text"));
        return None;
    };
    spelled(&key, text, origin, &spelling::variable, problems)
}

fn from_flag(flag: &Flag, problems: &mut Vec<Problem>) -> Option<Layer> {
    spelled(&flag.key, &flag.value, format!("flag {}", flag.spelling), &str::to_owned, problems)
}

/// One spelled-out setting as a layer of its own, so that its origin names it. `respell` writes a key in the way of
/// this origin.
fn spelled(
    key: &str,
    text: &str,
    origin: String,
    respell: &dyn Fn(&str) -> String,
    problems: &mut Vec<Problem>,
) -> Option<Layer> {
    let Some((allowed, (section, name))) = allowed::allowed(key).zip(key.split_once('.')) else {
        problems.push(unknown(key, origin, respell));
        return None;
    };
    match spelling::read(allowed, text) {
        Ok(value) => {
            let section_values = Dict::from([(name.to_owned(), value)]);
            Some(Layer { origin, values: Dict::from([(section.to_owned(), Value::from(section_values))]) })
        }
        Err(fault) => {
            problems.push(Problem::new(key, origin, fault));
            None
        }
    }
}

fn unknown(key: &str, origin: String, respell: &dyn Fn(&str) -> String) -> Problem {
    let meant = nearest_key(key, KEYS.iter().map(|(known, _)| *known)).unwrap_or_default();
    let message = format!("there is no such setting; the nearest one is `{}`", respell(meant));
    Problem::new(key, origin, message)
}

/// The layer without what is wrong in it; what is wrong becomes problems.
fn checked(layer: Layer, problems: &mut Vec<Problem>) -> Layer {
    let Layer { origin, values } = layer;
    let mut sound = Dict::new();
    for (section, value) in values {
        let Some(keys) = value.as_dict() else {
            problems.push(misplaced(&section, &origin));
            continue;
        };
        let mut sound_keys = Dict::new();
        for (name, value) in keys {
            let key = format!("{section}.{name}");
            match allowed::allowed(&key) {
                None => problems.push(unknown(&key, origin.clone(), &str::to_owned)),
                Some(allowed) => {
                    let faults = faults(&key, allowed, value, &origin);
                    if faults.is_empty() {
                        sound_keys.insert(name.clone(), value.clone());
                    }
                    problems.extend(faults);
                }
            }
        }
        sound.insert(section, Value::from(sound_keys));
    }
    Layer { origin, values: sound }
}

/// A value that stands outside every section.
fn misplaced(name: &str, origin: &str) -> Problem {
    if KEYS.iter().any(|(known, _)| known.split_once('.').is_some_and(|(section, _)| section == name)) {
        Problem::new(name, origin, format!("is a section; write its keys below [{name}]"))
    } else {
        unknown(name, origin.to_owned(), &str::to_owned)
    }
}

fn faults(key: &str, allowed: Allowed, value: &Value, origin: &str) -> Vec<Problem> {
    if let Some(problem) = allowed::check(key, allowed, value, origin) {
        return vec![problem];
    }
    if !matches!(allowed, Allowed::Rules) {
        return Vec::new();
    }
    match value.deserialize::<Vec<RoutingRule>>() {
        Ok(rules) => {
            rules::faults(&rules).into_iter().map(|fault| Problem::new(key, origin, fault)).collect()
        }
        Err(error) => vec![Problem::new(key, origin, rule_fault(&error))],
    }
}

fn rule_fault(error: &figment::Error) -> String {
    let place = match error.path.first().and_then(|index| index.parse::<usize>().ok()) {
        Some(index) => format!("rule {}: ", index + 1),
        None => String::new(),
    };
    match &error.kind {
        figment::error::Kind::UnknownField(field, known) => {
            let meant = super::nearest::nearest(field, known.iter().copied()).unwrap_or_default();
            format!("{place}there is no `{field}`; the nearest known one is `{meant}`")
        }
        kind => format!("{place}{}{kind}", error.path.get(1..).unwrap_or_default().join(".") + " "),
    }
}

/// The checks let through what the types refuse: the two lists differ. Told rather than hidden.
fn unreadable(error: figment::Error) -> Problem {
    let origin =
        error.metadata.as_ref().map_or(DEFAULT_ORIGIN.to_owned(), |metadata| metadata.name.to_string());
    Problem::new(error.path.join("."), origin, error.kind.to_string())
}

fn effective(merged: &Figment, origin: &dyn Fn(&str) -> String) -> Vec<Effective> {
    KEYS.iter()
        .filter_map(|(key, allowed)| {
            let value = merged.find_value(key).ok()?;
            Some(Effective { key, value: allowed::masked(*allowed, &value), origin: origin(key) })
        })
        .collect()
}
