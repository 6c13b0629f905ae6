//! Batches and files of batches (HL7 v2.5.1 §2.10.3): `[FHS] { [BHS] { MSH … } [BTS] } [FTS]` in one frame.
//!
//! Each message is stored and judged by itself, as if it had come alone. The reply is one frame in the same shape:
//! for each batch a BHS whose BHS-12 names the batch it answers, the acknowledgments of its messages in their order,
//! and a BTS with their number; around them FHS and FTS where the original had them. A message in enhanced mode gets
//! the acknowledgments it asked for; when no message asked for any, there is no reply.
//!
//! Headers, trailers and counts are checked before anything is stored. A batch whose envelope is broken (a trailer
//! is missing, a count is wrong, a segment stands outside a message) may have been cut, so it is refused as a whole
//! with one AR that names BHS-11 (or FHS-11) in MSA-2: none of its messages is stored, and its sender knows that all of
//! them have to be sent again.

use bytes::Bytes;
use hl7v2::build::{SegmentBuilder, encode};
use hl7v2::{Header, Separators, Text};

/// What one frame held.
pub(crate) struct File {
    /// FHS, where there is one.
    header: Option<Header>,
    batches: Vec<Batch>,
}

struct Batch {
    /// BHS, where there is one.
    header: Option<Header>,
    messages: Vec<Bytes>,
}

/// Whether the frame is a batch and not a message.
pub(crate) fn is_batch(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    body.starts_with(b"FHS") || body.starts_with(b"BHS")
}

/// Takes a batch apart.
///
/// # Errors
/// When the envelope is broken: what to answer to.
pub(crate) fn split(body: &Bytes) -> Result<File, Box<Header>> {
    let mut reader = Reader::default();
    let mut from = 0;
    while from < body.len() {
        let rest = body.get(from..).unwrap_or_default();
        let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
        let terminator = if rest.get(length..length + 2) == Some(b"\r\n") { 2 } else { 1 };
        let end = (from + length + terminator).min(body.len());
        if !line.is_empty() && reader.take(line, from, end).is_none() {
            return Err(reader.complain());
        }
        from = end;
    }
    reader.finish(body)
}

#[derive(Default)]
struct Reader {
    file: Option<Header>,
    file_ended: bool,
    batches: Vec<Open>,
}

/// A batch as it is read: messages as start and end.
struct Open {
    header: Option<Header>,
    messages: Vec<(usize, usize)>,
    ended: bool,
}

impl Reader {
    /// One segment that stands at `from..end`; `None` where it must not stand.
    fn take(&mut self, line: &[u8], from: usize, end: usize) -> Option<()> {
        if self.file_ended {
            return None;
        }
        let is_empty = self.batches.is_empty();
        let open = self.batches.last_mut().filter(|batch| !batch.ended);
        match (line.get(..3)?, open) {
            (b"FHS", None) if self.file.is_none() && is_empty => {
                self.file = Some(header(line));
            }
            (b"BHS", open) => {
                match open {
                    Some(open) if open.header.is_some() => return None,
                    Some(open) => open.ended = true,
                    None => {}
                }
                self.batches.push(Open { header: Some(header(line)), messages: Vec::new(), ended: false });
            }
            (b"MSH", Some(open)) => open.messages.push((from, end)),
            (b"MSH", None) => {
                self.batches.push(Open { header: None, messages: vec![(from, end)], ended: false });
            }
            (b"BTS", Some(open)) if open.header.is_some() && is_count(line, open.messages.len()) => {
                open.ended = true;
            }
            (b"FTS", open) if self.file.is_some() => {
                let whole = open.is_none_or(|open| open.header.is_none());
                let batches = self.batches.iter().filter(|batch| batch.header.is_some()).count();
                // Where messages stand without a batch header, what was counted is anybody's guess.
                let counted = self.batches.len() > batches || is_count(line, batches);
                if !whole || !counted {
                    return None;
                }
                self.file_ended = true;
            }
            (b"FHS" | b"BTS" | b"FTS", _) | (_, None) => return None,
            (_, Some(open)) => open.messages.last_mut()?.1 = end,
        }
        Some(())
    }

    fn finish(self, body: &Bytes) -> Result<File, Box<Header>> {
        let cut = self.batches.last().is_some_and(|batch| batch.header.is_some() && !batch.ended);
        if cut || self.file.is_some() != self.file_ended {
            return Err(self.complain());
        }
        let batches = self.batches.into_iter().map(|batch| Batch {
            header: batch.header,
            messages: batch.messages.into_iter().map(|(from, end)| body.slice(from..end)).collect(),
        });
        Ok(File { header: self.file, batches: batches.collect() })
    }

    /// Whom to answer: the batch that is open, else the file.
    fn complain(mut self) -> Box<Header> {
        let batch = self.batches.pop().filter(|batch| !batch.ended || self.file.is_none());
        Box::new(batch.and_then(|batch| batch.header).or(self.file).unwrap_or_default())
    }
}

impl File {
    /// All messages in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Bytes> {
        self.batches.iter().flat_map(|batch| &batch.messages)
    }

    /// The reply, from the acknowledgments of each message; `None` when there are none to send.
    pub(crate) fn acknowledge(
        &self,
        answers: Vec<Vec<Vec<u8>>>,
        time: &str,
        control_id: impl Fn() -> String,
    ) -> Option<Vec<u8>> {
        if !answers.is_empty() && answers.iter().all(Vec::is_empty) {
            return None;
        }
        let mut answers = answers.into_iter();
        let mut reply = Vec::new();
        let open = |name: &str, header: &Header| {
            let mut segment = SegmentBuilder::new("MSH");
            let [sender, sending_facility, receiver, receiving_facility] = &header.parties;
            for (field, party) in [(3, receiver), (4, receiving_facility), (5, sender), (6, sending_facility)]
            {
                segment.push(field, party.clone());
            }
            segment.set(7, time);
            segment.set(11, control_id());
            segment.set(12, header.control_id.as_str());
            encode(&[segment], &Separators::default()).replacen("MSH", name, 1).into_bytes()
        };
        reply.extend(self.header.iter().flat_map(|header| open("FHS", header)));
        for batch in &self.batches {
            reply.extend(batch.header.iter().flat_map(|header| open("BHS", header)));
            let own: Vec<Vec<u8>> = answers.by_ref().take(batch.messages.len()).flatten().collect();
            reply.extend(own.concat());
            if batch.header.is_some() {
                reply.extend(format!("BTS|{}\r", own.len()).into_bytes());
            }
        }
        if self.header.is_some() {
            reply.extend(format!("FTS|{}\r", self.batches.len()).into_bytes());
        }
        Some(reply)
    }
}

/// FHS and BHS have the layout of MSH up to field 7; field 11 is the control id. What cannot be read stays empty.
fn header(line: &[u8]) -> Header {
    let unknown = Header { version: "2.5.1".to_owned(), processing_id: "P".to_owned(), ..Header::default() };
    let text: String = line.iter().filter(|byte| byte.is_ascii()).copied().map(char::from).collect();
    let Ok(text) = Text::from_text(&format!("MSH{}", text.get(3..).unwrap_or_default())) else {
        return unknown;
    };
    let Ok(message) = text.parse() else { return unknown };
    let control_id = message.segment("MSH").and_then(|msh| Some(msh.field(11).text()?.into_owned()));
    Header { parties: message.header().parties, control_id: control_id.unwrap_or_default(), ..unknown }
}

/// Whether field 1 of a trailer is empty, no number, or this one.
fn is_count(line: &[u8], expected: usize) -> bool {
    let Some(separator) = line.get(3) else { return true };
    let field = line.get(4..).unwrap_or_default().split(|byte| byte == separator).next().unwrap_or_default();
    let number: Option<usize> = std::str::from_utf8(field).ok().and_then(|text| text.trim().parse().ok());
    number.is_none_or(|number| number == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Result<Vec<Vec<String>>, String> {
        let file = split(&Bytes::from(text.to_owned())).map_err(|header| header.control_id)?;
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(file.batches.iter().map(|batch| batch.messages.iter().map(text).collect()).collect())
    }

    #[test]
    fn messages_are_cut_out_byte_for_byte() {
        let batch = "BHS|^~\\&|A|B|C|D|2024||||B1\rMSH|1\r\nPID|1\r\nMSH|2\rZZZ|x\rBTS|2\r";
        assert_eq!(shape(batch).unwrap(), [["MSH|1\r\nPID|1\r\n", "MSH|2\rZZZ|x\r"]]);
        let file = format!("\u{feff}\r\nFHS|^~\\&\r{batch}BHS|^~\\&\rBTS|0\rFTS|2\r");
        assert_eq!(shape(&file).unwrap(), [vec!["MSH|1\r\nPID|1\r\n", "MSH|2\rZZZ|x\r"], vec![]]);
        assert_eq!(shape("FHS|^~\\&\rMSH|1\rMSH|2\rFTS|1").unwrap(), [["MSH|1\r", "MSH|2\r"]]);
        assert_eq!(shape("BHS|^~\\&\rMSH|1\rBTS|many").unwrap(), [["MSH|1\r"]]);
    }

    #[test]
    fn a_broken_envelope_is_refused_and_named() {
        let bhs = "BHS|^~\\&|A|B|C|D|2024||||B1\r";
        for rest in [
            "MSH|1\r",
            "MSH|1\rBTS|2\r",
            "PID|1\rMSH|1\rBTS|1\r",
            "MSH|1\rBTS|1\rPID|1\r",
            "MSH|1\rBTS|1\rFTS|1\r",
            "MSH|1\rBHS|^~\\&\rBTS\r",
            "MSH|1\rFHS|^~\\&\rBTS\r",
            "MSH|1\rBTS|1\rBTS|1\r",
        ] {
            assert_eq!(shape(&format!("{bhs}{rest}")), Err("B1".to_owned()), "{rest:?}");
        }
        let fhs = "FHS|^~\\&|A|B|C|D|2024||||F1\r";
        for rest in ["", "MSH|1\r", "FTS|1\r", "BHS|^~\\&\rBTS\r", "FTS\rMSH|1\r", "BTS|0\rFTS\r", "FT"] {
            assert_eq!(shape(&format!("{fhs}{rest}")), Err("F1".to_owned()), "{rest:?}");
        }
    }

    #[test]
    fn nothing_but_a_header_of_a_batch_is_one() {
        assert!(is_batch(b"\xEF\xBB\xBF\r\nBHS|") && is_batch(b"FHS"));
        assert!(!is_batch(b"MSH|BHS") && !is_batch(b""));
    }

    #[test]
    fn the_reply_has_the_shape_of_the_batch() {
        let text =
            "FHS|^~\\&|A|B|C|D|2024||||F1\rBHS|^~\\&|A^1^ISO|B|C|D|2024||||B1\rMSH|1\rMSH|2\rBTS|2\rFTS|1\r";
        let file = split(&Bytes::from(text)).ok().unwrap();
        let answers = vec![vec![b"MSH|a\r".to_vec()], vec![b"MSH|b\r".to_vec(), b"MSH|c\r".to_vec()]];
        let reply = file.acknowledge(answers, "2025", || "R".to_owned()).unwrap();
        assert_eq!(
            String::from_utf8(reply).unwrap(),
            "FHS|^~\\&|C|D|A|B|2025||||R|F1\rBHS|^~\\&|C|D|A^1^ISO|B|2025||||R|B1\r\
             MSH|a\rMSH|b\rMSH|c\rBTS|3\rFTS|1\r"
        );
        assert_eq!(file.acknowledge(vec![vec![], vec![]], "2025", || "R".to_owned()), None);
    }
}
