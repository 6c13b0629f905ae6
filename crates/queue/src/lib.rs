//! The durable queue between the hook and the sender: SQS FIFO, SQLite, memory.
