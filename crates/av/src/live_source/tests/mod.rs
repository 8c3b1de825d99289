//! Claims about whole streams.

mod changes;
mod delay;
mod hostile;
mod sound;
mod times;
