//! How deep the tree of a statement can be: what walks through it, and what takes it apart, goes as deep as it does, and a
//! plugin must not be able to use up the host's stack.
//!
//! Pure, and before anything is parsed. Each level of a tree takes an operator or a keyword, or a pair of brackets.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

/// Hand-written statements have dozens. A list is flat, however long.
const MAX_DEPTH: usize = 200;

/// What puts two queries together.
const SETS: [Keyword; 4] = [Keyword::UNION, Keyword::EXCEPT, Keyword::INTERSECT, Keyword::MINUS];

/// What stands between two brackets or commas.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// Since the last comma.
    operators: usize,
    /// Of the brackets since the last comma.
    inside: usize,
    /// Of all before it.
    deepest: usize,
    /// Queries that are put together, each with all before it: no comma ends that.
    sets: usize,
}

impl Level {
    fn depth(self) -> usize {
        self.deepest.max(self.operators + self.inside) + self.sets
    }
}

pub(super) fn check(tokens: &[Token]) -> Result<(), String> {
    match depth(tokens) {
        depth if depth > MAX_DEPTH => Err(format!(
            "nests or chains more than {MAX_DEPTH} operators and keywords; use lists, as in `in (…)`"
        )),
        _ => Ok(()),
    }
}

/// At least as deep as the tree will be.
fn depth(tokens: &[Token]) -> usize {
    let mut around: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for token in tokens {
        match token {
            Token::LParen => around.push(std::mem::take(&mut level)),
            Token::RParen => {
                let inside = level.depth() + 1;
                level = around.pop().unwrap_or_default();
                level.inside = level.inside.max(inside);
            }
            Token::Comma => {
                let deepest = level.deepest.max(level.operators + level.inside);
                level = Level { deepest, sets: level.sets, ..Level::default() };
            }
            Token::Word(word) if SETS.contains(&word.keyword) => level.sets += 1,
            Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
            Token::Whitespace(_)
            | Token::EOF
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_) => {}
            _ => level.operators += 1,
        }
    }
    // Brackets that nobody has closed.
    around
        .iter()
        .rev()
        .fold(level.depth(), |inside, level| Level { inside: level.inside.max(inside + 1), ..*level }.depth())
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn depth_of(sql: &str) -> usize {
        depth(&Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().unwrap())
    }

    #[test]
    fn chains_and_brackets_are_deep_and_lists_are_flat() {
        for (sql, expected) in [
            ("a", 0),
            ("(a, b, c)", 1),
            ("a + b + c", 2),
            ("(a + b) + c", 3),
            ("((a + b) + c, d) + e", 5),
            ("(a, b + c + d, e)", 3),
            ("(((", 3),
            ("a + (b", 2),
        ] {
            assert_eq!(depth_of(sql), expected, "{sql}");
        }
        let columns: Vec<String> = (0..500).map(|number| format!("c{number} = ${number}")).collect();
        assert!(depth_of(&format!("update t set {} where id = $0", columns.join(", "))) < 10);
        assert!(depth_of(&format!("select 1{}", " + 1".repeat(300))) > MAX_DEPTH);
        assert!(depth_of(&format!("select 1, 1{}", " union select 1, 1".repeat(300))) > MAX_DEPTH);
    }
}
