//! What a reader of the API sees: its description, and a page that shows it.

/// The API's description, as it lies in the repository.
pub(super) const OPENAPI: &str = include_str!("../../../../schema/openapi.json");

/// A page without anything from elsewhere.
pub(super) const DOCS: &str = include_str!("docs.html");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_description_is_of_this_version() {
        let it: Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(it["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        assert!(!DOCS.contains("http://") && !DOCS.contains("https://"));
    }
}
