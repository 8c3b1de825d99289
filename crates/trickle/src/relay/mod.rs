//! Channels and segments: what the server decides, without sockets and clocks.
