//! Publisher and subscriber in the same process, on the same channels as everybody else.
