//! Streams for the tests of this room, made by the `ffmpeg` program.

pub(crate) fn small() -> &'static [u8] {
    &[]
}
