//! Frames out of a stream: the decoder and its buffer.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_util::codec::Decoder as _;

use crate::codec::{CodecError, Frame, MllpCodec};

const READ_BYTES: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct FrameReader {
    codec: MllpCodec,
    buffer: BytesMut,
    /// A frame that was looked at and not yet taken.
    ahead: Option<Frame>,
}

impl FrameReader {
    pub(crate) fn new(codec: MllpCodec) -> Self {
        Self { codec, buffer: BytesMut::new(), ahead: None }
    }

    /// The next frame that has arrived completely.
    pub(crate) fn buffered(&mut self) -> Result<Option<Frame>, CodecError> {
        match self.ahead.take() {
            Some(frame) => Ok(Some(frame)),
            None => self.codec.decode(&mut self.buffer),
        }
    }

    /// Whether [`Self::buffered`] has a frame, or an error.
    pub(crate) fn has_more(&mut self) -> bool {
        match self.buffered() {
            Ok(frame) => {
                self.ahead = frame;
                self.ahead.is_some()
            }
            Err(_) => true,
        }
    }

    /// Reads once; zero means the end of the stream. Cancel safe: bytes are in the buffer or still unread.
    pub(crate) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        if self.buffer.is_empty() {
            // Whoever is silent holds no memory, neither for what comes nor of what came.
            self.buffer = BytesMut::new();
            return poll_fn(|context| self.poll_fill(context, stream)).await;
        }
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 8 {
            self.buffer.reserve(READ_BYTES);
        }
        stream.read_buf(&mut self.buffer).await
    }

    /// As [`Self::fill`], for a caller that has to look at the stream when there is nothing.
    pub(crate) fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        let mut chunk = [MaybeUninit::uninit(); READ_BYTES / 2];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        ready!(Pin::new(stream).poll_read(context, &mut chunk))?;
        self.buffer.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    }

    /// After the end of the stream: what is left, once.
    pub(crate) fn finish(&mut self) -> Result<Option<Frame>, CodecError> {
        self.codec.decode_eof(&mut self.buffer)
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.codec.is_inside()
    }

    pub(crate) fn awaits_trailer(&self) -> bool {
        self.codec.awaits_trailer(&self.buffer)
    }

    pub(crate) fn take_without_trailer(&mut self) -> Option<Frame> {
        self.codec.take_without_trailer(&mut self.buffer)
    }

    pub(crate) fn codec(&self) -> &MllpCodec {
        &self.codec
    }
}
