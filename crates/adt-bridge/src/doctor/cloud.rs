//! What an answer of AWS means, and what to do about it.

use super::Finding;

/// What was tried.
pub(super) struct Trial<'t> {
    /// `SQS` or `S3`.
    pub(super) service: &'static str,
    /// The IAM action.
    pub(super) action: &'t str,
    /// The setting that names the resource.
    pub(super) setting: &'t str,
    /// The resource, as the setting names it.
    pub(super) resource: &'t str,
}

/// A trial that failed, by the code of the answer.
pub(super) fn refused(check: &'static str, trial: &Trial<'_>, code: Option<&str>, reason: &str) -> Finding {
    let Trial { service, action, setting, resource } = trial;
    // `AWS.SimpleQueueService.NonExistentQueue`, `KMS.NotFoundException`
    let short = code.map(|code| code.rsplit('.').next().unwrap_or(code));
    let (found, why, fix) = match short {
        None => (
            format!("{setting}: {resource}: {reason}"),
            format!("no answer: no way to {service} from this machine, or no credentials were found"),
            "the network (VPC endpoint, security group, proxy, DNS), AWS_REGION, AWS_ENDPOINT_URL; credentials: the \
             task role, or AWS_ACCESS_KEY_ID"
                .to_owned(),
        ),
        Some("NonExistentQueue" | "QueueDoesNotExist" | "NoSuchBucket") => (
            format!("{setting}: {resource} does not exist"),
            format!("{reason}, in the Region and account of these credentials"),
            format!("make it, or mend {setting}; check AWS_REGION and whose credentials these are"),
        ),
        Some("AccessDenied" | "AccessDeniedException" | "Forbidden" | "KmsAccessDenied") => (
            format!("{setting}: {action} is not allowed"),
            reason.to_owned(),
            format!(
                "allow {action} on {resource} in the policy of this role; if it is allowed: the policy of the resource, \
                 of its VPC endpoint, and kms:GenerateDataKey and kms:Decrypt on its key"
            ),
        ),
        Some("RequestTimeTooSkewed" | "RequestExpired") => (
            format!("{setting}: the clock of this machine is wrong"),
            format!("{reason}: signatures hold the time and are good for a few minutes"),
            "let a time service set the clock (chrony, systemd-timesyncd)".to_owned(),
        ),
        Some(
            "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidSecurity"
            | "MissingAuthenticationToken",
        ) => (
            format!("{setting}: AWS does not know these credentials"),
            reason.to_owned(),
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or better none of them and the task role".to_owned(),
        ),
        Some("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => (
            format!("{setting}: the credentials have expired"),
            reason.to_owned(),
            "new ones; those of a task role renew themselves".to_owned(),
        ),
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => (
            format!("{setting}: {resource} is in another Region"),
            reason.to_owned(),
            "AWS_REGION".to_owned(),
        ),
        Some(_) => (
            format!("{setting}: {action}: {reason}"),
            format!("{service} answered, and could not do it"),
            "try again; if it stays, look the code up in the AWS documentation of the action".to_owned(),
        ),
    };
    Finding::failed(check, found).because(why).fix(fix)
}
