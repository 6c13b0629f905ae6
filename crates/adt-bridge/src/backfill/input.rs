//! Where the lines come from: a file, a source's search, the files of a bulk export.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use transform::{Export, ExportFile, History, HistoryError, SourceConfig};

use super::{BackfillArgs, Trouble, state::Position};
use crate::{
    config::Config,
    exit::{Code, Failure},
};

/// Some whole lines, and the place after them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) lines: Bytes,
    pub(crate) after: Position,
}

/// An input at some place.
pub(crate) enum Input {
    File { reader: Box<dyn BufRead>, offset: u64, size: Option<u64> },
    Search(Box<History>),
    Export(Box<Files>),
    End,
}

/// The files of an export, one after the other.
pub(crate) struct Files {
    export: Export,
    index: usize,
    /// Bytes of the current file that were given out.
    offset: u64,
    /// Bytes of it that still come and were given out before.
    skip: u64,
    /// Bytes beyond that.
    read: BytesMut,
    file: Option<ExportFile>,
}

impl Input {
    pub(crate) async fn open(
        arguments: &BackfillArgs,
        config: &Config,
        position: &Position,
    ) -> Result<Self, Failure> {
        if *position == Position::End {
            return Ok(Self::End);
        }
        match (&arguments.file, &arguments.from, &arguments.manifest) {
            (Some(path), ..) => {
                let offset = if let Position::Offset(offset) = position { *offset } else { 0 };
                open_file(path, offset).map_err(|error| {
                    Failure::new(Code::NotFound, format!("{} cannot be read: {error}", path.display()))
                })
            }
            (None, Some(name), _) => {
                let source = source(config, |source| source.name == *name || source.base_url == *name)?;
                let page = if let Position::Page(page) = position { Some(page.as_str()) } else { None };
                let history = History::new(source, arguments.since, page).map_err(|error| failure(&error))?;
                Ok(Self::Search(Box::new(history)))
            }
            (None, None, manifest) => {
                let manifest = manifest.as_deref().unwrap_or_default();
                let source = source(config, |source| manifest.starts_with(&source.base_url))?;
                let export = Export::open(source, manifest).await.map_err(|error| failure(&error))?;
                let (index, offset) =
                    if let Position::Export { file, offset } = position { (*file, *offset) } else { (0, 0) };
                let files = Files { export, index, offset, skip: 0, read: BytesMut::new(), file: None };
                Ok(Self::Export(Box::new(files)))
            }
        }
    }

    /// Bytes in all, where that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        if let Self::File { size, .. } = self { *size } else { None }
    }

    /// The next lines, `count` at most; `None` at the end.
    pub(super) async fn next(&mut self, count: u32) -> Result<Option<Batch>, Trouble> {
        match self {
            Self::End => Ok(None),
            Self::File { reader, offset, .. } => {
                let lines = read_lines(reader, count).map_err(|error| {
                    Trouble::Final(Failure::new(
                        Code::InputInvalid,
                        format!("the file cannot be read: {error}"),
                    ))
                })?;
                *offset += lines.len() as u64;
                Ok((!lines.is_empty()).then(|| Batch { lines, after: Position::Offset(*offset) }))
            }
            Self::Search(history) => {
                let Some(page) = history.next().await.map_err(trouble)? else { return Ok(None) };
                let after = page.next.map_or(Position::End, Position::Page);
                Ok(Some(Batch { lines: page.lines, after }))
            }
            Self::Export(files) => files.next(count).await.map_err(trouble),
        }
    }
}

impl Files {
    /// A file that breaks off is read again from its start, and passed over up to where it was.
    async fn next(&mut self, count: u32) -> Result<Option<Batch>, HistoryError> {
        loop {
            if let Some(lines) = split_lines(&mut self.read, count) {
                self.offset += lines.len() as u64;
                let after = Position::Export { file: self.index, offset: self.offset };
                return Ok(Some(Batch { lines, after }));
            }
            let Some(file) = &mut self.file else {
                self.read.clear();
                self.skip = self.offset;
                self.file = self.export.file(self.index).await?;
                if self.file.is_none() {
                    return Ok(None);
                }
                continue;
            };
            match file.chunk().await {
                Ok(Some(chunk)) if self.read.len() + chunk.len() <= MOST_LINE_BYTES => {
                    let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
                    self.skip -= passed as u64;
                    self.read.extend_from_slice(chunk.get(passed..).unwrap_or_default());
                }
                Ok(Some(_)) => return Err(HistoryError::Final("a line of the export has no end".to_owned())),
                Ok(None) if self.read.is_empty() => {
                    (self.index, self.offset, self.file) = (self.index + 1, 0, None);
                }
                // The last line needs no end.
                Ok(None) => self.read.extend_from_slice(b"\n"),
                Err(error) => {
                    self.file = None;
                    return Err(error);
                }
            }
        }
    }
}

/// What is left of `lines` after the first `count`.
pub(super) fn after_lines(lines: &Bytes, count: u64) -> Bytes {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let ends = lines.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    match count {
        0 => lines.clone(),
        count => lines.slice(ends.take(count).last().unwrap_or(0)..),
    }
}

/// Up to `count` whole lines from the front.
fn split_lines(read: &mut BytesMut, count: u32) -> Option<Bytes> {
    let ends = read.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    let last = ends.take(count as usize).take_while(|end| *end <= BATCH_BYTES).last();
    let first = || read.iter().position(|byte| *byte == b'\n').map(|index| index + 1);
    let end = last.or_else(first)?;
    Some(read.split_to(end).freeze())
}

fn open_file(path: &Path, offset: u64) -> io::Result<Input> {
    let mut file = File::open(path)?;
    let mut magic = [0; 2];
    let gzip = file.read(&mut magic)? == 2 && magic == [0x1f, 0x8b];
    let size = file.metadata()?.len();
    if gzip {
        file.rewind()?;
        let mut reader = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
        io::copy(&mut reader.by_ref().take(offset), &mut io::sink())?;
        return Ok(Input::File { reader: Box::new(reader), offset, size: None });
    }
    file.seek(SeekFrom::Start(offset))?;
    Ok(Input::File { reader: Box::new(BufReader::new(file)), offset, size: Some(size) })
}

fn read_lines(reader: &mut Box<dyn BufRead>, count: u32) -> io::Result<Bytes> {
    let mut lines = Vec::new();
    for _ in 0..count {
        let before = lines.len();
        let most = u64::try_from(MOST_LINE_BYTES).unwrap_or(u64::MAX);
        if reader.take(most).read_until(b'\n', &mut lines)? == 0 || lines.len() >= BATCH_BYTES {
            break;
        }
        if lines.len() - before >= MOST_LINE_BYTES {
            return Err(io::Error::other("a line has no end"));
        }
    }
    Ok(lines.into())
}

fn source(config: &Config, wanted: impl Fn(&SourceConfig) -> bool) -> Result<&SourceConfig, Failure> {
    config.hook.source.iter().find(|source| wanted(source)).ok_or_else(|| {
        Failure::new(Code::ConfigInvalid, "that is not an allowed source")
            .hint("[[hook.source]] lists the servers that may be read from, by name and base_url")
    })
}

fn trouble(error: HistoryError) -> Trouble {
    match error {
        HistoryError::MayPass(_) => Trouble::MayPass(failure(&error)),
        HistoryError::Config(_) | HistoryError::NotAllowed { .. } | HistoryError::Final(_) => {
            Trouble::Final(failure(&error))
        }
    }
}

fn failure(error: &HistoryError) -> Failure {
    let code = match error {
        HistoryError::Config(_) | HistoryError::NotAllowed { .. } => Code::ConfigInvalid,
        HistoryError::MayPass(_) => Code::CannotConnect,
        HistoryError::Final(_) => Code::Rejected,
    };
    Failure::new(code, error)
}

/// Bytes of one request, unless a single line has more.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
const MOST_LINE_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text(batch: &Bytes) -> &str {
        std::str::from_utf8(batch).unwrap()
    }

    #[test]
    fn reads_whole_lines_from_any_offset_plain_or_gzip() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("a.ndjson"), folder.path().join("a.ndjson.gz"));
        std::fs::write(&plain, "one\ntwo\n\nfour").unwrap();
        let mut encoder =
            flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
        encoder.write_all(b"one\ntwo\n\nfour").unwrap();
        encoder.finish().unwrap();
        for path in [plain, packed] {
            for (offset, first, second) in [(0, "one\ntwo\n", "\nfour"), (4, "two\n\n", "four"), (13, "", "")]
            {
                let Input::File { mut reader, .. } = open_file(&path, offset).unwrap() else { panic!() };
                assert_eq!(text(&read_lines(&mut reader, 2).unwrap()), first);
                assert_eq!(text(&read_lines(&mut reader, 2).unwrap()), second);
            }
        }
    }

    #[test]
    fn what_is_left_after_some_lines() {
        let lines = Bytes::from_static(b"a\nb\n\nc");
        for (count, left) in [(0, "a\nb\n\nc"), (1, "b\n\nc"), (3, "c"), (4, "c"), (9, "c")] {
            assert_eq!(text(&after_lines(&lines, count)), left, "{count}");
        }
    }
}
