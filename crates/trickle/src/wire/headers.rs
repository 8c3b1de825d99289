//! The fields of a head, in one block of memory.

/// Header fields in the order in which they came. Names are compared without regard to case.
#[derive(Clone, Default)]
pub struct Headers {
    block: Box<[u8]>,
    fields: Box<[Field]>,
}

#[derive(Clone, Copy)]
struct Field {
    name_at: u32,
    value_at: u32,
    end: u32,
}

impl Headers {
    /// Copies the fields that a parser found.
    pub(crate) fn copy_of(parsed: &[httparse::Header<'_>]) -> Self {
        let size = parsed
            .iter()
            .map(|field| field.name.len() + field.value.len())
            .sum();
        let mut block = Vec::with_capacity(size);
        let at = |block: &Vec<u8>| u32::try_from(block.len()).unwrap_or(u32::MAX);
        let fields = parsed
            .iter()
            .map(|field| {
                let name_at = at(&block);
                block.extend_from_slice(field.name.as_bytes());
                let value_at = at(&block);
                block.extend_from_slice(field.value);
                Field {
                    name_at,
                    value_at,
                    end: at(&block),
                }
            })
            .collect();
        Self {
            block: block.into(),
            fields,
        }
    }

    /// All fields: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| {
            let (name_at, value_at) = (field.name_at as usize, field.value_at as usize);
            (
                &self.block[name_at..value_at],
                &self.block[value_at..field.end as usize],
            )
        })
    }

    /// All values under a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The first value under a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The first value under a name, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether a comma separated list under this name has the token, without regard to case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(
                self.iter()
                    .map(|(name, value)| (name.escape_ascii(), value.escape_ascii())),
            )
            .finish()
    }
}
