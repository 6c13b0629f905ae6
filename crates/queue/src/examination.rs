//! What a queue is like, looked at from outside: for an operator's check. Nothing in here changes a queue, takes a
//! message from anybody, or needs the process that owns it.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// What the file of an embedded queue says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileExamination {
    /// The file whose lock the owner holds; it need not exist.
    pub lock: PathBuf,
    /// What is in the file; `None` when there is no file yet and the first start makes one.
    pub content: Option<FileContent>,
}

/// What is in the file of an embedded queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileContent {
    /// Version of the tables.
    pub schema: i64,
    /// The version that this program writes; an older file is brought forward at the next start.
    pub newest_schema: i64,
    /// Size of the database in bytes.
    pub size_bytes: u64,
    /// Whether the whole file was checked; large ones are not.
    pub checked: bool,
    /// Messages that are not dead letters.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
}

/// What a process does with the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Sends messages.
    Hook,
    /// Receives and removes them, moves them to the dead letters and back.
    Sender,
}

/// What SQS says of the two queues, and which rights the credentials of this process have there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsExamination {
    /// The queue.
    pub queue: SqsFacts,
    /// The dead-letter queue; `None` for a duty that does not use it.
    pub dead_letter_queue: Option<SqsFacts>,
    /// The `Date` of an answer, and our wall clock when it came.
    pub date: Option<(String, SystemTime)>,
}

/// One queue in SQS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsFacts {
    /// Its settings, or why they cannot be read.
    pub attributes: Result<SqsAttributes, Refused>,
    /// Each IAM action that was tried, and what became of it. Tried are calls that SQS refuses for their content: such
    /// a refusal says that the right is there.
    pub rights: Vec<(&'static str, Result<(), Refused>)>,
}

/// The settings of a queue that matter here. Absent where the service did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqsAttributes {
    /// `QueueArn`.
    pub arn: Option<String>,
    /// `FifoQueue`.
    pub is_fifo: bool,
    /// `VisibilityTimeout`: a lease lasts what the settings say; this one counts for other consumers.
    pub visibility: Option<Duration>,
    /// `MessageRetentionPeriod`.
    pub retention: Option<Duration>,
    /// `DeduplicationScope` is `messageGroup` and `FifoThroughputLimit` is `perMessageGroupId`.
    pub is_high_throughput: bool,
    /// `deadLetterTargetArn` of the `RedrivePolicy`.
    pub redrive_target: Option<String>,
    /// `maxReceiveCount` of the `RedrivePolicy`.
    pub max_receive_count: Option<u32>,
    /// Whether it is encrypted at rest, with a KMS key or with one of SQS.
    pub is_encrypted: bool,
    /// `ApproximateNumberOfMessages`.
    pub waiting: Option<u64>,
}

/// Why a service did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code of its answer; `None` when there was none.
    pub code: Option<String>,
    /// The same in words, without any text of the service.
    pub reason: String,
}
