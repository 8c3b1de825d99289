//! The built-in filters by their public trait alone.

#[cfg(test)]
mod filters {
    mod describe;
    mod golden;
    mod robust;
    mod update;

    pub(crate) mod stage;
}
