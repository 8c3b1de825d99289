//! Claims about whole streams.

mod changes;
mod damage;
mod delay;
mod hostile;
mod sound;
mod times;
