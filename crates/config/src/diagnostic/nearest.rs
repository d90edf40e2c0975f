//! The nearest valid name.

/// The candidate that `name` was most likely meant to be, if one is near enough.
///
/// Near: equal but for case, `-` and `_`; or at most a third of its letters away.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = folded(name);
    let distance_max = (name.chars().count().max(3)) / 3;
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &folded(candidate));
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Long names are cut: the distance takes the product of both lengths.
fn folded(name: &str) -> String {
    const CHARS_MAX: usize = 64;
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .take(CHARS_MAX)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_finds_its_name_and_a_foreign_word_does_not() {
        let names = ["upstreams", "tenants", "call_timeout", "ES256"];
        assert_eq!(nearest("upsteams", names), Some("upstreams"));
        assert_eq!(nearest("callTimeout", names), Some("call_timeout"));
        assert_eq!(nearest("CALL-TIMEOUT", names), Some("call_timeout"));
        assert_eq!(nearest("HS256", names), Some("ES256"));
        assert_eq!(nearest("database", names), None);
        assert_eq!(nearest("", names), None);
    }
}
