//! SQS FIFO queues in memory, JSON protocol 1.0.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::http::{Request, Response};

#[derive(Debug, Default)]
pub(super) struct Service {
    queues: BTreeMap<String, Queue>,
    /// Receipts and message ids are numbered over all queues.
    last: u64,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Vec<Message>,
    /// Group and deduplication id to when, and the answer given then.
    sent: HashMap<(String, String), (Instant, Value)>,
}

#[derive(Debug)]
struct Message {
    id: String,
    sequence: u64,
    body: String,
    attributes: Value,
    group: String,
    deduplication_id: String,
    receive_count: u64,
    receipt: Option<String>,
    invisible_until: Option<Instant>,
}

impl Message {
    fn is_invisible(&self, now: Instant) -> bool {
        self.invisible_until.is_some_and(|until| until > now)
    }
}

/// A call that is refused: HTTP status, error code, message.
struct Refusal(u16, &'static str, String);

type Answer = Result<Value, Refusal>;

/// The operation a request names.
pub(super) fn operation(request: &Request) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

/// What a call says beside the bodies of messages.
pub(super) fn parameters(body: &[u8]) -> String {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = body.get_mut("Entries").and_then(Value::as_array_mut).map(std::mem::take);
    let mut all = entries.unwrap_or_default();
    all.push(body);
    for one in all.iter_mut().filter_map(Value::as_object_mut) {
        one.remove("MessageBody");
    }
    Value::Array(all).to_string()
}

/// The receipt handles a call names.
pub(super) fn receipts(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = std::iter::once(&body).chain(entries(&body));
    named.filter_map(|one| one["ReceiptHandle"].as_str()).map(str::to_owned).collect()
}

/// An error answer as SQS words it.
pub(super) fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": message });
    Response::new(status, JSON, body.to_string()).header("x-amzn-query-error", format!("{code};Sender"))
}

/// What FIFO queues say to a receipt whose lease is over.
pub(super) fn expired() -> Response {
    let Refusal(status, code, message) = expired_receipt();
    error(status, code, &message)
}

/// A batch answer in which every entry failed.
pub(super) fn fail_entries(request: &Request, code: &str) -> Response {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let failed: Vec<Value> = entries(&body).iter().map(|entry| failed(entry, code, "injected")).collect();
    Response::new(200, JSON, json!({ "Successful": [], "Failed": failed }).to_string())
}

impl Service {
    pub(super) fn create(&mut self, name: &str) {
        self.queues.entry(name.to_owned()).or_default();
    }

    pub(super) fn bodies(&self, queue: &str) -> Vec<String> {
        let messages = self.queues.get(queue).map(|queue| queue.messages.as_slice()).unwrap_or_default();
        messages.iter().map(|message| message.body.clone()).collect()
    }

    pub(super) fn lapse(&mut self, queue: &str) {
        for message in self.queues.get_mut(queue).into_iter().flat_map(|queue| &mut queue.messages) {
            message.invisible_until = None;
        }
    }

    /// Answers a call. The second value: it was a receive that found nothing.
    pub(super) fn call(&mut self, operation: &str, body: &Value, address: SocketAddr) -> (Response, bool) {
        let answer = self.answer(operation, body, address);
        let empty = operation == "ReceiveMessage" && matches!(&answer, Ok(value) if value == &json!({}));
        let response = match answer {
            Ok(value) => Response::new(200, JSON, value.to_string()),
            Err(Refusal(status, code, message)) => error(status, code, &message),
        };
        (response, empty)
    }

    fn answer(&mut self, operation: &str, body: &Value, address: SocketAddr) -> Answer {
        let now = Instant::now();
        if operation == "CreateQueue" || operation == "GetQueueUrl" {
            let name = text(body, "QueueName");
            if operation == "CreateQueue" {
                self.create(name);
            }
            return Ok(json!({ "QueueUrl": format!("http://{address}/000000000000/{name}") }));
        }
        let name = text(body, "QueueUrl").rsplit('/').next().unwrap_or_default();
        let last = &mut self.last;
        let missing = || Refusal(400, "QueueDoesNotExist", "The specified queue does not exist.".into());
        let queue = self.queues.get_mut(name).ok_or_else(missing)?;
        match operation {
            "SendMessage" => queue.send(body, now, last),
            "ReceiveMessage" => Ok(queue.receive(body, now, last)),
            "DeleteMessage" => queue.delete(body, now),
            "ChangeMessageVisibility" => queue.change_visibility(body, now),
            "SendMessageBatch" => Ok(batch(body, |entry| queue.send(entry, now, last))),
            "DeleteMessageBatch" => Ok(batch(body, |entry| queue.delete(entry, now))),
            "ChangeMessageVisibilityBatch" => Ok(batch(body, |entry| queue.change_visibility(entry, now))),
            "GetQueueAttributes" => Ok(queue.attributes(name, now)),
            "PurgeQueue" => {
                queue.messages.clear();
                Ok(json!({}))
            }
            _ => Err(Refusal(400, "InvalidAction", "not in this stub".into())),
        }
    }
}

impl Queue {
    fn send(&mut self, body: &Value, now: Instant, last: &mut u64) -> Answer {
        let (group, deduplication_id) = (text(body, "MessageGroupId"), text(body, "MessageDeduplicationId"));
        if group.is_empty() || deduplication_id.is_empty() {
            return Err(Refusal(
                400,
                "MissingParameter",
                "a FIFO queue needs group and deduplication id".into(),
            ));
        }
        let key = (group.to_owned(), deduplication_id.to_owned());
        if let Some((at, answer)) = self.sent.get(&key)
            && now.duration_since(*at) < DEDUPLICATION
        {
            return Ok(answer.clone());
        }
        *last += 1;
        let answer =
            json!({ "MessageId": format!("message-{last}"), "SequenceNumber": format!("{last:020}") });
        self.messages.push(Message {
            id: format!("message-{last}"),
            sequence: *last,
            body: text(body, "MessageBody").to_owned(),
            attributes: body["MessageAttributes"].clone(),
            group: group.to_owned(),
            deduplication_id: deduplication_id.to_owned(),
            receive_count: 0,
            receipt: None,
            invisible_until: None,
        });
        self.sent.insert(key, (now, answer.clone()));
        Ok(answer)
    }

    fn receive(&mut self, body: &Value, now: Instant, last: &mut u64) -> Value {
        let most = body["MaxNumberOfMessages"].as_u64().unwrap_or(1) as usize;
        let visibility = Duration::from_secs(body["VisibilityTimeout"].as_u64().unwrap_or(30));
        let locked: HashSet<String> = self
            .messages
            .iter()
            .filter(|message| message.is_invisible(now))
            .map(|message| message.group.clone())
            .collect();
        let free = self.messages.iter_mut().filter(|message| !locked.contains(&message.group));
        let messages: Vec<Value> = free
            .take(most)
            .map(|message| {
                *last += 1;
                let receipt = format!("receipt-{last}");
                message.receipt = Some(receipt.clone());
                message.receive_count += 1;
                message.invisible_until = Some(now + visibility);
                let mut shown = Map::new();
                shown.insert("MessageId".into(), message.id.clone().into());
                shown.insert("ReceiptHandle".into(), receipt.into());
                shown.insert("Body".into(), message.body.clone().into());
                shown.insert(
                    "Attributes".into(),
                    json!({
                        "ApproximateReceiveCount": message.receive_count.to_string(),
                        "MessageDeduplicationId": message.deduplication_id,
                        "MessageGroupId": message.group,
                        "SentTimestamp": "1760000000000",
                        "SequenceNumber": format!("{:020}", message.sequence),
                    }),
                );
                if !message.attributes.is_null() {
                    shown.insert("MessageAttributes".into(), message.attributes.clone());
                }
                Value::Object(shown)
            })
            .collect();
        if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) }
    }

    /// The message a receipt belongs to; `None` when it was deleted before.
    fn leased(&self, body: &Value, now: Instant) -> Result<Option<usize>, Refusal> {
        let receipt = text(body, "ReceiptHandle");
        if !receipt.starts_with("receipt-") {
            return Err(Refusal(
                400,
                "ReceiptHandleIsInvalid",
                "The input receipt handle is invalid.".into(),
            ));
        }
        let position = self.messages.iter().position(|message| message.receipt.as_deref() == Some(receipt));
        match position.and_then(|index| self.messages.get(index)) {
            Some(message) if !message.is_invisible(now) => Err(expired_receipt()),
            Some(_) | None => Ok(position),
        }
    }

    fn delete(&mut self, body: &Value, now: Instant) -> Answer {
        if let Some(index) = self.leased(body, now)? {
            self.messages.remove(index);
        }
        Ok(json!({}))
    }

    fn change_visibility(&mut self, body: &Value, now: Instant) -> Answer {
        let time = Duration::from_secs(body["VisibilityTimeout"].as_u64().unwrap_or(0));
        let index = self.leased(body, now)?;
        match index.and_then(|index| self.messages.get_mut(index)) {
            Some(message) => {
                message.invisible_until = Some(now + time);
                Ok(json!({}))
            }
            None => Err(Refusal(400, "MessageNotInflight", "The message is not in flight.".into())),
        }
    }

    fn attributes(&self, name: &str, now: Instant) -> Value {
        let in_flight = self.messages.iter().filter(|message| message.is_invisible(now)).count();
        json!({ "Attributes": {
            "ApproximateNumberOfMessages": (self.messages.len() - in_flight).to_string(),
            "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": in_flight.to_string(),
            "FifoQueue": "true",
            "QueueArn": format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
            "VisibilityTimeout": "60",
        }})
    }
}

fn batch(body: &Value, mut call: impl FnMut(&Value) -> Answer) -> Value {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for entry in entries(body) {
        match call(entry) {
            Ok(mut answer) => {
                answer["Id"] = entry["Id"].clone();
                done.push(answer);
            }
            Err(Refusal(_, code, message)) => refused.push(failed(entry, code, &message)),
        }
    }
    json!({ "Successful": done, "Failed": refused })
}

fn entries(body: &Value) -> &[Value] {
    body["Entries"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn failed(entry: &Value, code: &str, message: &str) -> Value {
    json!({ "Id": entry["Id"], "Code": code, "Message": message, "SenderFault": false })
}

fn expired_receipt() -> Refusal {
    let message = "Value for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.";
    Refusal(400, "InvalidParameterValue", message.into())
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body[key].as_str().unwrap_or_default()
}

const JSON: &str = "application/x-amz-json-1.0";

/// How long SQS recognises a repeated send.
const DEDUPLICATION: Duration = Duration::from_secs(300);
