//! What the CEL parser says of an expression that it cannot read, in plain words, and what to write instead for those
//! who know another language. Never the library's grammar.

use super::expression::Problem;

/// The first fault: what follows it is mostly its echo. Of a `?` that lacks a value the library tells in its own words
/// before it tells where.
pub(super) fn syntax_problems(text: &str, errors: &[cel::ParseError]) -> Vec<Problem> {
    let is_half = |error: &&cel::ParseError| error.msg.starts_with("Incomplete ");
    let half = errors.first().filter(is_half).is_some();
    let first = errors.iter().find(|error| !is_half(error));
    let help = "after `?` stand two values: `condition ? value : other`; `null` leaves a value out";
    let told = |error| {
        let problem = syntax_problem(text, error);
        Problem { help: problem.help.or(half.then(|| help.to_owned())), ..problem }
    };
    vec![first.map_or_else(|| Problem::new(0..text.len(), "the expression cannot be read", None), told)]
}

fn syntax_problem(text: &str, error: &cel::ParseError) -> Problem {
    // The parser counts lines and characters from 1.
    let (line, column) = error.pos;
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let line_start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let before = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let at = text[line_start..].char_indices().nth(before).map_or(text.len(), |(at, _)| line_start + at);
    let message = error.msg.split(" expecting ").next().unwrap_or_default().trim();
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message.contains("has() macro") {
        let help = "write `has(a.b)`; for a key that is no plain word, `'a-b' in customer.metadata`".to_owned();
        return Problem::new(at..at, "`has` needs a name with a dot in it", Some(help));
    }
    // The parser's grammar talks of tokens; what stands in quotes is what it stumbled over.
    let token = message.split_once('\'').and_then(|(_, rest)| rest.strip_suffix('\'')).map(str::trim);
    let (message, help) = match token {
        Some("") => ("a space of another kind is not expected here".to_owned(), Some("write a plain space")),
        Some(token) if token.contains("<EOF>") => ("it ends too early".to_owned(), None),
        Some(token) => match token.split_once("' at '") {
            Some((missing, before)) => (format!("`{missing}` is missing before `{before}`"), None),
            None => (format!("`{token}` is not expected here"), written_instead(&text[..at], token)),
        },
        None => (message.to_owned(), None),
    };
    let width = token.map_or(1, str::len).max(1);
    Problem::new(at..at + width, format!("the expression is not valid CEL: {message}"), help.map(str::to_owned))
}

/// What to write instead of the words of another language, after what stands `before` them.
pub(super) fn written_instead(before: &str, token: &str) -> Option<&'static str> {
    match token {
        "=" => Some("compare with `==`"),
        "and" | "AND" | "&" => Some("write `&&`"),
        "or" | "OR" | "|" => Some("write `||`"),
        "not" | "NOT" => Some("write `!`"),
        "!" => Some("write `!=`"),
        ">" if before.ends_with('<') => Some("write `!=`"),
        "," => Some("numbers have no separators, and amounts are whole: 10.00 is 1000"),
        _ if token.starts_with(['“', '”', '„', '‘', '’', '«', '»']) => {
            Some("write straight quotes: 'text'")
        }
        _ if token.starts_with(['\'', '"']) => Some("a text ends with the quote it begins with"),
        _ if before.split_whitespace().last().is_some_and(|word| ["not", "NOT"].contains(&word)) => {
            Some("write `!` instead of `not`")
        }
        _ => None,
    }
}
