//! The machine of a publisher: which segment is open, which is preconnected, what an answer means.
