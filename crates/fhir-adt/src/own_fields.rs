//! Fields that a site leaves out, and fields that it fills itself (`[message] omit` and `constants`; mapping section 12).
//!
//! A constant never stands where the mapping writes or reads something of the Patient, so that a message reads back the
//! same with and without it. What is left out is told as a loss.

use crate::config::{MappingConfig, Problems};

/// What a site decided, by segment.
#[derive(Debug)]
pub(crate) struct OwnFields(Vec<OwnSegment>);

#[derive(Debug)]
pub(crate) struct OwnSegment {
    name: &'static str,
    /// Fields left out, as bits.
    omitted: u64,
    /// In the order of the fields.
    constants: Vec<Constant>,
}

/// A field with a fixed value.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) field: usize,
    /// Repetitions, components, subcomponents.
    pub(crate) value: Vec<Vec<Vec<String>>>,
}

impl OwnFields {
    /// `None` where a site decided nothing. The configuration is [checked](check).
    pub(crate) fn new(config: &MappingConfig) -> Option<Self> {
        let mut segments: Vec<OwnSegment> = SEGMENTS
            .iter()
            .map(|segment| OwnSegment { name: segment.name, omitted: 0, constants: Vec::new() })
            .collect();
        for place in &config.omit {
            if let Ok((segment, field)) = omitted(place) {
                let bits = field.map_or(u64::MAX, |field| 1 << field);
                segments
                    .iter_mut()
                    .filter(|own| own.name == segment.name)
                    .for_each(|own| own.omitted |= bits);
            }
        }
        for (place, value) in &config.constants {
            if let Ok((segment, constant)) = constant(place, value)
                && let Some(own) = segments.iter_mut().find(|own| own.name == segment.name)
            {
                own.constants.push(constant);
            }
        }
        segments.retain(|own| own.omitted != 0 || !own.constants.is_empty());
        segments.iter_mut().for_each(|own| own.constants.sort_by_key(|constant| constant.field));
        (!segments.is_empty()).then_some(Self(segments))
    }

    /// Position of the segment of that name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|own| own.name == name)
    }

    /// The fields of a segment that the mapping does not write, as bits.
    pub(crate) fn skipped(&self, segment: usize) -> u64 {
        self.0.get(segment).map_or(0, |own| {
            own.constants.iter().fold(own.omitted, |bits, constant| bits | 1 << constant.field)
        })
    }

    /// The constants of a segment.
    pub(crate) fn constants(&self, segment: usize) -> &[Constant] {
        self.0.get(segment).map_or(&[], |own| &own.constants)
    }
}

/// Everything that is wrong with both settings.
pub(crate) fn check(config: &MappingConfig, problems: &mut Problems) {
    for (index, place) in config.omit.iter().enumerate() {
        if let Err(reason) = omitted(place) {
            problems.push(format!("omit[{index}]"), reason);
        }
    }
    for (place, value) in &config.constants {
        let key = format!("constants.{place:?}");
        match constant(place, value) {
            Err(reason) => problems.push(key, reason),
            Ok((segment, constant)) => {
                let same = |other: &String| {
                    omitted(other).is_ok_and(|(of, field)| {
                        of.name == segment.name && field.is_none_or(|field| field == constant.field)
                    })
                };
                problems.check(!config.omit.iter().any(same), &key, "is left out by `omit`");
            }
        }
    }
}

/// What may be decided of a segment.
struct Segment {
    name: &'static str,
    /// Its last field.
    last: usize,
    /// Whether fields of it may be left out.
    omits: bool,
    /// Fields that a receiver needs, or without which the message does not read back.
    needed: &'static [usize],
    /// Fields that the mapping leaves alone, as ranges.
    free: &'static [(usize, usize)],
}

/// Field numbers of HL7 v2.8; an earlier version has fewer.
const SEGMENTS: [Segment; 6] = [
    Segment {
        name: "MSH",
        last: 25,
        omits: false,
        needed: &[],
        free: &[(8, 8), (13, 14), (19, 20), (22, 25)],
    },
    Segment { name: "EVN", last: 7, omits: false, needed: &[], free: &[(3, 5)] },
    Segment {
        name: "PID",
        last: 40,
        omits: true,
        needed: &[3, 5],
        free: &[(18, 18), (21, 21), (27, 27), (31, 32), (37, 38)],
    },
    Segment { name: "PD1", last: 22, omits: true, needed: &[], free: &[(1, 2), (5, 5), (7, 13), (15, 22)] },
    Segment { name: "NK1", last: 41, omits: true, needed: &[1], free: &[] },
    Segment { name: "PV1", last: 54, omits: false, needed: &[], free: &[(2, 54)] },
];

/// `PID-19`, or a whole segment.
fn place(text: &str) -> Result<(&'static Segment, Option<usize>), String> {
    let (name, field) = text.split_once('-').map_or((text, None), |(name, field)| (name, Some(field)));
    let Some(segment) = SEGMENTS.iter().find(|segment| segment.name == name) else {
        let near = SEGMENTS.iter().map(|segment| segment.name).find(|known| is_near(known, name));
        return Err(match near {
            Some(near) => format!("names no segment; did you mean `{}`?", text.replacen(name, near, 1)),
            None => "names no segment; expected one of MSH, EVN, PID, PD1, NK1, PV1".to_owned(),
        });
    };
    let Some(field) = field else { return Ok((segment, None)) };
    match field.parse::<usize>() {
        Ok(number) if (1..=segment.last).contains(&number) => Ok((segment, Some(number))),
        _ => Err(format!("names no field; {name}-1 to {name}-{} are", segment.last)),
    }
}

fn omitted(text: &str) -> Result<(&'static Segment, Option<usize>), String> {
    let (segment, field) = place(text)?;
    match field {
        _ if !segment.omits => Err("cannot be left out: fields of PID, PD1 and NK1 can".to_owned()),
        Some(field) if segment.needed.contains(&field) => Err("is needed by every receiver".to_owned()),
        None if segment.name == "PID" => Err("is needed; its fields can be left out".to_owned()),
        field => Ok((segment, field)),
    }
}

fn constant(text: &str, value: &str) -> Result<(&'static Segment, Constant), String> {
    let (segment, field) = place(text)?;
    let Some(field) = field else { return Err("names a segment; a constant is one field".to_owned()) };
    if !segment.free.iter().any(|&(first, last)| (first..=last).contains(&field)) {
        return Err(match segment.name {
            "MSH" | "EVN" => "is written by the mapping; see the other settings of [message]".to_owned(),
            _ => "is a field that the mapping writes or reads".to_owned(),
        });
    }
    if value.is_empty() || value.contains(|c: char| c == '|' || c.is_control()) {
        return Err("must be a value without | and control characters".to_owned());
    }
    let components = |repetition: &str| {
        repetition.split('^').map(|part| part.split('&').map(str::to_owned).collect()).collect()
    };
    Ok((segment, Constant { field, value: value.split('~').map(components).collect() }))
}

/// One letter apart, or two that changed places.
fn is_near(known: &str, given: &str) -> bool {
    let apart = known.chars().zip(given.to_ascii_uppercase().chars()).filter(|(a, b)| a != b).count();
    known.len() == given.len() && apart <= 2
}
