//! The queue: its file, or its two queues in SQS.

use ::queue::{
    Config, Duty, EmbeddedQueue, FileContent, QueueError, SqsAttributes, SqsConfig, SqsFacts, SqsQueue,
};

use super::{Examined, Finding, Report, Role, clock, cloud, process};

const CHECK: &str = "queue";

pub(super) async fn examine(examined: &Examined, report: &mut Report) {
    let Examined { config, role, .. } = examined;
    if *role == Role::Receiver {
        return;
    }
    match &config.queue {
        Config::Embedded(embedded) => {
            let path = embedded.path.clone();
            let looked = tokio::task::spawn_blocking(move || EmbeddedQueue::examine(&path)).await;
            let looked = looked
                .unwrap_or_else(|_| Err(QueueError::Unavailable { reason: "the check ended".to_owned() }));
            let name = embedded.path.display().to_string();
            match looked {
                Ok(looked) => {
                    if let Some(owner) = process::lock_owner(&looked.lock) {
                        report
                            .add(Finding::ok(CHECK, format!("{name} belongs to {owner}, which is running")));
                    }
                    file(&name, looked.content, report);
                }
                Err(error) => report.add(broken_file(&name, &error)),
            }
            if *role != Role::All {
                report.add(
                    Finding::warning(CHECK, format!("{name} has one owner: hook and sender cannot share it"))
                        .because(format!(
                            "the role {} runs alone, and the other one needs the same queue",
                            role.as_str()
                        ))
                        .fix("queue.kind = \"sqs\", or `adt-bridge up`, which runs both in one process"),
                );
            }
        }
        Config::Sqs(sqs) => in_sqs(sqs, examined, report).await,
        Config::Memory(_) => report.add(
            Finding::warning(CHECK, "the queue is in memory")
                .because("what was accepted is lost when the process ends: for demonstrations only")
                .fix("queue.kind = \"embedded\" or \"sqs\""),
        ),
    }
}

fn file(name: &str, content: Option<FileContent>, report: &mut Report) {
    let Some(content) = content else {
        return report.add(Finding::ok(CHECK, format!("{name} is not there yet: the first start makes it")));
    };
    let FileContent { schema, newest_schema, size_bytes, checked, waiting, .. } = content;
    let whole = if checked { "checked whole" } else { "too large to be checked whole" };
    let size = size_bytes / 1024;
    let mut found =
        format!("{name} is sound ({whole}): {size} KiB, schema {schema}, {waiting} messages wait");
    if schema < newest_schema {
        found.push_str(&format!(
            "; the next start brings it to schema {newest_schema}, and there is no way back"
        ));
    }
    report.add(Finding::ok(CHECK, found));
    dead_letters(content.dead, report);
}

fn dead_letters(count: u64, report: &mut Report) {
    if count > 0 {
        report.add(
            Finding::warning(CHECK, format!("{count} messages were given up"))
                .because("the endpoint has not got them and will not, unless somebody decides so")
                .fix("adt-bridge dlq ls says why; then `dlq redrive` or `dlq skip`"),
        );
    }
}

fn broken_file(name: &str, error: &QueueError) -> Finding {
    let finding = Finding::failed(CHECK, format!("{name}: {error}"));
    match error {
        QueueError::Corrupt { .. } => finding
            .because("the bytes on disk are not those that were written; a start refuses them")
            .fix(
                "stop the service and copy the file with its -wal away before anything else; put the last copy back, or \
                 take what `sqlite3 COPY .recover` gives; removing file and .lock begins with an empty queue and loses \
                 what waited",
            ),
        QueueError::Configuration { .. } => finding.fix("the program version that the text names, or a newer one"),
        _ => finding
            .because("the file is there and cannot be read")
            .fix("run doctor as the user of the service; otherwise the kernel's log may say what is wrong with the disk"),
    }
}

async fn in_sqs(config: &SqsConfig, examined: &Examined, report: &mut Report) {
    let queue = match SqsQueue::connect(config).await {
        Ok(queue) => queue,
        Err(error) => {
            return report.add(Finding::failed(CHECK, error.to_string()).fix("mend the [queue] section"));
        }
    };
    let duty = if examined.role.is_sender() { Duty::Sender } else { Duty::Hook };
    let looked = queue.examine(duty).await;
    facts("queue.url", &config.url, &looked.queue, report);
    if let Ok(attributes) = &looked.queue.attributes {
        main_queue(config, examined, attributes, looked.dead_letter_queue.as_ref(), report);
    }
    if let Some(dead) = &looked.dead_letter_queue {
        facts("queue.dead_letter_url", &config.dead_letter_url, dead, report);
        if let Ok(attributes) = &dead.attributes {
            dead_letters(attributes.waiting.unwrap_or_default(), report);
        }
    }
    if let Some((date, came)) = looked.date {
        clock::compare("SQS", &date, came, report);
    }
}

/// What both queues must be.
fn facts(setting: &str, url: &str, facts: &SqsFacts, report: &mut Report) {
    for (action, result) in &facts.rights {
        report.add(match result {
            Ok(()) => Finding::ok(CHECK, format!("{setting}: {action} is allowed")),
            Err(refused) => cloud::refused(
                CHECK,
                &cloud::Trial { service: "SQS", action, setting, resource: url },
                refused.code.as_deref(),
                &refused.reason,
            ),
        });
    }
    let Ok(attributes) = &facts.attributes else { return };
    if !attributes.is_fifo {
        report.add(
            Finding::failed(CHECK, format!("{setting}: {url} is no FIFO queue"))
                .because("messages of one patient would overtake each other")
                .fix("a queue whose name ends in .fifo; a queue cannot be changed into one"),
        );
    }
    if !attributes.is_encrypted {
        report.add(
            Finding::warning(
                CHECK,
                format!("{setting}: SQS does not say that the queue is encrypted at rest"),
            )
            .because("messages hold patient data")
            .fix("turn SSE-SQS on, or set a KMS key"),
        );
    }
}

/// What the queue must be for our settings.
fn main_queue(
    config: &SqsConfig,
    examined: &Examined,
    attributes: &SqsAttributes,
    dead: Option<&SqsFacts>,
    report: &mut Report,
) {
    let sender = &examined.config.sender;
    let exchange = sender.endpoint.write_timeout_seconds + sender.endpoint.acknowledgment_timeout_seconds;
    if examined.role.is_sender() {
        let visibility = config.visibility_seconds;
        let what = format!("queue.visibility_seconds is {visibility}, an exchange may take {exchange} s");
        // The lease is extended after a third of it; two thirds must be left for a write and its acknowledgment.
        report.add(if visibility * 2 / 3 > exchange {
            Finding::ok(CHECK, what)
        } else {
            Finding::failed(CHECK, what)
                .because("a message may be handed out again while its acknowledgment is awaited: repeats, and no order")
                .fix(format!("queue.visibility_seconds of at least {}", exchange * 3 / 2 + 1))
        });
        let target = dead.and_then(|dead| dead.attributes.as_ref().ok()?.arn.as_deref());
        report.add(redrive(attributes, target));
    }
    if !attributes.is_high_throughput {
        report.add(
            Finding::warning(CHECK, "queue.url: 300 calls a second at most")
                .because(
                    "DeduplicationScope and FifoThroughputLimit are not messageGroup and perMessageGroupId",
                )
                .fix("set both for more"),
        );
    }
    if attributes.retention.is_some_and(|retention| retention.as_secs() < 1_209_600) {
        report.add(
            Finding::warning(CHECK, "queue.url: messages are kept for less than 14 days")
                .because("what an endpoint does not take in that time, SQS drops without a trace")
                .fix("MessageRetentionPeriod = 1209600"),
        );
    }
}

fn redrive(attributes: &SqsAttributes, dead_letter_arn: Option<&str>) -> Finding {
    match (attributes.redrive_target.as_deref(), attributes.max_receive_count) {
        (None, _) => Finding::ok(CHECK, "queue.url has no redrive policy; the sender gives up by itself"),
        (Some(target), _) if dead_letter_arn.is_some_and(|arn| arn != target) => {
            Finding::warning(CHECK, format!("queue.url: its redrive policy leads to {target}"))
                .because("that is not queue.dead_letter_url: nobody looks there")
                .fix("let it lead to the queue of queue.dead_letter_url")
        }
        (Some(_), Some(count)) if count < 100 => Finding::warning(
            CHECK,
            format!("queue.url: SQS itself gives a message up after {count} receives"),
        )
        .because("an endpoint that is down for long uses them up, without a reason in the dead letter")
        .fix("maxReceiveCount = 1000; the sender counts refusals for itself"),
        (Some(_), _) => Finding::ok(CHECK, "queue.url: the redrive policy is a backstop only"),
    }
}
