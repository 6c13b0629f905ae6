//! One entry of a Bundle, and what it asks for.

use std::{collections::HashMap, sync::Arc};

use axum::http::request::Parts;
use message_store::PatientKey;
use serde_json::{Map, Value};

use crate::{
    error::HookError,
    fhir::reference::Target,
    given::{Given, Id},
    hook::{self, Hook},
    negotiate, resource_types,
    source::ReadBack,
    told::Told,
    write::{Verb, Write},
};

/// An entry as it stands, with its members found.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'b> {
    pub(crate) index: usize,
    pub(crate) full_url: Option<&'b str>,
    pub(crate) resource: Option<&'b Map<String, Value>>,
    request: Option<&'b Map<String, Value>>,
    response: Option<&'b Map<String, Value>>,
}

/// What is to be done about an entry.
pub(crate) enum Action {
    Write(Box<Write>),
    ReadBack(ReadBack),
    /// It is about something else.
    Ignore,
}

impl<'b> Entry<'b> {
    pub(crate) fn read(index: usize, entry: &'b Value) -> Result<Self, HookError> {
        let wrong = HookError::Bundle { reason: "Bundle.entry must hold objects." };
        let members = entry.as_object().ok_or(wrong)?;
        let object = |name: &str| members.get(name).and_then(Value::as_object);
        Ok(Self {
            index,
            full_url: members.get("fullUrl").and_then(Value::as_str),
            resource: object("resource"),
            request: object("request"),
            response: object("response"),
        })
    }

    fn asks(&self, name: &str) -> Option<&'b str> {
        self.request?.get(name)?.as_str()
    }

    pub(crate) fn method(&self) -> Option<&'b str> {
        self.asks("method")
    }

    /// What the entry is about, by its request, its own URL or its resource.
    pub(crate) fn target(&self) -> Option<Target<'b>> {
        let named = |url: Option<&'b str>| Target::parse(url?).filter(|target| target.id.is_some());
        named(self.full_url).or_else(|| named(self.asks("url"))).or_else(|| self.own_target())
    }

    fn own_target(&self) -> Option<Target<'b>> {
        let kind = self.resource?.get("resourceType")?.as_str()?;
        let id = self.resource?.get("id").and_then(Value::as_str);
        Some(Target { base: None, kind, id, version: None, conditional: false })
    }

    /// An entry of a transaction or batch: a request of a client. `named` holds the ids of what the Bundle creates.
    pub(super) fn asked(
        &self,
        hook: &Arc<Hook>,
        parts: &Parts,
        named: &HashMap<String, PatientKey>,
    ) -> Result<Action, HookError> {
        let method = self.method().ok_or(HookError::Bundle { reason: "Bundle.entry.request is missing." })?;
        let url = self.asks("url").unwrap_or_default();
        let unsupported = |name: &str| HookError::UnsupportedInteraction { name: name.to_owned() };
        let verb = match method {
            "POST" => Verb::Create,
            "PUT" => Verb::Update,
            "DELETE" => Verb::Delete,
            "GET" | "HEAD" | "PATCH" => return Err(unsupported(method)),
            _ => return Err(HookError::Bundle { reason: "Bundle.entry.request.method is not known." }),
        };
        let target = Target::parse(url).ok_or_else(|| {
            let kind = url.split(['/', '?']).next().unwrap_or_default();
            HookError::UnsupportedType {
                name: kind.chars().filter(char::is_ascii_alphanumeric).take(64).collect(),
            }
        })?;
        if !target.is_patient() {
            return Err(HookError::UnsupportedType { name: target.kind.to_owned() });
        }
        if target.conditional {
            return Err(HookError::ConditionalUpdate);
        }
        if self.asks("ifNoneExist").is_some() {
            return Err(HookError::ConditionalCreate);
        }
        let resource = match verb {
            Verb::Delete => None,
            Verb::Create | Verb::Update => Some(self.patient_resource()?),
        };
        let request = resource.as_ref().and_then(|resource| {
            let content = format!("{} {}", self.index, Value::Object(resource.clone()));
            hook::fingerprint(&parts.headers, verb, content.as_bytes())
        });
        let patient = match verb {
            Verb::Create => match self.full_url.and_then(|url| named.get(url)) {
                Some(patient) => patient.clone(),
                None => hook::new_patient(request.as_deref())?,
            },
            Verb::Update | Verb::Delete => target.patient()?,
        };
        if let (Verb::Update, Some(resource)) = (verb, &resource) {
            hook::check_id(&patient, &Id::of(resource))?;
        }
        let resource = resource.map(|resource| rewritten(resource, named));
        let told = match (verb, &resource) {
            (Verb::Create, _) => None,
            (_, Some(resource)) => Some(Told::of(resource)),
            (_, None) => Some(Told::default()),
        };
        let mut write = hook.write(&parts.headers, verb, patient, resource.map(Into::into));
        write.told = told;
        write.request = request;
        write.if_match = self.asks("ifMatch").and_then(negotiate::version_of);
        write.only_if_new = self.asks("ifNoneMatch") == Some("*");
        write.replay = negotiate::replay(parts.uri.query());
        Ok(Action::Write(Box::new(write)))
    }

    /// An entry of a history or notification: what a server did. Other types and reads are not for us.
    pub(super) fn told(&self, hook: &Arc<Hook>, parts: &Parts) -> Result<Action, HookError> {
        let Some(target) = self.target() else { return Ok(Action::Ignore) };
        let method = self.method();
        if !target.is_patient() || (method == Some("GET") && self.resource.is_some()) {
            return Ok(Action::Ignore);
        }
        let patient = target.patient()?;
        let said = |name: &str| self.response.and_then(|response| response.get(name)).and_then(Value::as_str);
        let version = said("etag").and_then(negotiate::version_of);
        if method == Some("DELETE") {
            let version = version.or_else(|| target.version.map(str::to_owned));
            let mut write = hook.write(&parts.headers, Verb::Delete, patient, None);
            write.told = Some(Told::new(version.as_deref(), said("lastModified")));
            return Ok(Action::Write(Box::new(unconditional(write))));
        }
        if self.resource.is_none() {
            return Ok(Action::ReadBack(ReadBack {
                base: target.base.map(str::to_owned),
                patient,
                version_id: version,
                traceparent: negotiate::traceparent(&parts.headers),
            }));
        }
        let resource = Given::from(self.patient_resource()?);
        hook::check_id(&patient, resource.id())?;
        let told = resource.told().clone();
        let mut write = hook.write(&parts.headers, Verb::Update, patient, Some(resource));
        write.told = Some(Told { version_id: told.version_id.or(version), ..told });
        write.replay = negotiate::replay(parts.uri.query());
        Ok(Action::Write(Box::new(unconditional(write))))
    }

    fn patient_resource(&self) -> Result<Map<String, Value>, HookError> {
        let resource =
            self.resource.ok_or(HookError::Bundle { reason: "Bundle.entry.resource is missing." })?;
        match resource.get("resourceType").and_then(Value::as_str) {
            Some("Patient") => Ok(resource.clone()),
            Some(kind) => {
                Err(HookError::ResourceTypeDiffers { body: resource_types::known(kind), path: "Patient" })
            }
            None => Err(HookError::ResourceTypeMissing),
        }
    }
}

/// The conditions of the request around it are not those of an event.
fn unconditional(write: Write) -> Write {
    Write { if_match: None, only_if_new: false, ..write }
}

/// References to entries of the same Bundle become references to what they create (FHIR R4 http §3.1.0.11.2).
fn rewritten(mut resource: Map<String, Value>, named: &HashMap<String, PatientKey>) -> Map<String, Value> {
    if !named.is_empty() {
        resource.values_mut().for_each(|member| rewrite(member, named));
    }
    resource
}

fn rewrite(value: &mut Value, named: &HashMap<String, PatientKey>) {
    match value {
        Value::Array(members) => members.iter_mut().for_each(|member| rewrite(member, named)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => {
                        if let Some(patient) = named.get(text.as_str()) {
                            *text = format!("Patient/{}", patient.id());
                        }
                    }
                    other => rewrite(other, named),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
