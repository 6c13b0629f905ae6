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
    /// MSH-3 to MSH-6.
    pub(crate) parties: [Designator<'static>; 4],
    /// EVN-7.
    pub(crate) event_facility: Designator<'static>,
    /// PID-34.
    pub(crate) last_update_facility: Designator<'static>,
    pub(crate) logical_authority: Designator<'static>,
    pub(crate) default_authority: Designator<'static>,
    pub(crate) own_fields: Option<Arc<OwnFields>>,
    pub(crate) z_segments: Vec<OwnZSegment>,
}

impl Site {
    pub(crate) fn new(config: MappingConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let designator = |text: &str| Designator::parse(text).into_owned();
        let parties = [
            &config.sending_application,
            &config.sending_facility,
            &config.receiving_application,
            &config.receiving_facility,
        ];
        Ok(Self {
            rules: config.version.rules(),
            codes: Codes::new(config.version, &config.codes),
            systems: SystemNames::new(&config.coding_systems),
            registry: Registry::new(&config)?,
            zone: crate::date_time::zone(&config.timezone).unwrap_or(TimeZone::UTC),
            parties: parties.map(|party| designator(party)),
            event_facility: designator(&config.event_facility),
            last_update_facility: designator(&config.last_update_facility),
            logical_authority: designator(&config.logical_id.authority),
            default_authority: designator(&config.default_authority),
            own_fields: OwnFields::new(&config).map(Arc::new),
            z_segments: OwnZSegment::all(&config),
            config,
        })
    }
}
