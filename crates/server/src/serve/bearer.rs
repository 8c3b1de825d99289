//! The token check.

use super::settings::Secret;

/// Whether a request with this `Authorization` header may go on.
pub(super) fn is_allowed(token: Option<&Secret>, header: Option<&[u8]>) -> bool {
    let Some(token) = token else { return true };
    let header = header.unwrap_or_default();
    let mut words = header.splitn(2, |it| *it == b' ');
    let scheme = words.next().unwrap_or_default();
    let credential = words.next().unwrap_or_default().trim_ascii();
    scheme.eq_ignore_ascii_case(b"bearer") && is_same(credential, token.as_bytes())
}

/// How long it takes tells nothing of where the two differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bearer_of_the_token_passes() {
        let token = Secret::new("hush");
        let passes = |header: &str| is_allowed(Some(&token), Some(header.as_bytes()));
        for header in ["Bearer hush", "bearer hush", "BEARER hush"] {
            assert!(passes(header), "{header}");
        }
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer hus",
            "Bearer hushh",
            "Bearer HUSH",
            "Basic hush",
            "hush",
        ] {
            assert!(!passes(header), "{header}");
        }
        assert!(!is_allowed(Some(&token), None));
    }

    #[test]
    fn without_a_token_everyone_passes() {
        assert!(is_allowed(None, None));
        assert!(is_allowed(None, Some(b"Bearer anything")));
    }
}
