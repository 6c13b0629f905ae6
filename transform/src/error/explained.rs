//! What each answer means to whoever gets it: why, and what to do.
//!
//! Codes are stable: the log has them, `adt-bridge errors` explains them. Status, issue type and text are those of
//! [`HookError::answer`]; a test holds them together.

use message_store::StoreError;
use queue::QueueError;

use super::{Fault, HookError};
use crate::auth::AuthError;

/// One kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookAnswer {
    /// As the log has it.
    pub code: &'static str,
    /// The HTTP status, on every surface but where `docs/reference/errors.md` says otherwise.
    pub status: u16,
    /// The FHIR issue type.
    pub issue_type: &'static str,
    /// The text of the answer, with `{…}` where it differs.
    pub text: &'static str,
    /// Why, the likeliest first.
    pub causes: &'static [&'static str],
    /// What to do.
    pub remedies: &'static [&'static str],
}

macro_rules! answers {
    ($($pattern:pat => $code:literal, $status:literal $issue:literal, $text:literal,
        [$($cause:literal),+], [$($remedy:literal),+];)+) => {
        impl HookError {
            /// What there is to know about it.
            pub(crate) fn explained(&self) -> &'static HookAnswer {
                match self {
                    Self::Entry { error, .. } => error.explained(),
                    Self::Refused { refusals } => {
                        of_fault(refusals.first().map_or(Fault::Rule, |refusal| refusal.fault))
                    }
                    $($pattern => const {
                        &HookAnswer { code: $code, status: $status, issue_type: $issue, text: $text,
                            causes: &[$($cause),+], remedies: &[$($remedy),+] }
                    },)+
                }
            }
        }

        /// Every kind of refusal, those of the mapping last.
        pub const HOOK_ANSWERS: &[HookAnswer] = &[
            $(HookAnswer { code: $code, status: $status, issue_type: $issue, text: $text,
                causes: &[$($cause),+], remedies: &[$($remedy),+] },)+
            PATIENT_STRUCTURE, PATIENT_VALUE, PATIENT_CODE, PATIENT_MODIFIER, PATIENT_RULE,
        ];
    };
}

answers! {
    HookError::NotJson { .. } => "body-not-json", 400 "invalid",
        "Body is not valid JSON at line {l} column {c}.",
        ["the sender made it wrong, or sent XML or a form"],
        ["look at the body at that place"];
    HookError::NotObject => "body-not-object", 400 "invalid", "Body must be a JSON object.",
        ["a list, a text or a number was sent"],
        ["send one resource, or a Bundle of them"];
    HookError::DuplicateKey { .. } => "body-duplicate-key", 400 "invalid", "Body has a duplicate key at {path}.",
        ["the sender wrote one element twice; which one counts nobody can tell"],
        ["write it once"];
    HookError::NotUtf8 => "body-not-utf8", 400 "invalid", "Body is not UTF-8.",
        ["it is in ISO 8859-1, Windows-1252 or UTF-16", "it is compressed and does not say so"],
        ["send UTF-8, as FHIR asks"];
    HookError::TooDeep => "body-too-deep", 400 "invalid", "Body is nested too deeply.",
        ["more than 64 levels: nothing of FHIR is like that"],
        ["look at what made it"];
    HookError::EmptyBody => "body-empty", 400 "required", "Body is empty.",
        ["the sender notifies with the id alone, at a URL that takes resources"],
        ["let it send the resource, or an empty PUT to /fhir/Patient/{id} with [[hook.source]]"];
    HookError::BodyTooLarge { .. } => "body-too-large", 413 "too-long", "Body exceeds {n} bytes.",
        ["a photo or a large attachment in the resource", "a Bundle of very many entries"],
        ["leave photos out, send smaller Bundles, or raise hook.max_body_bytes"];
    HookError::BodyTimeout => "body-timeout", 408 "timeout", "Body did not arrive in time.",
        ["a slow network, or a sender that hangs"],
        ["send it again; hook.body_timeout, if the network is that slow"];
    HookError::BodyCutOff => "body-cut-off", 400 "incomplete", "Body is not complete.",
        ["the sender closed, or something between did"],
        ["send it again"];
    HookError::ContentType { .. } => "content-type", 415 "not-supported",
        "Content-Type {type} is not supported. Send application/fhir+json.",
        ["the subscription's payload is XML, or has no Content-Type"],
        ["application/fhir+json or application/json"];
    HookError::ContentEncoding => "content-encoding", 415 "not-supported",
        "Content-Encoding is not supported. Send the body as it is.",
        ["the sender compresses"],
        ["turn compression off; $backfill alone takes gzip"];
    HookError::NotAcceptable => "not-acceptable", 406 "not-supported", "Only application/fhir+json can be produced.",
        ["Accept or _format asks for XML or HTML"],
        ["Accept: application/fhir+json"];
    HookError::ResourceTypeMissing => "type-missing", 400 "required", "resourceType is missing.",
        ["it is no FHIR resource"],
        ["look at what the sender wraps the resource in; /hook takes the wrappings of several"];
    HookError::ResourceTypeDiffers { .. } => "type-differs", 400 "invalid", "Body is a {a}, path says {b}.",
        ["the subscription sends other types to the URL for Patients"],
        ["restrict the subscription to Patient"];
    HookError::UnsupportedType { .. } => "type-not-supported", 400 "not-supported",
        "ResourceType {X} is not supported.",
        ["the subscription matches more than Patient"],
        ["restrict it; hook.skip_unsupported leaves such entries of a transaction out"];
    HookError::UnknownType { .. } => "type-unknown", 404 "not-found", "ResourceType {X} is not supported.",
        ["a misspelt path"],
        ["/fhir/Patient"];
    HookError::InvalidId => "id-invalid", 400 "value", "id is not a FHIR id.",
        ["more than 64 characters, or others than letters, digits, - and ."],
        ["use an id as FHIR defines it; other identifiers belong into Patient.identifier"];
    HookError::IdDiffers { .. } => "id-differs", 400 "invalid", "Can not update Patient/{id}: body id is {missing,different}.",
        ["the path names one patient and the body another"],
        ["make them equal"];
    HookError::NotFound { .. } => "patient-not-found", 404 "not-found", "Unable to find resource Patient with {id}",
        ["it was never accepted here, or the store is another one than before"],
        ["send the Patient; adt-bridge search looks for it"];
    HookError::Gone { .. } => "patient-deleted", 410 "deleted", "Patient/{id} was deleted.",
        ["its last message was A29"],
        ["a PUT brings it back"];
    HookError::NoSuchPath => "path-unknown", 404 "not-found", "No such path.",
        ["a misspelt URL, or a stage of a gateway that hook.base_path does not name"],
        ["GET /openapi.json lists every path; set hook.base_path"];
    HookError::MethodNotAllowed { .. } => "method-not-allowed", 405 "not-supported", "{METHOD} is not allowed here.",
        ["the path exists, and not for that method"],
        ["the header Allow of the answer says which"];
    HookError::UnsupportedInteraction { .. } => "interaction-not-supported", 501 "not-supported",
        "{interaction} is not supported.",
        ["search, history, patch and the like: the hook is no FHIR server"],
        ["ask the FHIR server"];
    HookError::ConditionalCreate => "conditional-create", 412 "not-supported", "Conditional create is not supported.",
        ["If-None-Exist: the hook has nothing to search"],
        ["leave the header away"];
    HookError::ConditionalUpdate => "conditional-update", 501 "not-supported", "Conditional update is not supported.",
        ["an update by search"],
        ["PUT /fhir/Patient/{id}"];
    HookError::VersionConflict { .. } => "version-conflict", 412 "conflict", "Version {a} expected, {b} is current.",
        ["somebody else wrote the patient in between"],
        ["read it again, then decide"];
    HookError::Exists { .. } => "patient-exists", 412 "conflict", "Patient/{id} exists.",
        ["If-None-Match: * asked for a new one"],
        ["update it instead"];
    HookError::MessageTooLarge { .. } => "message-too-large", 413 "too-long", "Message is {n} bytes, the queue takes {m}.",
        ["a Patient with thousands of repetitions, or large residues (message.residue)"],
        ["look at the Patient; message.residue_max_bytes"];
    HookError::Queue(QueueError::Full) => "queue-full", 503 "transient", "Unable to pass request to back end system",
        ["the disk is full, or the queue file has reached queue.max_file_bytes", "the endpoint has been away for long"],
        ["make room; adt-bridge doctor; the sender repeats it, Retry-After says when"];
    HookError::Queue(
        QueueError::Unavailable { .. }
        | QueueError::TooLarge { .. }
        | QueueError::InvalidBody { .. }
        | QueueError::InvalidEnvelope { .. }
        | QueueError::Stale
        | QueueError::Corrupt { .. }
        | QueueError::Owned
        | QueueError::Configuration { .. }
        | QueueError::NotFound
        | QueueError::Superseded
        | QueueError::MaybeSuperseded
        | QueueError::OutOfOrder
        | QueueError::Unsupported,
    ) => "queue-away", 503 "transient", "Unable to pass request to back end system",
        ["SQS cannot be reached or refuses us", "the disk of the queue failed"],
        ["adt-bridge doctor names the cause; the sender repeats it, Retry-After says when"];
    HookError::WriteTimeout => "write-not-in-time", 503 "transient", "Unable to pass request to back end system",
        ["queue or store are slow"],
        ["adt-bridge doctor; hook.request_timeout; the sender repeats it and nothing is doubled"];
    HookError::Busy => "patient-busy", 503 "transient", "Unable to pass request to back end system",
        ["another process is writing the same patient", "a process that died left its claim, for half a minute"],
        ["nothing: the sender repeats it"];
    HookError::ReadTimeout => "read-not-in-time", 503 "transient", "Message store is unavailable.",
        ["the store is slow or hangs"],
        ["adt-bridge doctor"];
    HookError::Store(StoreError::Full) => "store-full", 503 "transient", "Message store is unavailable.",
        ["the disk of the store is full"],
        ["make room"];
    HookError::Store(StoreError::Unavailable { .. } | StoreError::Changed) => "store-away", 503 "transient",
        "Message store is unavailable.",
        ["S3 cannot be reached or refuses us", "the folder of the store is gone or may not be written to"],
        ["adt-bridge doctor names the cause; the sender repeats it"];
    HookError::Store(StoreError::Corrupt { .. } | StoreError::Config { .. }) => "store-unreadable", 500 "exception",
        "Message store cannot be read.",
        ["something else wrote into the store, or a disk damaged it"],
        ["the log says which object; put a copy back, or send the Patient again"];
    HookError::Unreadable { .. } => "message-unreadable", 500 "exception", "Stored message of Patient/{id} cannot be read.",
        ["something else than this bridge wrote it"],
        ["send the Patient again: its next message replaces it"];
    HookError::BundleType { .. } => "bundle-type", 400 "not-supported", "Bundle type {t} is not supported.",
        ["a searchset, document or collection was sent"],
        ["transaction, batch, history, or a subscription notification"];
    HookError::TooManyEntries { .. } => "bundle-too-many-entries", 422 "too-costly", "Bundle has more than {limit} entries.",
        ["history was sent as one Bundle"],
        ["smaller Bundles; adt-bridge backfill for history"];
    HookError::Bundle { .. } => "bundle-invalid", 400 "invalid", "{what is wrong with the Bundle}",
        ["an entry has no request, two entries write one patient, and the like"],
        ["mend the Bundle"];
    HookError::Event { .. } => "event-invalid", 400 "invalid", "{what is wrong with the event}",
        ["a wrapping that /hook knows, with something in it that it does not"],
        ["compare with the how-to of the sender"];
    HookError::NoSource => "no-source", 501 "not-supported", "Id-only notifications need a source server.",
        ["the subscription sends ids and no content"],
        ["let it send the content, or configure [[hook.source]]"];
    HookError::ForeignSource { .. } => "source-foreign", 422 "forbidden", "{host} is not an allowed source.",
        ["the notification names another server than the configured ones; nothing else is read from"],
        ["add it to [[hook.source]], if it is yours"];
    HookError::SourceNotNamed => "source-not-named", 422 "required",
        "Several source servers are configured; the notification does not say which.",
        ["an empty PUT cannot say where the patient is"],
        ["let the notification say fullUrl or a full reference, or configure one source"];
    HookError::Credentials(AuthError::Missing) => "credentials-missing", 401 "login", "Credentials are missing.",
        ["the subscription has no header", "a proxy takes it away"],
        ["add it; WWW-Authenticate of the answer says which ways there are"];
    HookError::Credentials(AuthError::Invalid(_)) => "credentials-invalid", 401 "login", "Credentials are not valid.",
        ["another token, secret or key than the configured one", "the clock of the sender or of the hook is wrong"],
        ["the log of the hook says why; adt-bridge doctor looks at its files"];
    HookError::Credentials(AuthError::Expired(_)) => "credentials-expired", 401 "expired", "Credentials are not valid.",
        ["the token is old, or the certificate has ended", "the clock of the sender or of the hook is wrong"],
        ["a new one"];
    HookError::Credentials(AuthError::Unavailable(_)) => "credentials-unchecked", 503 "transient",
        "Credentials cannot be checked now.",
        ["the issuer's keys (jwks_url) cannot be fetched"],
        ["see that the hook reaches it; jwks_file needs no network"];
    HookError::Forbidden { .. } => "not-allowed", 403 "forbidden", "{principal} may not {verb} Patient.",
        ["the scopes of that caller do not hold it"],
        ["scopes of its section in [hook.auth], or of its token"];
    HookError::IdMissing => "id-missing", 400 "required", "id is missing.",
        ["a line of a backfill, or an entry, without Patient.id"],
        ["history needs the ids that the patients have"];
    HookError::NotNdjson => "not-ndjson", 415 "not-supported",
        "Content-Type is not supported. Send application/fhir+ndjson.",
        ["something else than lines was sent to $backfill"],
        ["adt-bridge backfill does it right"];
    HookError::Parameter { .. } => "parameter", 400 "value", "Parameter {name} cannot be read.",
        ["a misspelt value in the query"],
        ["GET /openapi.json lists the parameters"];
    HookError::TooManyRequests => "too-many-requests", 429 "throttled", "Too many requests.",
        ["more than hook.rate of this caller, or hook.max_requests of all"],
        ["the sender waits as Retry-After says; raise the limit if the machine has room"];
    HookError::Draining => "shutting-down", 503 "transient", "Shutting down.",
        ["the process was asked to stop"],
        ["nothing: the sender repeats it, and the next process answers"];
    HookError::Internal { .. } => "internal", 500 "exception", "Internal error {trace}.",
        ["a fault of this program"],
        ["look for {trace} in the log, and tell the maintainers"];
}

fn of_fault(fault: Fault) -> &'static HookAnswer {
    match fault {
        Fault::Structure => &PATIENT_STRUCTURE,
        Fault::Value => &PATIENT_VALUE,
        Fault::Code => &PATIENT_CODE,
        Fault::Modifier => &PATIENT_MODIFIER,
        Fault::Rule => &PATIENT_RULE,
    }
}

/// What every refusal of the mapping begins with; on `/fhir` each element has its own issue.
const REFUSED: &str = "Unable to parse resource Patient: {what and where}";

const PATIENT_STRUCTURE: HookAnswer = HookAnswer {
    code: "patient-structure",
    status: 400,
    issue_type: "structure",
    text: REFUSED,
    causes: &["an element has another JSON type than FHIR R4 says, or R4 does not have it (handling=strict)"],
    remedies: &["the expression names the element; hook.handling = \"lenient\" takes unknown ones"],
};

const PATIENT_VALUE: HookAnswer = HookAnswer {
    code: "patient-value",
    status: 422,
    issue_type: "value",
    text: REFUSED,
    causes: &["a text that is no value of its type, such as a birthDate of 28.02.1983"],
    remedies: &["the expression names the element", "message.strict = false drops it and tells"],
};

const PATIENT_CODE: HookAnswer = HookAnswer {
    code: "patient-code",
    status: 422,
    issue_type: "code-invalid",
    text: REFUSED,
    causes: &["a code outside a required value set, such as a gender of M"],
    remedies: &["the expression names the element", "message.strict = false drops it and tells"],
};

const PATIENT_MODIFIER: HookAnswer = HookAnswer {
    code: "patient-modifier",
    status: 422,
    issue_type: "extension",
    text: REFUSED,
    causes: &["a modifierExtension, or implicitRules: they may turn the meaning of the rest around"],
    remedies: &["leave it away for this subscriber; message.implicit_rules may allow the rules"],
};

const PATIENT_RULE: HookAnswer = HookAnswer {
    code: "patient-rule",
    status: 422,
    issue_type: "business-rule",
    text: REFUSED,
    causes: &["a rule of the mapping, such as two replaced-by links"],
    remedies: &["the text names the rule; `adt-bridge errors RULE` shows it"],
};

#[cfg(test)]
mod tests;
