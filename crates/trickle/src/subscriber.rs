//! The machine of a subscriber: which segment comes next, what an answer means, when to ask again.
