//! `liaison schema`: the JSON Schema of the configuration file, for editors.

use super::failure::Failure;
use super::output;

pub(super) fn schema() -> Result<(), Failure> {
    output::json(&liaison::config::schema())
}
