//! One configuration, compiled: what every rule of the mapping looks things up in.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::assigning_authority::{Designator, Registry};
use crate::codes::Codes;
use crate::coding_system::SystemNames;
use crate::config::{ConfigError, MappingConfig};
use crate::own_fields::OwnFields;
use crate::version::Rules;
use crate::z_segment::OwnZSegment;

/// A checked configuration with its tables.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) config: MappingConfig,
    pub(crate) rules: &'static Rules,
    pub(crate) codes: Codes,
    pub(crate) systems: SystemNames,
    pub(crate) registry: Registry,
    pub(crate) zone: TimeZone,
    pub(crate) logical_authority: Designator<'static>,
    pub(crate) default_authority: Designator<'static>,
    pub(crate) own_fields: Option<Arc<OwnFields>>,
    pub(crate) z_segments: Vec<OwnZSegment>,
}

impl Site {
    pub(crate) fn new(config: MappingConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            rules: config.version.rules(),
            codes: Codes::new(config.version, &config.codes),
            systems: SystemNames::new(&config.coding_systems),
            registry: Registry::new(&config)?,
            zone: crate::date_time::zone(&config.timezone).unwrap_or(TimeZone::UTC),
            logical_authority: Designator::parse(&config.logical_id.authority).into_owned(),
            default_authority: Designator::parse(&config.default_authority).into_owned(),
            own_fields: OwnFields::new(&config).map(Arc::new),
            z_segments: OwnZSegment::all(&config),
            config,
        })
    }
}
