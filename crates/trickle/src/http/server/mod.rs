//! The server: one task for each connection.
