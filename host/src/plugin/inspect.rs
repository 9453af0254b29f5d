//! What there is to say of a component before it is trusted: what it imports and exports, what it needs, and whether
//! the host would load it. That last judgement is the one that loading makes.

use std::time::{Duration, Instant};

use wasmtime::component::Component;

use super::producers::{Producer, Sections};
use super::runtime::no_component;
use super::{Kind, PluginError, Runtime, sandbox};
use crate::config::{self, PluginName};
use crate::provenance::{self, Provenance};

/// Bytes of a page of WebAssembly memory.
const PAGE_BYTES: u64 = 64 << 10;

/// A component, looked at from outside.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Of the file.
    pub bytes: u64,
    pub provenance: Provenance,
    /// The world of `wit/` that it is of, if it fits one.
    pub world: Option<&'static str>,
    pub imports: Vec<Import>,
    pub exports: Vec<String>,
    pub producers: Vec<Producer>,
    /// `None` where it is no component.
    pub compiled: Option<Compiled>,
    /// `None` where that cannot be told before it runs.
    pub needs: Option<Needs>,
    /// What memories and tables of one instance take after its start, in bytes; `None` where it does not start.
    pub started_bytes: Option<usize>,
    /// Why the host does not load it; `None` if it does.
    pub refusal: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub name: String,
    /// What the host links it to; `None`: nothing, and so the component is refused.
    pub linked: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub struct Compiled {
    pub time: Duration,
    /// Of the machine code as it is kept.
    pub bytes: usize,
}

/// What an instance takes at least, as the component declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    pub memories: u32,
    /// The largest one at its beginning.
    pub memory_bytes: u64,
    pub tables: u32,
    /// The largest one at its beginning.
    pub table_elements: u64,
    /// Core instances.
    pub instances: u32,
}

impl Runtime {
    /// Looks at a component. Compiles it anew, which may take seconds.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not the one that is asked for.
    pub(crate) fn inspect(
        &self,
        name: &PluginName,
        settings: &config::Plugin,
    ) -> Result<Inspection, PluginError> {
        let provenance::Component { bytes, provenance } = self.fetch(name, settings)?;
        let sections = Sections::of(&bytes);
        let mut inspection = Inspection {
            bytes: bytes.len() as u64,
            provenance,
            world: None,
            imports: Vec::new(),
            exports: Vec::new(),
            producers: sections.producers,
            compiled: None,
            needs: None,
            started_bytes: None,
            refusal: None,
        };
        let begun = Instant::now();
        let component = match Component::new(&self.engine, &bytes) {
            Ok(component) => component,
            Err(error) => {
                inspection.refusal = Some(no_component(name, settings, &error).to_string());
                return Ok(inspection);
            }
        };
        let time = begun.elapsed();
        let code = component.serialize().map_err(|error| no_component(name, settings, &error))?;
        inspection.compiled = Some(Compiled { time, bytes: code.len() });
        self.describe(&component, sections.instances, &mut inspection);
        let started = match self.admit(name, &component) {
            Ok(kind) => {
                inspection.world = Some(kind.world());
                let plugin = self.plugin(name, settings, inspection.provenance.clone(), kind);
                plugin.start()
            }
            Err(error) => Err(error),
        };
        match started {
            Ok(bytes) => inspection.started_bytes = Some(bytes),
            Err(error) => inspection.refusal = Some(error.to_string()),
        }
        Ok(inspection)
    }

    fn describe(&self, component: &Component, instances: u32, inspection: &mut Inspection) {
        let component_type = component.component_type();
        let imports = component_type.imports(&self.engine);
        inspection.imports = imports
            .map(|(import, _)| Import { name: import.to_owned(), linked: sandbox::link(import) })
            .collect();
        let exports = component_type.exports(&self.engine);
        inspection.exports = exports.map(|(name, _)| name.to_owned()).collect();
        inspection.needs = component.resources_required().map(|resources| Needs {
            memories: resources.num_memories,
            memory_bytes: resources.max_initial_memory_size.unwrap_or_default().saturating_mul(PAGE_BYTES),
            tables: resources.num_tables,
            table_elements: resources.max_initial_table_size.unwrap_or_default(),
            instances,
        });
    }
}

impl Kind {
    fn world(&self) -> &'static str {
        match self {
            Kind::Connector(_, None) => "connector-plugin",
            Kind::Connector(_, Some(_)) => "joining-connector-plugin",
            Kind::Transformer(_) => "transformer-plugin",
        }
    }
}
