//! Finds the paths that a source file imports.

/// A path in a `use`, or a path with `crate` or `super` in other code.
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
    /// The name under which the file uses the item.
    pub(crate) name: String,
    pub(crate) is_public: bool,
    /// The number of inline modules around it.
    pub(crate) depth: usize,
}

/// Finds the imports of a file, except those for tests and documentation.
pub(crate) fn find(text: &str) -> Vec<Import> {
    let tokens = tokens(text);
    let mut reader = Reader {
        tokens: &tokens,
        imports: Vec::new(),
    };
    // The open braces. `true` for those of inline modules.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let depth = braces.iter().filter(|is_module| **is_module).count();
        if reader.is("#", at) && reader.is_left_out(at) {
            at = reader.after_item(at);
        } else if reader.is("use", at) {
            let is_public = at > 0 && (reader.is("pub", at - 1) || reader.is(")", at - 1));
            let first = reader.imports.len();
            at = reader.use_tree(at + 1, &[]);
            for import in &mut reader.imports[first..] {
                (import.depth, import.is_public) = (depth, is_public);
            }
        } else if reader.is("crate", at) || reader.is("super", at) {
            let begin = at;
            while reader.is("::", at + 1) {
                at += 2;
            }
            // `pub(in super::super)` imports nothing.
            if at > begin && !(reader.is("in", begin - 1) && reader.is("(", begin - 2)) {
                let path = tokens[begin..=at]
                    .iter()
                    .step_by(2)
                    .map(|token| token.text.into());
                reader.import(tokens[begin].line, path.collect(), None);
                reader.imports.last_mut().unwrap().depth = depth;
            }
            at += 1;
        } else {
            if reader.is("{", at) {
                braces.push(at > 1 && reader.is("mod", at - 2));
            } else if reader.is("}", at) {
                braces.pop();
            }
            at += 1;
        }
    }
    reader.imports
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    imports: Vec<Import>,
}

impl Reader<'_> {
    fn is(&self, text: &str, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text == text)
    }

    fn import(&mut self, line: usize, path: Vec<String>, name: Option<&str>) {
        let name = name.unwrap_or(&path[path.len() - 1]).to_owned();
        self.imports.push(Import {
            line,
            path,
            name,
            is_public: false,
            depth: 0,
        });
    }

    /// Reads a tree of `use`, and returns the index of the token after it.
    fn use_tree(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        let line = self.tokens[at].line;
        let mut name = None;
        loop {
            let token = &self.tokens[at];
            match token.text {
                ";" | "," | "}" => break,
                "::" => {}
                // `module::{self}`
                "self" if !path.is_empty() => {}
                "as" => {
                    at += 1;
                    name = Some(self.tokens[at].text);
                }
                "{" => {
                    at += 1;
                    while !self.is("}", at) {
                        at = self.use_tree(at, &path);
                        at += usize::from(self.is(",", at));
                    }
                    return at + 1;
                }
                part => path.push(part.to_owned()),
            }
            at += 1;
        }
        self.import(line, path, name);
        at
    }

    /// Returns `true` for the attributes `cfg(test)` and `cfg(doc)`, alone or with other
    /// conditions.
    fn is_left_out(&self, at: usize) -> bool {
        let places = at + 3..self.after_attribute(at);
        let mut conditions =
            places.filter(|place| self.is("test", *place) || self.is("doc", *place));
        self.is("cfg", at + 2) && conditions.any(|place| !self.is("not", place - 2))
    }

    fn after_attribute(&self, at: usize) -> usize {
        let length = self.tokens[at..].iter().position(|token| token.text == "]");
        at + length.unwrap() + 1
    }

    /// Returns the index of the token after an item with attributes: after its semicolon or block.
    fn after_item(&self, mut at: usize) -> usize {
        while self.is("#", at) {
            at = self.after_attribute(at);
        }
        let is_use = self.is("use", at);
        let mut open = 0;
        loop {
            match self.tokens[at].text {
                "{" => open += 1,
                "}" => open -= 1,
                _ => {}
            }
            at += 1;
            if open == 0 && (self.is_end(at - 1) && (!is_use || self.is(";", at - 1))) {
                return at;
            }
        }
    }

    fn is_end(&self, at: usize) -> bool {
        self.is(";", at) || self.is("}", at)
    }
}

/// A word, `::`, or one other character.
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Splits a file into tokens. Omits white space, comments, strings and characters.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = if let Some(length) = skipped(rest) {
            (length, false)
        } else if is_word(first) {
            (rest.find(|c| !is_word(c)).unwrap_or(rest.len()), true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), true)
        };
        let (text, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Returns the length of the white space, comment, string or character at the beginning of `text`.
/// `None` if a token begins there.
fn skipped(text: &str) -> Option<usize> {
    let until = |begin: usize, end: &str| {
        let length = text[begin..].find(end)?;
        Some(begin + length + end.len())
    };
    if text.starts_with(char::is_whitespace) {
        return Some(text.len() - text.trim_start().len());
    }
    if text.starts_with("//") {
        return until(2, "\n").or(Some(text.len()));
    }
    // A raw string: `r"…"`, `br#"…"#`
    if let Some(raw) = text.strip_prefix("br").or(text.strip_prefix('r')) {
        let quote = raw.trim_start_matches('#');
        if quote.starts_with('"') {
            let begin = text.len() - quote.len() + 1;
            let hashes = raw.len() - quote.len();
            return until(begin, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    // A character: `'x'`, `'\n'`. Not a lifetime: `'a`
    if let Some(inner) = text.strip_prefix('\'') {
        if inner.starts_with('\\') {
            return until(3, "'");
        }
        let after = inner.trim_start_matches(|c| c != '\'');
        let length = text.len() - after.len();
        return (text[1..length].chars().count() == 1 && !after.is_empty()).then_some(length + 1);
    }
    if !text.starts_with('"') {
        return None;
    }
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    Some(end? + 2)
}
