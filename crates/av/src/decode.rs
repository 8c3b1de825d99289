//! Packets into pictures, past whatever is broken.

use crate::ffi::{Decoder, Fault, Frame, Packet, Parameters};

/// Decoding threads at most. Each holds pictures of its own, 6 MB at 1280x720.
const MOST_THREADS: usize = 4;
/// Faults in a row after which the decoder has nothing more to say.
const MOST_FAULTS: usize = 64;

/// A decoder that counts faults instead of ending with them.
pub(crate) struct VideoDecoder {
    decoder: Decoder,
    frame: Frame,
    faults: u64,
    /// Pictures that came with a flag for it; what the decoder logs is more, or the same.
    flagged: u64,
}

impl VideoDecoder {
    /// For a stream of a recording, on `threads`, or on as many as the machine has cores: noisy pictures take as long to
    /// decode as to encode.
    pub(crate) fn open(
        parameters: &Parameters,
        time_base: (u32, u32),
        threads: Option<usize>,
    ) -> Result<Self, Fault> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(cores).clamp(1, MOST_THREADS);
        let decoder = Decoder::open(parameters, time_base, threads)?;
        Ok(Self {
            decoder,
            frame: Frame::new(),
            faults: 0,
            flagged: 0,
        })
    }

    /// Puts a packet in, after everything was pulled; none ends the stream. Only lack of memory is an error.
    pub(crate) fn push(&mut self, packet: Option<&Packet>) -> Result<(), Fault> {
        match self.decoder.send(packet) {
            Err(fault) if fault == Fault::MEMORY => Err(fault),
            Err(fault) if !fault.is_end() => {
                self.faults += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The next picture; none when a packet has to come first.
    pub(crate) fn pull(&mut self) -> Result<Option<Frame>, Fault> {
        for _ in 0..MOST_FAULTS {
            match self.decoder.receive(&mut self.frame) {
                Ok(true) => {
                    self.flagged += u64::from(self.frame.is_concealed());
                    return Ok(Some(self.frame.take()));
                }
                Ok(false) => return Ok(None),
                Err(fault) if fault == Fault::MEMORY => return Err(fault),
                Err(_) => self.faults += 1,
            }
        }
        Ok(None)
    }

    /// Packets that could not be decoded.
    pub(crate) fn faults(&self) -> u64 {
        self.faults
    }

    /// Pictures of which a part was made up, once all were pulled.
    pub(crate) fn concealed(&self) -> u64 {
        self.flagged.max(self.decoder.concealed())
    }
}
