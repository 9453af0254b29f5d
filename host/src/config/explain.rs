//! Words for the person who wrote the file: what the deserializer meant, and which name was probably meant.

/// The ways to name a secret. What is none of them may be the secret itself, so it is never repeated.
const WAYS_TO_A_SECRET: [&str; 3] = ["env", "file", "folder"];

/// The deserializer's message in the words of the file.
pub(super) fn explain(message: &str) -> String {
    let unknown =
        ["unknown field ", "unknown variant "].iter().find_map(|prefix| message.strip_prefix(prefix));
    if let Some(names) = unknown {
        // serde quotes the unknown name first, then every known one.
        let mut names = names.split('`').skip(1).step_by(2);
        let name = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        let what = if message.starts_with("unknown field") { "unknown key" } else { "unknown value" };
        return match suggest(name, &known) {
            meant if known == WAYS_TO_A_SECRET && !meant.starts_with("did you mean") => {
                "a secret is not written here, but named: { env = \"NAME\" } or { file = \"PATH\" }"
                    .to_owned()
            }
            meant => format!("{what}; {meant}"),
        };
    }
    if message.starts_with("wanted exactly 1 element") {
        return "must hold exactly one key".to_owned();
    }
    // serde's and Rust's words for what people call otherwise.
    let words = [
        ("wanted string or table", "expected a table"),
        ("unit variant, expected newtype variant", "text, expected a table"),
        ("invalid type: map", "invalid type: table"),
        ("expected a map", "expected a table"),
        ("expected a sequence", "expected a list"),
        ("expected path string", "expected a string"),
        ("expected f64", "expected a number"),
    ];
    let text = words.iter().fold(message.to_owned(), |message, (from, to)| message.replace(from, to));
    match text.starts_with("invalid type: string") && text.ends_with("expected a list") {
        true => format!("{text}: put it in brackets"),
        false => text,
    }
}

/// `did you mean …?`, or all there is to choose from.
pub(super) fn suggest(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    match near.min().filter(|(distance, known)| distance * 3 <= known.len().max(name.len())) {
        Some((_, known)) => did_you_mean(known),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!(
            "known are {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

pub(super) fn did_you_mean(known: &str) -> String {
    format!("did you mean `{known}`?")
}
