//! Checks `conflict` of a subscription: that what is compared and owned can be found, and that something can change.

use std::collections::BTreeMap;

use super::Checker;
use crate::config::document::KeyPath;
use crate::config::settings::{ConflictSettings, OwnerSetting, PolicySetting};
use crate::config::{ConflictPolicy, Owner, Owners};

/// Fields with an owner of their own, and the bytes of a pointer: a dead letter says whose which is.
const MAX_FIELDS: usize = 64;
const MAX_POINTER_BYTES: usize = 256;

/// `None` is the default.
pub(super) fn conflict(
    path: &KeyPath,
    settings: ConflictSettings,
    checker: &mut Checker<'_>,
) -> Option<ConflictPolicy> {
    let policy = settings.policy.unwrap_or(PolicySetting::NewestWins);
    version(&path.key("version"), settings.version.as_deref(), policy, checker);
    if policy != PolicySetting::Merge {
        for (key, is_written) in
            [("owners", settings.owners.is_some()), ("default-owner", settings.default_owner.is_some())]
        {
            if is_written {
                checker.mistake(&path.key(key), "only `merge` asks whose a field is; leave it out");
            }
        }
    }
    match policy {
        PolicySetting::NewestWins => settings.version.map(|version| ConflictPolicy::NewestWins { version }),
        PolicySetting::SourceWins => Some(ConflictPolicy::SourceWins),
        PolicySetting::TargetWins => Some(ConflictPolicy::TargetWins),
        PolicySetting::Merge => {
            let owners = owners(path, settings.owners.unwrap_or_default(), settings.default_owner, checker);
            if let Some(version) = settings.version.as_deref().filter(|text| is_json_pointer(text))
                && owners.of(version) == Owner::Target
            {
                let text = format!(
                    "`{version}` is the target's, and orders none of the source's events; name a field of the source's"
                );
                checker.mistake(&path.key("version"), text);
            }
            Some(ConflictPolicy::Merge { owners, version: settings.version })
        }
        PolicySetting::Manual => Some(ConflictPolicy::Manual),
    }
}

fn version(path: &KeyPath, version: Option<&str>, policy: PolicySetting, checker: &mut Checker<'_>) {
    let Some(version) = version else { return };
    if !matches!(policy, PolicySetting::NewestWins | PolicySetting::Merge) {
        checker.mistake(path, "only `newest-wins` and `merge` compare versions; leave it out");
    } else if !is_json_pointer(version) {
        checker.mistake(path, format!("`{version}` is not a JSON pointer; write such as \"/updatedAt\""));
    }
}

fn owners(
    path: &KeyPath,
    written: BTreeMap<String, OwnerSetting>,
    default: Option<OwnerSetting>,
    checker: &mut Checker<'_>,
) -> Owners {
    let fields_path = path.key("owners");
    if written.len() > MAX_FIELDS {
        let text =
            format!("names {} fields, more than {MAX_FIELDS}; name what they are in instead", written.len());
        checker.mistake(&fields_path, text);
    }
    for pointer in written.keys() {
        let text = if pointer.is_empty() || !is_json_pointer(pointer) {
            format!("`{pointer}` is not a JSON pointer to a field; write such as \"/room\"")
        } else if pointer.len() > MAX_POINTER_BYTES {
            format!("has more than {MAX_POINTER_BYTES} bytes; name what the field is in instead")
        } else {
            continue;
        };
        checker.mistake(&fields_path.key(pointer), text);
    }
    let fields = written.into_iter().map(|(pointer, owner)| (pointer, owner.into())).collect();
    let owners = Owners { default: default.map_or(Owner::Target, Owner::from), fields };
    // An owner that could not be read is reported already.
    let (place, mut mistakes) = (path.to_string(), checker.mistakes.iter());
    if !owners.has_source() && !mistakes.any(|mistake| mistake.key.starts_with(&place)) {
        checker.mistake(
            path,
            "leaves the source no field, so that no event would change anything; write such as owners = { \"/date\" = \
             \"source\" }, or default-owner = \"source\"",
        );
    }
    owners
}

impl From<OwnerSetting> for Owner {
    fn from(setting: OwnerSetting) -> Self {
        match setting {
            OwnerSetting::Source => Self::Source,
            OwnerSetting::Target => Self::Target,
        }
    }
}

/// RFC 6901: nothing, or parts that begin with `/`, where `~` stands only in `~0` and `~1`.
fn is_json_pointer(text: &str) -> bool {
    let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(is_escaped)
}
