//! What is costly to make, and serves as long as what it is for stays the same.

/// What was made last, beside what it is for.
pub(crate) struct Kept<K, V>(Option<(K, V)>);

impl<K: PartialEq + Copy, V> Kept<K, V> {
    /// Nothing made yet.
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// The one for `key`: the kept one, or a new one in its place.
    pub(crate) fn get<E>(
        &mut self,
        key: K,
        make: impl FnOnce(K) -> Result<V, E>,
    ) -> Result<&mut V, E> {
        let kept = self.0.take().filter(|(made_for, _)| *made_for == key);
        let kept = match kept {
            Some(kept) => kept,
            None => (key, make(key)?),
        };
        let (_, value) = self.0.insert(kept);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_made_for_each_change_of_the_key_and_none_is_left_of_a_failure() {
        let mut kept = Kept::new();
        let mut made = Vec::new();
        let mut ask = |key: u32| {
            let make = |key| {
                made.push(key);
                if key == 0 { Err(()) } else { Ok(key * 10) }
            };
            kept.get(key, make).copied()
        };
        let asked = [1, 1, 2, 0, 0, 2].map(&mut ask);
        let answers = [Ok(10), Ok(10), Ok(20), Err(()), Err(()), Ok(20)];
        assert_eq!(asked, answers);
        assert_eq!(made, [1, 2, 0, 0, 2]);
    }
}
